"""Names of workflows, tasks, runs and jobs, made so that a job's name always fits AWS Batch."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

MAX_WORKFLOW_NAME: Final = 36
MAX_TASK_NAME: Final = 64
MAX_SUBMISSIONS: Final = 999
"""Of one run. With the 59 characters of the longest run id, four for which submission it is and a hyphen: the 128 of a
job name (API_SubmitJob)."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]+")


def is_name(name: str, limit: int) -> bool:
    """Whether this can name a workflow or task."""
    return len(name) <= limit and _NAME.fullmatch(name) is not None


def explain_name(name: str, limit: int) -> str | None:
    """Why this is no name for a workflow or task; None where it is one."""
    if is_name(name, limit):
        return None
    return (
        f"a name is 1 to {limit} letters, digits, hyphens and underscores, the first a letter or digit, as it becomes "
        f"part of a job's name (API_SubmitJob), got {name!r}; choose such a name"
    )


def new_run_id(workflow: str, now: dt.datetime, random_hex: str) -> str:
    """The id of a run: sorts by time within a workflow. `random_hex` is six hex digits."""
    return f"{workflow}-{now.astimezone(dt.UTC):%Y%m%d-%H%M%S}-{random_hex}"


def job_name(run_id: str, task: str, submission: int = 1) -> str:
    """The name of the job that a task becomes in a run's n-th submission: the same every time it is asked for."""
    return f"{run_id}-{task}" if submission == 1 else f"{run_id}_{submission}-{task}"


def name_part(value: str) -> str:
    """A foreach value as it appears in the names of its tasks: other characters become hyphens."""
    return _NOT_IN_A_NAME.sub("-", value).strip("-")
