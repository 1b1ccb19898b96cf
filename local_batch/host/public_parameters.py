"""Public parameters of SSM that name machine images, as CDK's machine images and Batch's documentation ask for them.

The ids are made up, one for each name and always the same: no machine is started here, so no image is behind them.
Sources: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/retrieve-ecs-optimized_AMI.html
"""

from __future__ import annotations

import hashlib
from typing import Final

from local_batch.host.seams import MiniStack

AMAZON_LINUX: Final = "/aws/service/ami-amazon-linux-latest/"
ECS_OPTIMIZED: Final = "/aws/service/ecs/optimized-ami/"

_KERNELS: Final = ("default", "6.1", "6.12")
_ARCHITECTURES: Final = ("x86_64", "arm64")
_ECS_VARIANTS: Final = (
    "amazon-linux-2023",
    "amazon-linux-2023/arm64",
    "amazon-linux-2023/gpu",
    "amazon-linux-2023/neuron",
    "amazon-linux-2",
    "amazon-linux-2/arm64",
    "amazon-linux-2/gpu",
    "amazon-linux-2/inf",
)
IMAGE_ID_HEXADECIMAL_DIGITS: Final = 17


def names() -> tuple[str, ...]:
    """Of all that are served."""
    linux = [
        f"{AMAZON_LINUX}al2023-ami-{minimal}kernel-{kernel}-{architecture}"
        for minimal in ("", "minimal-")
        for kernel in _KERNELS
        for architecture in _ARCHITECTURES
    ]
    linux_2 = [
        f"{AMAZON_LINUX}amzn2-ami-{kernel}hvm-{architecture}-gp2"
        for kernel in ("", "kernel-5.10-")
        for architecture in _ARCHITECTURES
    ]
    ecs = [f"{ECS_OPTIMIZED}{variant}/recommended/image_id" for variant in _ECS_VARIANTS]
    return (*linux, *linux_2, *ecs)


def image_id(name: str) -> str:
    """The id that stands for the image of that name."""
    return f"ami-{hashlib.sha256(name.encode()).hexdigest()[:IMAGE_ID_HEXADECIMAL_DIGITS]}"


def install(ministack: MiniStack) -> None:
    """Serve them to GetParameter, GetParameters and parameters of templates; MiniStack's own two stay as they are."""
    served = ministack.ssm.PUBLIC_AMI_PARAMETERS
    for name in names():
        served.setdefault(name, image_id(name))
