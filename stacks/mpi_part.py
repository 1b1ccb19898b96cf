"""The part of the entry stack that MPI jobs need: where they run, what they are, and its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

import deployment_outputs
from constructs_lib.batch_network import BatchNetwork
from constructs_lib.image_repository import ImageRepository
from constructs_lib.lustre_scratch import LustreScratch
from constructs_lib.mpi_compute_queue import MpiComputeQueue
from constructs_lib.mpi_job import MpiJob
from constructs_lib.node_group import NodeGroup
from constructs_lib.results_bucket import ResultsBucket
from constructs_lib.shared_file_system import SharedFileSystem
from launcher_contract import WITH_LAUNCHER
from setting_groups.storage import PrefixGrant

MPI: Final = "mpi"
"""The queue's name, the job definition's and its image's folder."""


class MpiPart(Construct):
    """One queue and one job definition for MPI programs of any kind: a program is sent to its job."""

    job_queue: batch.IJobQueue
    job_definition: batch.IJobDefinition

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: BatchNetwork,
        zone: int,
        results: ResultsBucket,
        repository: ImageRepository,
        image_tag: str,
        log_group: logs.ILogGroup,
        max_vcpus: int,
        instance_types: Sequence[str],
        root_volume: cdk.Size,
        priority: int,
        use_efa: bool,
        node_vcpus: float,
        node_memory: cdk.Size,
        shared_memory: cdk.Size | None,
        shared_file_system: SharedFileSystem | None,
        lustre: LustreScratch | None,
        key: kms.IKey | None,
        prefix_grant: PrefixGrant | None,
        time_limits: Sequence[batch.JobStateTimeLimitAction],
        join_timeout: cdk.Duration,
        attempts: int,
        timeout: cdk.Duration,
    ) -> None:
        """Declare it.

        Args:
            prefix_grant: what programs may reach in the bucket. None: the results.
            join_timeout: how long the main node waits for the others.
        """
        super().__init__(scope, construct_id)
        queue = MpiComputeQueue(
            self,
            "Queue",
            vpc=network.vpc,
            subnets=network.zone(zone),
            max_vcpus=max_vcpus,
            instance_types=instance_types,
            root_volume=root_volume,
            priority=priority,
            use_efa=use_efa,
            time_limits=time_limits,
            user_data=lustre.mounted_at_start() if lustre is not None else None,
        )
        network.admit(queue.security_group)
        for file_system in (shared_file_system, lustre):
            if file_system is not None:
                file_system.admit(queue.security_group)
        job = MpiJob(
            self,
            "Job",
            name=MPI,
            repository=repository.repository,
            image_tag=image_tag,
            compute_environment=queue.environment,
            node_groups=[NodeGroup(first=0, vcpus=node_vcpus, memory=node_memory)],
            attempts=attempts,
            timeout=timeout,
            log_group=log_group,
            environment={
                **WITH_LAUNCHER,
                # A container of such a job learns its region from nothing else; the SDK needs it to reach the bucket.
                "AWS_DEFAULT_REGION": cdk.Stack.of(self).region,
                "RESULTS_BUCKET": results.bucket.bucket_name,
                "RESULTS_PREFIX": results.prefix,
                "MPI_JOIN_SECONDS": f"{join_timeout.to_seconds():g}",
            },
            shared_memory=shared_memory,
            shared_file_system=shared_file_system,
            lustre=lustre,
            secret_key=key,
            use_efa=use_efa,
        )
        if prefix_grant is None:
            results.grant_results(job.job_role)
        else:
            results.grant_prefixes(job.job_role, job_name=MPI, write=prefix_grant.write, read=prefix_grant.read)
        results.grant_programs(job.job_role)
        self.job_queue = queue.queue
        self.job_definition = job.definition
        self._output(deployment_outputs.JOB_QUEUES[MPI], queue.queue.job_queue_arn)
        self._output(deployment_outputs.JOB_DEFINITIONS[MPI], job.definition.job_definition_arn)
        self._output(deployment_outputs.IMAGE_URIS[MPI], job.image_uri)

    def _output(self, key: str, value: str) -> None:
        cdk.CfnOutput(self, key, value=value).override_logical_id(key)
