"""The part of the entry stack for the people who use it: the policies of those who submit."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import deployment_outputs
from constructs_lib.submitter_policy import SubmitterPolicy


class AccessPart(Construct):
    """Two managed policies to attach to whoever submits, and their outputs."""

    policies: Sequence[iam.IManagedPolicy]
    """Both: of jobs, then of the bucket."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: str,
        job_queues: Sequence[batch.IJobQueue],
        job_definitions: Sequence[batch.IJobDefinition],
        bucket_policy: iam.IManagedPolicy,
        log_group: logs.ILogGroup,
        job_events: sqs.IQueue | None,
        key: kms.IKey | None,
    ) -> None:
        """Declare the policy of jobs; `bucket_policy` is that of the bucket, which its own stack declares."""
        super().__init__(scope, construct_id)
        jobs_policy = SubmitterPolicy(
            self,
            "Submitter",
            job_tag=(deployment_outputs.DEPLOYMENT_TAG, deployment),
            job_queues=job_queues,
            job_definitions=job_definitions,
            log_group=log_group,
            job_events=job_events,
            key=key,
        ).policy
        self.policies = (jobs_policy, bucket_policy)
        for output, policy in (
            (deployment_outputs.SUBMITTER_POLICY_ARN, jobs_policy),
            (deployment_outputs.SUBMITTER_BUCKET_POLICY_ARN, bucket_policy),
        ):
            cdk.CfnOutput(self, output, value=policy.managed_policy_arn).override_logical_id(output)
