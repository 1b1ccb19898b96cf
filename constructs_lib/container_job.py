"""A program in a container, as a job definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from batch_limits import explain_fargate_size
from constructs_lib.cpu_architecture import fargate_architecture
from constructs_lib.definition_rules import check_definition
from constructs_lib.errors import PropertyError
from constructs_lib.image_pin import tag_or_digest
from constructs_lib.job_roles import ExecutionRole, JobRole
from constructs_lib.job_size import JobSize
from constructs_lib.retry_rule import RETRY_FAULTS_OF_THE_CLOUD, RetryRule
from constructs_lib.shared_file_system import SharedFileSystem
from instance_type_facts import X86_64


class ContainerJob(Construct):
    """A job definition for Fargate whose job role can do nothing until it is granted something.

    Its log streams are `<name>/default/<task id>` in the log group. Its execution role can pull its own image and write
    that log.
    """

    definition: batch.IJobDefinition
    job_role: iam.IRole
    """What the program may do. Grant here."""
    execution_role: iam.IRole
    image_uri: str
    """`repository:tag`, where the image is pushed to, pinned or not."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        repository: ecr.IRepository,
        image_tag: str,
        size: JobSize,
        attempts: int,
        log_group: logs.ILogGroup,
        has_public_address: bool = True,
        scratch: cdk.Size | None = None,
        shared_file_system: SharedFileSystem | None = None,
        retry_rules: Sequence[RetryRule] = RETRY_FAULTS_OF_THE_CLOUD,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        image_pin: str | None = None,
        cpu_architecture: str = X86_64,
    ) -> None:
        """Declare the job definition.

        Args:
            name: what users call it, and the first part of its log streams' names.
            attempts: how often it is tried in all, where `retry_rules` say so; by default only after faults that
                are not the program's.
            has_public_address: the way out of a public subnet; in a private one, it has none to give.
            scratch: of the job's machine, image included. Left out, Fargate's 20 GiB.
            shared_file_system: mounted at /shared. Left out, jobs share the bucket only.
            environment: left out, the program gets AWS's variables only.
            command: left out, the image's own CMD.
            image_pin: `TAG@sha256:…` names one image for ever; left out, the one with the tag.
            cpu_architecture: `x86_64` or `arm64`, as the image was built for.
        """
        super().__init__(scope, construct_id)
        check_definition(
            self,
            name=name,
            environment=environment or {},
            attempts=attempts,
            timeout=size.timeout,
            retry_rules=retry_rules,
        )
        misfit = explain_fargate_size(size.vcpus, int(size.memory.to_mebibytes()))
        if misfit:
            raise PropertyError(self, "vcpus and memory", misfit)
        self.image_uri = repository.repository_uri_for_tag(image_tag)
        self.job_role = JobRole(self, "JobRole", job_name=name)
        self.execution_role = ExecutionRole(
            self, "ExecutionRole", job_name=name, repository=repository, log_group=log_group
        )
        if shared_file_system is not None:
            shared_file_system.grant_use(self.job_role)
        container = batch.EcsFargateContainerDefinition(
            self,
            "Container",
            image=ecs.ContainerImage.from_ecr_repository(
                repository, tag_or_digest(self, image_tag=image_tag, pin=image_pin)
            ),
            command=command,
            environment=environment,
            cpu=size.vcpus,
            memory=size.memory,
            assign_public_ip=has_public_address,
            ephemeral_storage_size=scratch,
            fargate_cpu_architecture=fargate_architecture(self, cpu_architecture),
            fargate_operating_system_family=ecs.OperatingSystemFamily.LINUX,
            job_role=self.job_role,
            execution_role=self.execution_role,
            logging=ecs.LogDriver.aws_logs(stream_prefix=name, log_group=log_group),
            volumes=[shared_file_system.volume()] if shared_file_system is not None else None,
        )
        self.definition = batch.EcsJobDefinition(
            self,
            "Definition",
            container=container,
            retry_attempts=attempts,
            retry_strategies=[rule.strategy(self) for rule in retry_rules],
            timeout=size.timeout,
            # Fargate bills tasks: without their tags, nobody could say whose they were.
            propagate_tags=True,
        )
