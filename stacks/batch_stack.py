"""The entry stack: compute environments, queues and job definitions, and all outputs of the deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
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
        """Declare the stack; `image_tags` holds the tag of every image that a job definition is made for."""
        super().__init__(
            scope, construct_id, description="Cloud HPC: compute environments, job queues, job definitions"
        )
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
        environments: dict[str, Sequence[batch.IComputeEnvironment]] = {
            "high": [fargate.environment],
            "normal": [fargate.environment],
            "ec2": [ec2.environment],
        }
        queues = {
            name: PrioritisedQueue(
                self, f"Queue{name.capitalize()}", priority=queue_priorities[name], environments=ordered
            )
            for name, ordered in environments.items()
        }
        log = JobLog(self, "JobLog", retention_days=job_log_retention_days)
        jobs = {
            name: ContainerJob(
                self,
                f"Job{name.capitalize()}",
                name=name,
                repository=repositories[name].repository,
                image_tag=tag,
                vcpus=job_vcpus,
                memory=job_memory,
                attempts=job_attempts,
                timeout=job_timeout,
                log_group=log.log_group,
                environment={"RESULTS_BUCKET": results.bucket.bucket_name, "RESULTS_PREFIX": results.prefix},
            )
            for name, tag in image_tags.items()
        }
        for job in jobs.values():
            results.grant_results(job.job_role)
        self._write_outputs(
            {
                deployment_outputs.BUCKET_NAME: results.bucket.bucket_name,
                deployment_outputs.RESULTS_PREFIX: results.prefix,
                deployment_outputs.LOG_GROUP_NAME: log.log_group.log_group_name,
                **{deployment_outputs.JOB_QUEUES[name]: queue.queue.job_queue_arn for name, queue in queues.items()},
                **{
                    deployment_outputs.JOB_DEFINITIONS[name]: job.definition.job_definition_arn
                    for name, job in jobs.items()
                },
                **{deployment_outputs.IMAGE_URIS[name]: job.image_uri for name, job in jobs.items()},
            }
        )

    def _write_outputs(self, outputs: Mapping[str, str]) -> None:
        for key, value in outputs.items():
            cdk.CfnOutput(self, key, value=value)
