"""What a person may do who submits jobs and follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.results_bucket import ResultsBucket

_NO_RESOURCE: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "batch": (
            "DescribeComputeEnvironments",
            "DescribeJobDefinitions",
            "DescribeJobQueues",
            "DescribeJobs",
            "ListJobs",
        ),
        "ec2": ("DescribeInstanceTypes",),
    }
)
"""Calls of `hpc` that take no resource.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html
"""


class SubmitterPolicy(Construct):
    """A managed policy with exactly what `hpc` calls to submit, follow, end and explain jobs of one deployment.

    It costs nothing. Whoever owns the account attaches it to the users, groups or roles of those who submit: it makes
    nobody able to deploy, to push an image, to change a definition, or to take a role on.
    """

    policy: iam.ManagedPolicy

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
        """Declare the policy, in the stack whose outputs submitters read."""
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        jobs = stack.format_arn(service="batch", resource="job", resource_name="*")
        queues = [queue.job_queue_arn for queue in job_queues]
        definitions = [_any_revision(definition) for definition in job_definitions]
        bucket = results.bucket
        statements = [
            *(
                iam.PolicyStatement(actions=[f"{service}:{action}" for action in actions], resources=["*"])
                for service, actions in _NO_RESOURCE.items()
            ),
            iam.PolicyStatement(actions=["batch:SubmitJob"], resources=[jobs, *queues, *definitions]),
            iam.PolicyStatement(actions=["batch:TagResource", "batch:TerminateJob"], resources=[jobs]),
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=[
                    bucket.arn_for_objects(f"{prefix}*")
                    for prefix in (results.prefix, results.programs_prefix, results.runs_prefix)
                ],
            ),
            iam.PolicyStatement(
                actions=["s3:PutObject"],
                resources=[
                    bucket.arn_for_objects(f"{prefix}*") for prefix in (results.programs_prefix, results.runs_prefix)
                ],
            ),
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[bucket.bucket_arn]),
            iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[stack.stack_id]),
            iam.PolicyStatement(actions=["logs:GetLogEvents"], resources=[log_group.log_group_arn]),
        ]
        if key is not None:
            statements.append(
                iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[key.key_arn])
            )
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="Submit, follow, end and explain jobs with hpc",
            statements=statements,
        )
        cdk.Validations.of(self.policy).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5",
                reason="Describe and List calls take no resource; jobs get their ids when they are submitted; objects "
                "are named when they are sent, under prefixes of the one bucket; a definition gets further revisions",
            )
        )


def _any_revision(definition: batch.IJobDefinition) -> str:
    """A job of a revision that a later deployment replaced can still be submitted again, by who remembers it."""
    name = cdk.Fn.select(0, cdk.Fn.split(":", cdk.Fn.select(1, cdk.Fn.split("/", definition.job_definition_arn))))
    return cdk.Stack.of(definition).format_arn(service="batch", resource="job-definition", resource_name=f"{name}*")
