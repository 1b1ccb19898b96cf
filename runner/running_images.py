"""The images that a deployment's job definitions name at this moment, by tag or pinned to a digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from runner.aws_clients import Answer, BatchClient, EcrClient
from runner.deployment import Deployment
from runner.errors import HpcError, InputError


@dataclass(frozen=True, kw_only=True)
class RunningImage:
    """One image of a deployment, as its job definition names it."""

    name: str
    """Of its folder, and of the job definition."""
    repository: str
    """Its name in ECR, without the registry."""
    tag: str
    """Of the folder's content when it was deployed."""
    pinned: str | None
    """`sha256:…` where the job definition names a digest."""

    def image_id(self) -> dict[str, str]:
        """As ECR's calls take it."""
        return {"imageDigest": self.pinned} if self.pinned else {"imageTag": self.tag}


def running_images(batch: BatchClient, deployed: Deployment) -> list[RunningImage]:
    """Every image of the deployment; HpcError where a job definition is not described any more."""
    arns = {deployed.job_definitions[name]: name for name in deployed.image_uris}
    answer = batch.describe_job_definitions(jobDefinitions=list(arns))
    named = {arns[one["jobDefinitionArn"]]: _image(one) for one in answer["jobDefinitions"]}
    gone = [name for name in deployed.image_uris if name not in named]
    if gone:
        raise HpcError(
            f"job definitions of {deployed.name}: are those of its outputs, got none for {', '.join(gone)}; deploy "
            "again"
        )
    found = []
    for name, uri in deployed.image_uris.items():
        repository, _, tag = uri.partition("/")[2].rpartition(":")
        digest = named[name].rpartition("@")[2]
        found.append(
            RunningImage(
                name=name, repository=repository, tag=tag, pinned=digest if digest.startswith("sha256:") else None
            )
        )
    return found


def chosen(images: Sequence[RunningImage], names: Sequence[str]) -> list[RunningImage]:
    """Those of these names, all for none; InputError for a name that is none of them."""
    known = {image.name: image for image in images}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError.of(
            f"IMAGE: is the folder of an image of the deployment, got {name!r}; use one of: {', '.join(known)}"
            for name in unknown
        )
    return [known[name] for name in dict.fromkeys(names)] if names else list(images)


def pins(ecr: EcrClient, images: Iterable[RunningImage]) -> dict[str, str]:
    """`TAG@sha256:…` by image: what runs now, for the setting `image_digests`.

    HpcError where a repository lacks an image: what is not there has no digest.
    """
    digests = {image.name: (image, _digest(ecr, image)) for image in images}
    lacking = [name for name, (_, digest) in digests.items() if digest is None]
    if lacking:
        raise HpcError(
            f"repositories: have the images that the deployment runs, got none for {', '.join(lacking)}; push with: "
            "hpc images push"
        )
    return {name: f"{image.tag}@{digest}" for name, (image, digest) in digests.items()}


def _digest(ecr: EcrClient, image: RunningImage) -> str | None:
    try:
        answer = ecr.describe_images(repositoryName=image.repository, imageIds=[image.image_id()])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ImageNotFoundException":
            return None
        raise
    details: Sequence[Mapping[str, Any]] = answer["imageDetails"]
    return str(details[0]["imageDigest"]) if details else None


def _image(definition: Answer) -> str:
    ranges = definition.get("nodeProperties", {}).get("nodeRangeProperties", ())
    container = ranges[0]["container"] if ranges else definition["containerProperties"]
    return str(container["image"])
