"""The mark by which a process is known to belong to an attempt, wherever it went and whoever is its parent now."""

from __future__ import annotations

import hashlib
from pathlib import Path

MARKER_VARIABLE = "LOCAL_BATCH_ATTEMPT"
"""Set in every attempt's environment to `<job id>/<attempt>/<token of the jobs' directory>`."""

AGENT_VARIABLE = "LOCAL_BATCH_AGENT"
"""Set to the token in the environment of the process agent, which is of no attempt."""


def directory_token(jobs_dir: Path) -> str:
    """Names a directory of jobs: the same for every server that is started on it, different for any other."""
    return hashlib.sha256(str(jobs_dir.resolve()).encode()).hexdigest()[:16]


def attempt_marker(job_id: str, attempt: int, token: str) -> str:
    """The variable's value."""
    return f"{job_id}/{attempt}/{token}"
