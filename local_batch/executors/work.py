"""The seam between the dispatcher and whatever runs containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory at a path of the container."""

    container_path: str
    """Absolute."""

    source: str | None
    """A directory of this machine; None: an empty one that lasts as long as the attempt."""

    volume: str
    """The name of the volume: mounts of one volume without a source share one directory."""

    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """A file system in memory."""

    container_path: str
    size_mib: int
    options: tuple[str, ...] = ()
    """Of mount(8), such as `noexec`."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device of this machine in the container."""

    host_path: str
    container_path: str
    permissions: str = "rwm"
    """Letters of read, write and mknod."""


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A limit of setrlimit(2) by Docker's name, such as `nofile`; -1 is unlimited."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """What a container may ask for beyond image, command and size.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html
    """

    user: str | None = None
    """`user[:group]`, names or numbers; None: the image's USER."""

    privileged: bool = False
    read_only_root: bool = False
    init: bool = False
    """A process that reaps orphans and forwards signals runs first (`initProcessEnabled`)."""

    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    devices: tuple[Device, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    shared_memory_mib: int | None = None
    """Size of /dev/shm."""

    max_swap_mib: int | None = None
    swappiness: int | None = None


PLAIN = ContainerOptions()
"""Asks for nothing."""


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a node of a multi-node parallel job is on the network: an address and a host name of its own."""

    address: str
    """IPv4; on one machine a loopback address such as `127.0.0.2`."""

    host_name: str


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A variable whose value is fetched at the start of the attempt, and is kept nowhere."""

    name: str
    value_from: str
    """ARN of a secret, with or without `:json-key:version-stage:version-id`, or name or ARN of a parameter.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_Secret.html
    """


@dataclass(frozen=True, slots=True)
class AttemptWork:
    """Everything needed to run one attempt of one job, array child or node. Nothing is looked up later."""

    job_id: str
    """`uuid`, `uuid:<array index>` or `uuid#<node index>`."""

    attempt: int
    image: str
    """`repository:tag`; a tag is the content hash of an image's folder (image_tags.py)."""

    command: tuple[str, ...]
    """Docker's Cmd: arguments of the image's ENTRYPOINT. Empty: the image's own CMD."""

    environment: Mapping[str, str]
    """Complete but for the image's ENV, which it overrides."""

    vcpus: float
    memory_mib: int
    gpus: int = 0
    hard_vcpus: bool = field(default=False, kw_only=True)
    """The vCPUs are a ceiling, as on Fargate; else a share, beyond which goes what nobody else uses, as on EC2."""

    options: ContainerOptions = PLAIN
    node: NodeAddress | None = None
    secrets: tuple[SecretReference, ...] = ()
    """Always empty for what runs containers: their values are in `environment` by then."""


class LogLine(NamedTuple):
    """One line of stdout or stderr, without its newline, stamped when it was read (epoch milliseconds).

    A tuple, as there are millions of them.
    """

    timestamp_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Started:
    """The container runs."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StartFailed:
    """It never ran; `reason` in ECS's words, such as `CannotPullContainerError: …`."""

    job_id: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Logged:
    """It wrote these lines."""

    job_id: str
    attempt: int
    lines: Sequence[LogLine]


@dataclass(frozen=True, slots=True)
class Exited:
    """It ended, and nothing of it runs any more; all its lines were reported before.

    `exit_code` is 128 + n after signal n. `reason` is ECS's text where there is one, such as
    `OutOfMemoryError: Container killed due to memory usage`.
    """

    job_id: str
    attempt: int
    exit_code: int
    reason: str | None = None


Report = Started | StartFailed | Logged | Exited


class Reporter(Protocol):
    """Where an executor reports to."""

    def report(self, reports: Sequence[Report]) -> None:
        """Take these, in this order. Any thread may call; reports on one attempt are seen in the order made.

        Many at once cost less than many calls: an executor hands over what one turn of its loop has gathered.
        """


class Executor(Protocol):
    """Runs attempts. No call blocks: what happens is reported."""

    def start(self, works: Sequence[AttemptWork]) -> None:
        """Run them; each is answered by Started then Exited, or by StartFailed."""

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """SIGTERM to all of the attempt, SIGKILL after the grace. Unknown or ended attempts are ignored."""

    def close(self) -> None:
        """Kill what runs and release everything; the one call that blocks (until all is gone)."""
