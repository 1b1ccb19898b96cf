"""What the local Batch tells the rest of the cloud, and what the rest of the cloud gives its containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from local_batch.engine.jobs import Job
from local_batch.engine.resources import JobQueue
from local_batch.engine.states import JobStatus
from local_batch.executors.work import LogLine


class PlatformError(Exception):
    """The platform cannot give a container what it needs; the text ends up in the attempt's reason."""


class Publisher(Protocol):
    """Where state changes and log lines go. Called by one thread at a time, in order."""

    @property
    def is_listening(self) -> bool:
        """Whether anybody would learn of a state change; where not, nobody needs to be told. Any thread; cheap."""

    def job_changed(self, job: Job, status: JobStatus) -> None:
        """The job entered `status`; `job` is a copy made at that moment."""

    def queue_blocked(self, job: Job, queue: JobQueue) -> None:
        """The job at the head of `queue` cannot be placed, for its `blocked` reason; `job` is a copy."""

    def log(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """Append to a CloudWatch log stream, made on first use."""

    def wait_for_room(self) -> None:
        """Wait for a moment while so many lines are on their way that no more should come. Any thread, no lock held."""


class ContainerPlatform(Protocol):
    """What the platform gives to containers beside what their job definitions say. No call blocks."""

    def environment(self, job: Job) -> Mapping[str, str]:
        """Variables for the latest attempt: endpoint, region, where to fetch the job role's credentials; never those.

        Raises PlatformError where the container cannot be given what it needs.
        """

    def file_system(self, configuration: Mapping[str, Any]) -> str:
        """The directory of this machine that stands for an efsVolumeConfiguration of the API.

        Raises PlatformError for what cannot be mounted.
        """
