"""EC2's DescribeInstanceTypes, told from the table: MiniStack answers every type with the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from local_batch.engine.resources import InstanceSize
from local_batch.host.instance_types import INSTANCE_TYPES
from local_batch.host.seams import MiniStack

ACTION: Final = "DescribeInstanceTypes"

_FILTERS: Final[Mapping[str, Callable[[InstanceSize], str]]] = {
    "instance-type": lambda size: size.name,
    "processor-info.supported-architecture": lambda size: size.architecture,
    "vcpu-info.default-vcpus": lambda size: str(size.vcpus),
    "memory-info.size-in-mib": lambda size: str(size.memory_mib),
    "current-generation": lambda _: "true",
    "bare-metal": lambda size: str(".metal" in size.name).lower(),
}


def install(ministack: MiniStack) -> None:
    """Answer DescribeInstanceTypes ourselves."""
    ec2 = ministack.ec2

    def describe_instance_types(parameters: Mapping[str, list[str]]) -> Any:
        names = ec2.parse_member_list(parameters, "InstanceType")
        filters = ec2.parse_filters(parameters)
        unknown = [name for name in names if name not in INSTANCE_TYPES]
        if unknown:
            text = f"The following supplied instance types do not exist: [{', '.join(unknown)}]"
            return ec2.error("InvalidInstanceType", text, 400)
        refused = [name for name in filters if name not in _FILTERS]
        if refused:
            text = f"The filter '{refused[0]}' is not one that the local cloud knows ({', '.join(_FILTERS)})"
            return ec2.error("InvalidParameterValue", text, 400)
        sizes = [INSTANCE_TYPES[name] for name in names] if names else list(INSTANCE_TYPES.values())
        chosen = [size for size in sizes if _matches(size, filters)]
        items = "".join(_item(size) for size in chosen)
        return ec2.xml(200, f"{ACTION}Response", f"<instanceTypeSet>{items}</instanceTypeSet>")

    ec2.ACTION_MAP[ACTION] = describe_instance_types


def _matches(size: InstanceSize, filters: Mapping[str, Sequence[str]]) -> bool:
    return all(_FILTERS[name](size) in values for name, values in filters.items())


def _item(size: InstanceSize) -> str:
    """Only what the table knows: the rest of the real answer is optional, and left out rather than made up."""
    bare_metal = str(".metal" in size.name).lower()
    return (
        f"<item><instanceType>{size.name}</instanceType><currentGeneration>true</currentGeneration>"
        f"<bareMetal>{bare_metal}</bareMetal>"
        f"<processorInfo><supportedArchitectures><item>{size.architecture}</item></supportedArchitectures>"
        "</processorInfo>"
        f"<vCpuInfo><defaultVCpus>{size.vcpus}</defaultVCpus></vCpuInfo>"
        f"<memoryInfo><sizeInMiB>{size.memory_mib}</sizeInMiB></memoryInfo>{_gpu_info(size)}</item>"
    )


def _gpu_info(size: InstanceSize) -> str:
    if not size.gpus:
        return ""
    gpu = f"<item><manufacturer>NVIDIA</manufacturer><count>{size.gpus}</count></item>"
    return f"<gpuInfo><gpus>{gpu}</gpus></gpuInfo>"
