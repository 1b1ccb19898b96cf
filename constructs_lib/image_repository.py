"""The registry of one container image."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from constructs_lib.errors import PropertyError


class ImageRepository(Construct):
    """A repository whose tags never change their content; images are scanned when pushed, old ones are dropped.

    Removed with its images by `cdk destroy`, unless retained: an image is made from its folder again with
    `hpc images push`.
    """

    repository: ecr.IRepository

    def __init__(self, scope: Construct, construct_id: str, *, images_kept: int, retain: bool = False) -> None:
        super().__init__(scope, construct_id)
        if images_kept < 1:
            problem = f"a repository keeps at least 1 image, the one in use, got {images_kept!r}; raise it"
            raise PropertyError(self, "images_kept", problem)
        self.repository = ecr.Repository(
            self,
            "Repository",
            encryption=ecr.RepositoryEncryption.AES_256,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            lifecycle_rules=[
                ecr.LifecycleRule(description=f"keep the newest {images_kept} images", max_image_count=images_kept)
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
            empty_on_delete=not retain,
        )
