"""What the local Batch tells the rest of the cloud, and what the rest of the cloud gives its containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus
from local_batch.executors.work import LogLine


class PlatformError(Exception):
    """The platform cannot give a container what it needs; the text ends up in the attempt's reason."""


class Publisher(Protocol):
    """Where state changes and log lines go. Called by one thread at a time, in order."""

    def job_changed(self, job: Job, status: JobStatus) -> None:
        """The job entered `status`; `job` is a copy made at that moment."""

    def log(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """Append to a CloudWatch log stream, made on first use."""


class EnvironmentSource(Protocol):
    """What the platform adds to a container's environment."""

    def environment(self, job: Job) -> Mapping[str, str]:
        """Endpoint, region, where to fetch the job role's credentials; never the credentials themselves.

        Must not block. Raises PlatformError where the container cannot be given what it needs.
        """
