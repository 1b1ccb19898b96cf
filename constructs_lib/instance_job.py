"""A program in a container on an instance, as a job definition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.definition_rules import check_definition
from constructs_lib.image_pin import tag_or_digest
from constructs_lib.job_size import JobSize
from constructs_lib.retry_rule import RETRY_FAULTS_OF_THE_CLOUD, RetryRule
from constructs_lib.shared_file_system import SharedFileSystem


class InstanceJob(Construct):
    """The job definition for EC2 of a program that has one for Fargate, too, with the same roles.

    Batch runs a definition on one of the two. EC2 gives whole vCPUs, so a fraction is rounded up; scratch is the
    instance's root volume. A job whose Spot instance is reclaimed is tried again.
    """

    definition: batch.IJobDefinition

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
        job_role: iam.IRole,
        execution_role: iam.IRole,
        shared_file_system: SharedFileSystem | None = None,
        retry_rules: Sequence[RetryRule] = RETRY_FAULTS_OF_THE_CLOUD,
        environment: Mapping[str, str] | None = None,
        image_pin: str | None = None,
    ) -> None:
        """Declare the job definition.

        Args:
            name: what users call it, and the first part of its log streams' names.
            attempts: how often it is tried in all, where `retry_rules` say so.
            job_role: what the program may do.
            execution_role: pulls the image and writes the log, so that the instance needs no right to.
            shared_file_system: mounted at /shared; `job_role` has to be granted its use.
            image_pin: `TAG@sha256:…` names one image for ever; left out, the one with the tag.
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
        container = batch.EcsEc2ContainerDefinition(
            self,
            "Container",
            image=ecs.ContainerImage.from_ecr_repository(
                repository, tag_or_digest(self, image_tag=image_tag, pin=image_pin)
            ),
            # On an instance, nothing else tells a container its region, which the SDK needs.
            environment={**(environment or {}), "AWS_DEFAULT_REGION": cdk.Stack.of(self).region},
            cpu=math.ceil(size.vcpus),
            memory=size.memory,
            job_role=job_role,
            execution_role=execution_role,
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
            propagate_tags=True,
        )
