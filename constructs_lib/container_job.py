"""A program in a container, as a job definition."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from batch_limits import (
    MAX_ATTEMPTS,
    MAX_EVALUATE_ON_EXIT,
    MIN_TIMEOUT_SECONDS,
    RESOURCE_NAME_PATTERN,
    explain_fargate_size,
)
from constructs_lib.errors import PropertyError
from constructs_lib.retry_rule import RETRY_FAULTS_OF_THE_CLOUD, RetryRule

_RESERVED_VARIABLE_PREFIX: Final = "AWS_BATCH"


class ContainerJob(Construct):
    """A job definition for Fargate whose job role can do nothing until it is granted something.

    A job gets a public address, the only way out of the network without a NAT gateway. Its log streams are
    `<name>/default/<task id>` in the log group. Its execution role can pull its own image and write that log.
    """

    definition: batch.IJobDefinition
    job_role: iam.IRole
    """What the program may do. Grant here."""
    image_uri: str

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        repository: ecr.IRepository,
        image_tag: str,
        vcpus: float,
        memory: cdk.Size,
        attempts: int,
        timeout: cdk.Duration,
        log_group: logs.ILogGroup,
        retry_rules: Sequence[RetryRule] = RETRY_FAULTS_OF_THE_CLOUD,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Declare the job definition.

        Args:
            name: what users call it, and the first part of its log streams' names.
            attempts: how often it is tried in all, where `retry_rules` say so; by default only after faults that
                are not the program's.
            environment: left out, the program gets AWS's variables only.
            command: left out, the image's own CMD.
        """
        super().__init__(scope, construct_id)
        self._refuse_bad_text(name, environment or {})
        self._refuse_bad_numbers(vcpus, memory, attempts, timeout)
        if len(retry_rules) > MAX_EVALUATE_ON_EXIT:
            problem = (
                f"a retry strategy has up to {MAX_EVALUATE_ON_EXIT} conditions (API_RetryStrategy), "
                f"got {len(retry_rules)}; merge some"
            )
            raise PropertyError(self, "retry_rules", problem)
        self.image_uri = repository.repository_uri_for_tag(image_tag)
        self.job_role = self._job_role(name)
        container = batch.EcsFargateContainerDefinition(
            self,
            "Container",
            image=ecs.ContainerImage.from_ecr_repository(repository, image_tag),
            command=command,
            environment=environment,
            cpu=vcpus,
            memory=memory,
            assign_public_ip=True,
            fargate_cpu_architecture=ecs.CpuArchitecture.X86_64,
            fargate_operating_system_family=ecs.OperatingSystemFamily.LINUX,
            job_role=self.job_role,
            execution_role=self._execution_role(name, repository, log_group),
            logging=ecs.LogDriver.aws_logs(stream_prefix=name, log_group=log_group),
        )
        self.definition = batch.EcsJobDefinition(
            self,
            "Definition",
            container=container,
            retry_attempts=attempts,
            retry_strategies=[rule.strategy(self) for rule in retry_rules],
            timeout=timeout,
        )

    def _job_role(self, name: str) -> iam.Role:
        stack = cdk.Stack.of(self)
        # Only tasks of this account may take the role on, whoever can name it:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
        tasks = iam.ServicePrincipal(
            "ecs-tasks.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
        )
        return iam.Role(self, "JobRole", assumed_by=tasks, description=f"What the program of {name} jobs may do")

    def _execution_role(self, name: str, repository: ecr.IRepository, log_group: logs.ILogGroup) -> iam.Role:
        role = iam.Role(
            self,
            "ExecutionRole",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description=f"What ECS needs to start {name} jobs",
        )
        repository.grant_pull(role)
        log_group.grant_write(role)
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="ecr:GetAuthorizationToken takes no resource; what can be pulled is bound to one repository",
            )
        )
        return role

    def _refuse_bad_text(self, name: str, environment: Mapping[str, str]) -> None:
        if not re.fullmatch(RESOURCE_NAME_PATTERN, name):
            problem = (
                "a job definition's name is 1 to 128 letters, digits, hyphens and underscores "
                f"(API_RegisterJobDefinition), got {name!r}; choose such a name"
            )
            raise PropertyError(self, "name", problem)
        reserved = [variable for variable in environment if variable.startswith(_RESERVED_VARIABLE_PREFIX)]
        if reserved:
            problem = (
                f"names that begin with {_RESERVED_VARIABLE_PREFIX} are Batch's own (API_ContainerProperties), "
                f"got {', '.join(reserved)}; rename"
            )
            raise PropertyError(self, "environment", problem)

    def _refuse_bad_numbers(self, vcpus: float, memory: cdk.Size, attempts: int, timeout: cdk.Duration) -> None:
        misfit = explain_fargate_size(vcpus, int(memory.to_mebibytes()))
        if misfit:
            raise PropertyError(self, "vcpus and memory", misfit)
        if not 1 <= attempts <= MAX_ATTEMPTS:
            problem = (
                f"a job has 1 to {MAX_ATTEMPTS} attempts (API_RetryStrategy), got {attempts!r}; choose in that range"
            )
            raise PropertyError(self, "attempts", problem)
        seconds = int(timeout.to_seconds())
        if seconds < MIN_TIMEOUT_SECONDS:
            problem = (
                f"a job's timeout is at least {MIN_TIMEOUT_SECONDS} seconds (API_JobTimeout), got {seconds}; raise it"
            )
            raise PropertyError(self, "timeout", problem)
