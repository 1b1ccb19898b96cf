"""The entry stack: compute environments, queues and job definitions, and all outputs of the deployment.

What MPI jobs need is added to it by `mpi_part`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

import deployment_outputs
from constructs_lib.batch_network import BatchNetwork
from constructs_lib.container_job import ContainerJob
from constructs_lib.ec2_compute import Ec2Compute
from constructs_lib.fargate_compute import FargateCompute
from constructs_lib.image_repository import ImageRepository
from constructs_lib.job_log import JobLog
from constructs_lib.job_size import JobSize
from constructs_lib.prioritised_queue import PrioritisedQueue
from constructs_lib.results_bucket import ResultsBucket
from launcher_contract import WITH_LAUNCHER

BARRIER: Final = "barrier"
"""The job definition of jobs that do nothing but wait for others, and its image's folder."""


class BatchStack(cdk.Stack):
    """Where jobs wait and run. Its outputs, named in `deployment_outputs`, are all that the runner reads."""

    log_group: logs.ILogGroup
    """Of all jobs."""
    job_queues: Sequence[batch.IJobQueue]
    """Of jobs of one container."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: BatchNetwork,
        results: ResultsBucket,
        repositories: Mapping[str, ImageRepository],
        image_tags: Mapping[str, str],
        image_pins: Mapping[str, str],
        cpu_architecture: str,
        job_sizes: Mapping[str, JobSize],
        barrier_size: JobSize,
        job_attempts: int,
        fargate_max_vcpus: int,
        ec2_max_vcpus: int,
        ec2_instance_types: Sequence[str],
        ec2_root_volume: cdk.Size,
        queue_priorities: Mapping[str, int],
        job_log_retention_days: int,
    ) -> None:
        """Declare the stack.

        Args:
            image_tags: by the folder of the image, from which `repositories` and `job_sizes` have their names, too.
            image_pins: `TAG@sha256:…` by folder, of images that are to be one digest for ever.
            cpu_architecture: `x86_64` or `arm64`, of jobs on Fargate.
            job_sizes: of every program that runs on Fargate; a job definition is made for each.
            barrier_size: of jobs that only join others: a job waits for 20 at most, so that more are joined first.
        """
        super().__init__(
            scope, construct_id, description="Cloud HPC: compute environments, job queues, job definitions"
        )
        fargate, ec2 = self._capacity(network, fargate_max_vcpus, ec2_max_vcpus, ec2_instance_types, ec2_root_volume)
        self.job_queues = (
            self._add_queue("high", queue_priorities, [fargate]),
            self._add_queue("normal", queue_priorities, [fargate]),
            self._add_queue("ec2", queue_priorities, [ec2]),
        )
        self.log_group = JobLog(self, "JobLog", retention_days=job_log_retention_days).log_group
        self._attempts = job_attempts
        self._image_pins = image_pins
        self._cpu_architecture = cpu_architecture
        environment = {
            **WITH_LAUNCHER,
            "RESULTS_BUCKET": results.bucket.bucket_name,
            "RESULTS_PREFIX": results.prefix,
        }
        for name, size in job_sizes.items():
            role = self._add_job(name, repositories[name], image_tags[name], size, environment)
            results.grant_results(role)
            results.grant_programs(role)
        self._add_job(BARRIER, repositories[BARRIER], image_tags[BARRIER], barrier_size)
        self._output(deployment_outputs.BUCKET_NAME, results.bucket.bucket_name)
        self._output(deployment_outputs.RESULTS_PREFIX, results.prefix)
        self._output(deployment_outputs.PROGRAMS_PREFIX, results.programs_prefix)
        self._output(deployment_outputs.RUNS_PREFIX, results.runs_prefix)
        self._output(deployment_outputs.LOG_GROUP_NAME, self.log_group.log_group_name)

    def _capacity(
        self,
        network: BatchNetwork,
        fargate_max_vcpus: int,
        ec2_max_vcpus: int,
        ec2_instance_types: Sequence[str],
        ec2_root_volume: cdk.Size,
    ) -> tuple[batch.IComputeEnvironment, batch.IComputeEnvironment]:
        fargate = FargateCompute(
            self,
            "Fargate",
            vpc=network.vpc,
            subnets=network.subnets,
            security_group=network.job_security_group,
            max_vcpus=fargate_max_vcpus,
        )
        ec2 = Ec2Compute(
            self,
            "Ec2",
            vpc=network.vpc,
            subnets=network.subnets,
            security_group=network.job_security_group,
            max_vcpus=ec2_max_vcpus,
            instance_types=ec2_instance_types,
            root_volume=ec2_root_volume,
        )
        return fargate.environment, ec2.environment

    def _add_queue(
        self, name: str, priorities: Mapping[str, int], environments: Sequence[batch.IComputeEnvironment]
    ) -> batch.IJobQueue:
        """Declare a queue with its output."""
        queue = PrioritisedQueue(
            self, f"Queue{name.capitalize()}", priority=priorities[name], environments=environments
        ).queue
        self._output(deployment_outputs.JOB_QUEUES[name], queue.job_queue_arn)
        return queue

    def _add_job(
        self,
        name: str,
        repository: ImageRepository,
        image_tag: str,
        size: JobSize,
        environment: Mapping[str, str] | None = None,
    ) -> iam.IRole:
        """Declare a job definition with its outputs; the role of its program."""
        job = ContainerJob(
            self,
            f"Job{name.capitalize()}",
            name=name,
            repository=repository.repository,
            image_tag=image_tag,
            size=size,
            attempts=self._attempts,
            log_group=self.log_group,
            environment=environment,
            image_pin=self._image_pins.get(name),
            cpu_architecture=self._cpu_architecture,
        )
        self._output(deployment_outputs.JOB_DEFINITIONS[name], job.definition.job_definition_arn)
        self._output(deployment_outputs.IMAGE_URIS[name], job.image_uri)
        return job.job_role

    def _output(self, key: str, value: str) -> None:
        cdk.CfnOutput(self, key, value=value)
