"""The stack of what must outlive a change of everything else: results and images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.image_repository import ImageRepository
from constructs_lib.results_bucket import ResultsBucket


class StorageStack(cdk.Stack):
    """The bucket of results and a repository per image."""

    results: ResultsBucket
    repositories: Mapping[str, ImageRepository]
    """By the name of the image's folder."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        images: Iterable[str],
        images_kept: int,
        results_prefix: str,
        programs_prefix: str,
        runs_prefix: str,
        builds_prefix: str,
        build_source_days: int,
        program_days: int,
        retain_results: bool,
        noncurrent_version_days: int,
        access_log_days: int,
    ) -> None:
        super().__init__(scope, construct_id, description="Cloud HPC: results and container images")
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
        )
        self.repositories = {
            image: ImageRepository(self, f"Image{image.capitalize()}", images_kept=images_kept) for image in images
        }
