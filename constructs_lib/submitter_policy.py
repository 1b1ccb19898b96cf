"""What a person may do who submits jobs and follows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

_DESCRIBING: Final = (
    "batch:DescribeComputeEnvironments",
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobQueues",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "ec2:DescribeInstanceTypes",
)
"""Calls of `hpc` that take no resource.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html and list_amazonec2.html
"""


class SubmitterPolicy(Construct):
    """A managed policy with exactly what `hpc` calls to submit, follow, end and explain jobs of one deployment.

    What lies in the bucket is the bucket's to allow: `ResultsBucket.submitter_policy` goes with it. It costs nothing.
    Whoever owns the account attaches both to the users, groups or roles of those who submit: they make nobody able to
    deploy, to push an image, to change a definition, or to take a role on.
    """

    policy: iam.ManagedPolicy

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_tag: tuple[str, str],
        job_queues: Sequence[batch.IJobQueue],
        job_definitions: Sequence[batch.IJobDefinition],
        log_group: logs.ILogGroup,
        job_events: sqs.IQueue | None,
        key: kms.IKey | None,
    ) -> None:
        """Declare the policy, in the stack whose outputs submitters read.

        Args:
            job_tag: key and value of the tag by which the deployment's jobs are known: whatever is tagged gets it, and
                only what has it can be ended. A job's ARN says nothing of its queue.
            job_queues: where jobs may wait.
            job_definitions: what may run.
            log_group: of what jobs print.
            job_events: the queue of changes of jobs' states, where there is one.
            key: encrypts the logs of jobs, where they are not encrypted by AWS's own.
        """
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        jobs = stack.format_arn(service="batch", resource="job", resource_name="*")
        definitions = [_any_revision(definition) for definition in job_definitions]
        clusters, instances = (
            stack.format_arn(service="ecs", resource=resource, resource_name="*")
            for resource in ("cluster", "container-instance")
        )
        own_stack = stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/*")
        # By hand: neither Batch's L2 nor those of ECS and CloudFormation grant anything.
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="Submit, follow, end and explain jobs with hpc",
            statements=[
                iam.PolicyStatement(actions=list(_DESCRIBING), resources=["*"]),
                iam.PolicyStatement(
                    actions=["batch:SubmitJob"],
                    resources=[jobs, *(queue.job_queue_arn for queue in job_queues), *definitions],
                ),
                *_jobs_of_the_deployment(jobs, *job_tag),
                iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[own_stack]),
                iam.PolicyStatement(
                    actions=["ecs:DescribeContainerInstances", "ecs:ListContainerInstances"],
                    resources=[clusters, instances],
                ),
                # The attribute ends with an asterisk, which stands for the streams: each attempt has one.
                iam.PolicyStatement(actions=["logs:GetLogEvents"], resources=[log_group.log_group_arn]),
            ],
        )
        if job_events is not None:
            self.policy.add_statements(
                iam.PolicyStatement(
                    actions=["sqs:DeleteMessage", "sqs:ReceiveMessage"], resources=[job_events.queue_arn]
                )
            )
        if key is not None:
            self.policy.add_statements(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[key.key_arn]))
        reasons = {
            "*": "Describe and List calls of Batch and EC2 take no resource",
            **dict.fromkeys(definitions, "A run that is resumed submits the revision that it began with"),
            jobs: "Jobs get their ids when they are submitted",
            clusters: "Batch makes the clusters of its environments, and their names",
            own_stack: "The stack's name; what follows it in the ARN is another number after every new deployment",
            instances: "An instance gets its ARN by registering",
        }
        findings = [_as_cdk_nag_writes(resource) for resource in stack.resolve(list(reasons))]
        cdk.Validations.of(self.policy).acknowledge(
            *(
                cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{finding}]", reason=reason)
                for finding, reason in zip(findings, reasons.values(), strict=True)
            )
        )


def _jobs_of_the_deployment(jobs: str, key: str, value: str) -> list[iam.PolicyStatement]:
    """Tagging, which SubmitJob does, and ending.

    Batch looks at aws:ResourceTag on every action that takes a job, and at aws:RequestTag on those that tag. Nobody
    makes a job his own by tagging it anew where another deployment has tagged it; one that no deployment has tagged he
    can, as Batch has no key that tells the tags of a submission from later ones. Children of arrays have no tags: an
    array is ended as a whole.

    Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html and
    https://docs.aws.amazon.com/batch/latest/userguide/using-tags.html
    """
    own = {f"aws:ResourceTag/{key}": value}
    return [
        iam.PolicyStatement(
            actions=["batch:TagResource"],
            resources=[jobs],
            conditions={"StringEquals": {f"aws:RequestTag/{key}": value}, "StringEqualsIfExists": own},
        ),
        iam.PolicyStatement(actions=["batch:TerminateJob"], resources=[jobs], conditions={"StringEquals": own}),
    ]


def _any_revision(definition: batch.IJobDefinition) -> str:
    """A job of a revision that a later deployment replaced can still be submitted again, by who remembers it."""
    name = cdk.Fn.select(0, cdk.Fn.split(":", cdk.Fn.select(1, cdk.Fn.split("/", definition.job_definition_arn))))
    return cdk.Stack.of(definition).format_arn(service="batch", resource="job-definition", resource_name=f"{name}*")


def _as_cdk_nag_writes(value: Any) -> str:
    """A resource of a statement, resolved, in the words of a finding."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_as_cdk_nag_writes(part) for part in parts)
    if "Ref" in value:
        return f"<{value['Ref']}>"
    return json.dumps(value, separators=(",", ":"))
