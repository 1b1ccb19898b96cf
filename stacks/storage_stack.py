"""The stack of what must outlive a change of everything else: results, shared files and images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.batch_network import BatchNetwork
from constructs_lib.deployment_key import DeploymentKey
from constructs_lib.image_repository import ImageRepository
from constructs_lib.lustre_scratch import LustreScratch
from constructs_lib.results_bucket import ResultsBucket
from constructs_lib.shared_file_system import SharedFileSystem


class StorageStack(cdk.Stack):
    """The bucket of results, a repository per image, and the file systems and the key that there are to be."""

    key: kms.IKey | None
    """Of the deployment; None where AWS's own keys encrypt."""
    results: ResultsBucket
    repositories: Mapping[str, ImageRepository]
    """By the name of the image's folder."""
    shared: SharedFileSystem | None
    lustre: LustreScratch | None

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        network: BatchNetwork,
        images: Iterable[str],
        images_kept: int,
        retain_images: bool,
        results_prefix: str,
        programs_prefix: str,
        runs_prefix: str,
        builds_prefix: str,
        build_source_days: int,
        program_days: int,
        retain_results: bool,
        noncurrent_version_days: int,
        access_log_days: int,
        own_key: bool,
        has_shared_file_system: bool,
        lustre_gib: int | None,
        lustre_zone: int,
    ) -> None:
        """Declare the stack; the Lustre file system, where `lustre_gib` says so, lies in the zone of MPI nodes."""
        super().__init__(scope, construct_id, description="Cloud HPC: results and container images")
        self.key = None
        if own_key:
            self.key = DeploymentKey(self, "Key", retain=retain_results, has_lustre=lustre_gib is not None).key
        self.results = ResultsBucket(
            self,
            "Results",
            prefix=results_prefix,
            programs_prefix=programs_prefix,
            runs_prefix=runs_prefix,
            builds_prefix=builds_prefix,
            build_source_days=build_source_days,
            program_days=program_days,
            retain=retain_results,
            noncurrent_version_days=noncurrent_version_days,
            access_log_days=access_log_days,
            key=self.key,
        )
        # With grants by prefix nobody may use it, and an export cannot go while those come that take its place.
        self.export_value(self.results.results_policy.managed_policy_arn)
        self.repositories = {
            image: ImageRepository(self, f"Image{image.capitalize()}", images_kept=images_kept, retain=retain_images)
            for image in images
        }
        self.shared = None
        if has_shared_file_system:
            self.shared = SharedFileSystem(
                self,
                "Shared",
                vpc=network.vpc,
                subnets=network.subnets,
                clients=network.job_security_group,
                retain=retain_results,
                key=self.key,
            )
        self.lustre = None
        if lustre_gib is not None:
            self.lustre = LustreScratch(
                self,
                "Lustre",
                vpc=network.vpc,
                subnet=network.subnet_in(lustre_zone),
                capacity_gib=lustre_gib,
                bucket=self.results.bucket,
                prefix=results_prefix,
            )
