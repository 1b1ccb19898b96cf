"""The part of the entry stack that makes the head node, where one is wanted, and its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

import deployment_outputs
from constructs_lib.batch_network import BatchNetwork
from constructs_lib.head_node import HeadNode
from constructs_lib.results_bucket import ResultsBucket
from constructs_lib.shared_file_system import SharedFileSystem


class HeadNodePart(Construct):
    """The head node, or the word that there is none."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        instance_type: str | None,
        root_volume: cdk.Size,
        idle_timeout: cdk.Duration,
        deployment: str,
        network: BatchNetwork,
        results: ResultsBucket,
        scripts: Mapping[str, str],
        shared_file_system: SharedFileSystem | None,
        submitter_policies: Sequence[iam.IManagedPolicy],
    ) -> None:
        """Declare it, in the first zone of jobs; `submitter_policies` are what people may do there."""
        super().__init__(scope, construct_id)
        instance_id = deployment_outputs.NONE
        if instance_type is not None:
            instance_id = HeadNode(
                self,
                "Node",
                network=network,
                instance_type=instance_type,
                root_volume=root_volume,
                idle_timeout=idle_timeout,
                deployment=deployment,
                bucket=results.bucket,
                bundle_key=f"{results.builds_prefix}{deployment_outputs.HEAD_NODE_BUNDLE}",
                scripts=scripts,
                shared_file_system=shared_file_system,
                submitter_policies=submitter_policies,
            ).instance_id
        key = deployment_outputs.HEAD_NODE_INSTANCE_ID
        cdk.CfnOutput(self, key, value=instance_id).override_logical_id(key)
