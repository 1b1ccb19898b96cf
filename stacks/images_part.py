"""The part of the entry stack that is about images: what they are built for, what builds them, and its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import aws_cdk as cdk
from constructs import Construct

import deployment_outputs
from constructs_lib.image_builder import ImageBuilder
from constructs_lib.image_repository import ImageRepository
from constructs_lib.results_bucket import ResultsBucket


class ImagesPart(Construct):
    """The image builder, or the word that there is none."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        has_builder: bool,
        results: ResultsBucket,
        repositories: Iterable[ImageRepository],
        build_spec: Mapping[str, object],
        cpu_architecture: str,
        build_timeout: cdk.Duration,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        project = deployment_outputs.NONE
        if has_builder:
            builder = ImageBuilder(
                self,
                "Builder",
                repositories=[image.repository for image in repositories],
                build_spec=build_spec,
                architecture=cpu_architecture,
                timeout=build_timeout,
                log_retention_days=log_retention_days,
            )
            results.grant_build_sources(builder.role)
            project = builder.project.project_name
        self._output(deployment_outputs.IMAGE_BUILD_PROJECT, project)
        self._output(deployment_outputs.BUILDS_PREFIX, results.builds_prefix)
        self._output(deployment_outputs.CPU_ARCHITECTURE, cpu_architecture)

    def _output(self, key: str, value: str) -> None:
        cdk.CfnOutput(self, key, value=value).override_logical_id(key)
