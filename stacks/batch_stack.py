"""The entry stack: compute environments, queues and job definitions, and all outputs of the deployment.

What jobs of one container run on is added to it by `capacity_part`, what MPI jobs need by `mpi_part`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

import deployment_outputs
from constructs_lib.container_job import ContainerJob
from constructs_lib.image_repository import ImageRepository
from constructs_lib.instance_job import InstanceJob
from constructs_lib.job_log import JobLog
from constructs_lib.job_size import JobSize
from constructs_lib.results_bucket import ResultsBucket
from constructs_lib.shared_file_system import SharedFileSystem
from launcher_contract import WITH_LAUNCHER
from setting_groups.storage import PrefixGrant

BARRIER: Final = "barrier"
"""The job definition of jobs that do nothing but wait for others, and its image's folder."""


class BatchStack(cdk.Stack):
    """What jobs are and where they log. Its outputs, named in `deployment_outputs`, are all that the runner reads."""

    log_group: logs.ILogGroup
    """Of all jobs."""
    job_definitions: Sequence[batch.IJobDefinition]
    """Of jobs of one container."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        profile: str,
        results: ResultsBucket,
        repositories: Mapping[str, ImageRepository],
        image_tags: Mapping[str, str],
        image_pins: Mapping[str, str],
        cpu_architecture: str,
        job_sizes: Mapping[str, JobSize],
        barrier_size: JobSize,
        job_attempts: int,
        job_log_retention_days: int,
        retain_logs: bool,
        key: kms.IKey | None,
        have_public_addresses: bool,
        scratch: cdk.Size | None,
        shared_file_system: SharedFileSystem | None,
        prefix_grants: Mapping[str, PrefixGrant],
    ) -> None:
        """Declare the stack.

        Args:
            profile: name of the settings that all this is made of, for the next deploy to use again.
            image_tags: by the folder of the image, from which `repositories` and `job_sizes` have their names, too.
            image_pins: `TAG@sha256:…` by folder, of images that are to be one digest for ever.
            cpu_architecture: `x86_64` or `arm64`, of jobs on Fargate.
            job_sizes: of every program of one container; a job definition for Fargate and one for EC2 is made for each.
            barrier_size: of jobs that only join others: a job waits for 20 at most, so that more are joined first.
            prefix_grants: what a program may reach in the bucket, where that is not the results.
        """
        super().__init__(
            scope, construct_id, description="Cloud HPC: compute environments, job queues, job definitions"
        )
        log = JobLog(self, "JobLog", retention_days=job_log_retention_days, retain=retain_logs, key=key)
        self.log_group = log.log_group
        self._attempts = job_attempts
        self._image_pins = image_pins
        self._cpu_architecture = cpu_architecture
        self._definitions: list[batch.IJobDefinition] = []
        self._have_public_addresses = have_public_addresses
        environment = {
            **WITH_LAUNCHER,
            "RESULTS_BUCKET": results.bucket.bucket_name,
            "RESULTS_PREFIX": results.prefix,
        }
        for name, size in job_sizes.items():
            repository, image_tag = repositories[name], image_tags[name]
            job = self._add_job(name, repository, image_tag, size, environment, scratch, shared_file_system)
            self._add_instance_job(name, job, repository, image_tag, size, environment, shared_file_system)
            grant = prefix_grants.get(name)
            if grant is None:
                results.grant_results(job.job_role)
            else:
                results.grant_prefixes(job.job_role, job_name=name, write=grant.write, read=grant.read)
            results.grant_programs(job.job_role)
        self._add_job(BARRIER, repositories[BARRIER], image_tags[BARRIER], barrier_size)
        self.job_definitions = tuple(self._definitions)
        self._output(deployment_outputs.PROFILE, profile)
        self._output(deployment_outputs.BUCKET_NAME, results.bucket.bucket_name)
        self._output(deployment_outputs.RESULTS_PREFIX, results.prefix)
        self._output(deployment_outputs.PROGRAMS_PREFIX, results.programs_prefix)
        self._output(deployment_outputs.RUNS_PREFIX, results.runs_prefix)
        self._output(deployment_outputs.LOG_GROUP_NAME, self.log_group.log_group_name)

    def _add_job(
        self,
        name: str,
        repository: ImageRepository,
        image_tag: str,
        size: JobSize,
        environment: Mapping[str, str] | None = None,
        scratch: cdk.Size | None = None,
        shared_file_system: SharedFileSystem | None = None,
    ) -> ContainerJob:
        """Declare a job definition for Fargate with its outputs."""
        job = ContainerJob(
            self,
            f"Job{name.capitalize()}",
            name=name,
            repository=repository.repository,
            image_tag=image_tag,
            size=size,
            attempts=self._attempts,
            log_group=self.log_group,
            has_public_address=self._have_public_addresses,
            scratch=scratch,
            shared_file_system=shared_file_system,
            environment=environment,
            image_pin=self._image_pins.get(name),
            cpu_architecture=self._cpu_architecture,
        )
        self._definitions.append(job.definition)
        self._output(deployment_outputs.JOB_DEFINITIONS[name], job.definition.job_definition_arn)
        self._output(deployment_outputs.IMAGE_URIS[name], job.image_uri)
        return job

    def _add_instance_job(
        self,
        name: str,
        twin: ContainerJob,
        repository: ImageRepository,
        image_tag: str,
        size: JobSize,
        environment: Mapping[str, str],
        shared_file_system: SharedFileSystem | None,
    ) -> None:
        """Declare the same for EC2."""
        on_ec2 = deployment_outputs.on_ec2(name)
        job = InstanceJob(
            self,
            f"Job{name.capitalize()}OnEc2",
            name=on_ec2,
            repository=repository.repository,
            image_tag=image_tag,
            size=size,
            attempts=self._attempts,
            log_group=self.log_group,
            job_role=twin.job_role,
            execution_role=twin.execution_role,
            shared_file_system=shared_file_system,
            environment=environment,
            image_pin=self._image_pins.get(name),
        )
        self._definitions.append(job.definition)
        self._output(deployment_outputs.JOB_DEFINITIONS[on_ec2], job.definition.job_definition_arn)

    def _output(self, key: str, value: str) -> None:
        cdk.CfnOutput(self, key, value=value)
