"""The two roles that every job definition brings: what its program may do, and what ECS needs to start it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.rule_packs import INLINE_POLICY, acknowledge

_TASKS = "ecs-tasks.amazonaws.com"


class JobRole(iam.Role):
    """What the program of a job may do: nothing until it is granted something."""

    def __init__(self, scope: Construct, construct_id: str, *, job_name: str) -> None:
        super().__init__(
            scope,
            construct_id,
            assumed_by=_tasks_of_this_account(scope),
            description=f"What the program of {job_name} jobs may do",
        )
        acknowledge(self, "IAMNoInlinePolicy", INLINE_POLICY)


class ExecutionRole(iam.Role):
    """What ECS may do to start a job: pull its one image and write its log."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_name: str,
        repository: ecr.IRepository,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            assumed_by=_tasks_of_this_account(scope),
            description=f"What ECS needs to start {job_name} jobs",
        )
        repository.grant_pull(self)
        log_group.grant_write(self)
        acknowledge(self, "IAMNoInlinePolicy", INLINE_POLICY)
        cdk.Validations.of(self).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="ecr:GetAuthorizationToken takes no resource; what can be pulled is bound to one repository",
            )
        )


def _tasks_of_this_account(scope: Construct) -> iam.IPrincipal:
    """ECS, which can then be brought to take the role on for no other account, whoever can name it.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
    """
    account = cdk.Stack.of(scope).account
    return iam.ServicePrincipal(_TASKS, conditions={"StringEquals": {"aws:SourceAccount": account}})
