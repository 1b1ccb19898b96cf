"""A task: a node of the graph, after foreach, with nothing left to default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.launch import Launch
from runner.places import KeyPath
from runner.retries import Retries


@dataclass(frozen=True, kw_only=True)
class Task:
    """What becomes one job. Command and environment still hold their `${...}`."""

    name: str
    declared_as: str
    """Key under `tasks`: differs from `name` where foreach made the task."""
    job_definition: str
    queue: str
    needs: tuple[str, ...]
    """Names of tasks, groups resolved, in the order in which they were declared."""
    command: tuple[str, ...] | None
    vcpus: float | None
    memory_mib: int | None
    environment: Mapping[str, str]
    retries: Retries | None
    timeout_seconds: int | None
    values: Mapping[str, str]
    """Of the workflow's variables and, over them, of foreach."""
    after: tuple[str, ...] = ()
    """Ids of jobs outside the workflow."""
    nodes: int | None = None
    """Of a multi-node parallel job; None for a container job."""
    launch: Launch | None = None
    """The MPI program of a multi-node parallel job, whose arguments `command` then holds; None for none of ours."""

    @property
    def path(self) -> KeyPath:
        """Where it is declared."""
        return ("tasks", self.declared_as)

    def texts(self) -> dict[KeyPath, str]:
        """Everything that may hold `${...}`, by place."""
        found: dict[KeyPath, str] = {
            (*self.path, "command", index): element for index, element in enumerate(self.command or ())
        }
        if self.launch is not None and self.launch.flags is not None:
            found[(*self.path, "flags")] = self.launch.flags
        return found | {(*self.path, "environment", name): value for name, value in self.environment.items()}
