"""Container images: how they are built, for which processors, and which of them jobs run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from instance_type_facts import ARM64, X86_64, architecture_of
from setting_groups.finding import Finding
from setting_groups.storage import log_day_findings

ARCHITECTURES: Final = (X86_64, ARM64)

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

    cpu_architecture: str = X86_64
    """Of images, and so of what runs them: `x86_64`, or `arm64` for Graviton, which costs a fifth less (on Fargate,
    0.039 an hour for 1 vCPU and 2,048 MiB in the place of 0.049). Instance types have to be of the same.
    """

    image_digests: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """Image folder -> `TAG@sha256:…`, as `hpc images digests` prints it: the job definition names that very image.

    Left out, an image is named by its tag, which in these repositories cannot move either, but is ours and not the
    content's own hash. A pin of a folder that was edited since is refused at synth.
    """


def image_findings(settings: ImageSettings, images: frozenset[str]) -> Iterator[Finding]:
    """What is wrong with how images are built and named; `images` are their folders."""
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
    yield from log_day_findings("image_build_log_retention_days", settings.image_build_log_retention_days)
    for image, pin in settings.image_digests.items():
        if not _PIN.fullmatch(pin):
            yield Finding(
                f"image_digests[{image!r}]",
                "a pin is a tag of 16 hexadecimal digits, @sha256: and 64 more",
                pin,
                "print it with: hpc images digests",
            )
        if image not in images:
            yield Finding(
                "image_digests", f"names folders of images: {', '.join(sorted(images))}", image, "use one of these"
            )


def architecture_findings(settings: ImageSettings, types: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Instance types, by the names of their settings, that could not run the images."""
    if settings.cpu_architecture not in ARCHITECTURES:
        return
    for name, kinds in types.items():
        others = [kind for kind in kinds if architecture_of(kind) != settings.cpu_architecture]
        if others:
            rule = f"instances run the same images as Fargate, which are for {settings.cpu_architecture}"
            yield Finding(name, rule, ", ".join(others), "name types of that architecture, or change cpu_architecture")
