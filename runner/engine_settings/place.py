"""What of a deployment other engines need to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an engine's jobs run, and as whom."""

    region: str
    queue: str
    """Name of a job queue: every engine takes one, not all take an ARN."""
    is_fargate: bool
    """Whether the queue runs jobs on Fargate."""
    job_role: str
    """ARN of the role that jobs have: it may read and write below `folder`."""
    execution_role: str | None
    """ARN of the role that pulls images and writes logs, which Fargate needs."""
    image: str
    """An image of the deployment, where an engine wants one to begin with."""
    log_group: str
    bucket: str
    folder: str
    """Key prefix for all that engines keep, with a slash at its end."""
    share: str | None
    """The group that jobs count for, where the queue shares fairly; None where it does not."""
    endpoint_url: str | None
    """Of a local cloud; None on AWS."""

    def url(self, engine: str) -> str:
        """Where an engine keeps its files."""
        return f"s3://{self.bucket}/{self.folder}{engine}"
