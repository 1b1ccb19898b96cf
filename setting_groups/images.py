"""Container images: how they are built, for which processors, and which of them jobs run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from setting_groups.finding import Finding

ARCHITECTURES: Final = ("x86_64", "arm64")

_PIN: Final = re.compile(r"[0-9a-f]{16}@sha256:[0-9a-f]{64}")

_MIN_MINUTES: Final = 5
_MAX_MINUTES: Final = 480
"""Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_CreateProject.html"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What is decided about images."""

    has_image_builder: bool = True
    """Whether the stacks have a CodeBuild project that builds and pushes images (`hpc images push --in-cloud`).

    On, because it costs nothing while nobody builds, and no job or instance gets a right by it: its role is CodeBuild's
    alone. A build is 0.005 a minute on x86, 0.0034 on ARM; all images anew take some 5 to 10 minutes. Off where those
    who may start builds in the account are not to decide what is in images.
    """

    image_build_minutes: int = 60
    """Longest run of a build: bounds its cost at 0.30."""

    image_build_log_retention_days: int = 30
    """How long the output of builds is kept: 0.50 per GB taken in, 0.03 per GB-month."""

    builds_prefix: str = "builds/"
    """Key prefix of what is sent to be built, which no job may read or write. Ends with a slash."""

    build_source_days: int = 7
    """How long what was sent to be built is kept: some kilobytes, at 0.023 per GB-month."""

    cpu_architecture: str = "x86_64"
    """Of jobs on Fargate, and of the images that are built for them: `x86_64`, or `arm64` for Graviton, which costs a
    fifth less (0.039 an hour for 1 vCPU and 2,048 MiB in the place of 0.049). EC2 instances have that of their types.
    """

    image_digests: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """Image folder -> `TAG@sha256:…`, as `hpc images digests` prints it: the job definition names that very image.

    Left out, an image is named by its tag, which in these repositories cannot move either, but is ours and not the
    content's own hash. A pin of a folder that was edited since is refused at synth.
    """


def image_findings(settings: ImageSettings) -> Iterator[Finding]:
    """Every rule about images that the settings break."""
    if settings.cpu_architecture not in ARCHITECTURES:
        yield Finding(
            "cpu_architecture",
            f"is one of {', '.join(ARCHITECTURES)} (API_RuntimePlatform of Batch)",
            settings.cpu_architecture,
            "use one of these",
        )
    if not _MIN_MINUTES <= settings.image_build_minutes <= _MAX_MINUTES:
        yield Finding(
            "image_build_minutes",
            f"a build may take {_MIN_MINUTES} to {_MAX_MINUTES} minutes (API_CreateProject of CodeBuild)",
            settings.image_build_minutes,
            "choose in that range",
        )
    if settings.build_source_days < 1:
        yield Finding(
            "build_source_days",
            "an object expires after 1 day or more (API_LifecycleExpiration)",
            settings.build_source_days,
            "raise it",
        )
    for image, pin in settings.image_digests.items():
        if not _PIN.fullmatch(pin):
            yield Finding(
                f"image_digests[{image!r}]",
                "a pin is a tag of 16 hexadecimal digits, @sha256: and 64 more",
                pin,
                "print it with: hpc images digests",
            )


def unknown_pins(settings: ImageSettings, images: Mapping[str, object]) -> Iterator[Finding]:
    """Pins of folders that are none of the deployment's images."""
    for image in settings.image_digests:
        if image not in images:
            yield Finding(
                "image_digests", "names folders of images", image, f"use some of: {', '.join(sorted(images))}"
            )
