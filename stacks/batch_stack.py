"""The entry stack: compute environments, queues and job definitions, and all outputs of the deployment.

What MPI jobs need is added to it by `mpi_part`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_logs as logs
from constructs import Construct

import deployment_outputs
from constructs_lib.batch_network import BatchNetwork
from constructs_lib.container_job import ContainerJob
from constructs_lib.ec2_compute import Ec2Compute
from constructs_lib.fargate_compute import FargateCompute
from constructs_lib.image_repository import ImageRepository
from constructs_lib.job_log import JobLog
from constructs_lib.prioritised_queue import PrioritisedQueue
from constructs_lib.results_bucket import ResultsBucket


class BatchStack(cdk.Stack):
    """Where jobs wait and run. Its outputs, named in `deployment_outputs`, are all that the runner reads."""

    log_group: logs.ILogGroup
    """Of all jobs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: BatchNetwork,
        results: ResultsBucket,
        repositories: Mapping[str, ImageRepository],
        image_tags: Mapping[str, str],
        fargate_max_vcpus: int,
        ec2_max_vcpus: int,
        ec2_instance_types: Sequence[str],
        ec2_root_volume: cdk.Size,
        queue_priorities: Mapping[str, int],
        job_vcpus: float,
        job_memory: cdk.Size,
        job_attempts: int,
        job_timeout: cdk.Duration,
        job_log_retention_days: int,
    ) -> None:
        """Declare the stack; `image_tags` holds the tag of every image that a Fargate job definition is made for."""
        super().__init__(
            scope, construct_id, description="Cloud HPC: compute environments, job queues, job definitions"
        )
        fargate, ec2 = self._capacity(network, fargate_max_vcpus, ec2_max_vcpus, ec2_instance_types, ec2_root_volume)
        self._add_queue("high", queue_priorities, [fargate])
        self._add_queue("normal", queue_priorities, [fargate])
        self._add_queue("ec2", queue_priorities, [ec2])
        self.log_group = JobLog(self, "JobLog", retention_days=job_log_retention_days).log_group
        for name, tag in image_tags.items():
            job = ContainerJob(
                self,
                f"Job{name.capitalize()}",
                name=name,
                repository=repositories[name].repository,
                image_tag=tag,
                vcpus=job_vcpus,
                memory=job_memory,
                attempts=job_attempts,
                timeout=job_timeout,
                log_group=self.log_group,
                environment={"RESULTS_BUCKET": results.bucket.bucket_name, "RESULTS_PREFIX": results.prefix},
            )
            results.grant_results(job.job_role)
            self._output(deployment_outputs.JOB_DEFINITIONS[name], job.definition.job_definition_arn)
            self._output(deployment_outputs.IMAGE_URIS[name], job.image_uri)
        self._output(deployment_outputs.BUCKET_NAME, results.bucket.bucket_name)
        self._output(deployment_outputs.RESULTS_PREFIX, results.prefix)
        self._output(deployment_outputs.PROGRAMS_PREFIX, results.programs_prefix)
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
    ) -> None:
        queue = PrioritisedQueue(
            self, f"Queue{name.capitalize()}", priority=priorities[name], environments=environments
        ).queue
        self._output(deployment_outputs.JOB_QUEUES[name], queue.job_queue_arn)

    def _output(self, key: str, value: str) -> None:
        cdk.CfnOutput(self, key, value=value)
