"""The part of the entry stack for the people who use it: the policy of those who submit."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

import deployment_outputs
from constructs_lib.results_bucket import ResultsBucket
from constructs_lib.submitter_policy import SubmitterPolicy


class AccessPart(Construct):
    """The managed policy to attach to whoever submits, and its output."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_queues: Sequence[batch.IJobQueue],
        job_definitions: Sequence[batch.IJobDefinition],
        results: ResultsBucket,
        log_group: logs.ILogGroup,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        policy = SubmitterPolicy(
            self,
            "Submitter",
            job_queues=job_queues,
            job_definitions=job_definitions,
            results=results,
            log_group=log_group,
            key=key,
        ).policy
        output = deployment_outputs.SUBMITTER_POLICY_ARN
        cdk.CfnOutput(self, output, value=policy.managed_policy_arn).override_logical_id(output)
