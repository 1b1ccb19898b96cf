"""A task: a node of the graph, after foreach, with nothing left to default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.launch import Launch
from runner.places import KeyPath
from runner.retries import Fallback, Retries


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a declared entry says of its tasks. Command and environment still hold their `${...}`."""

    name: str
    """Key under `tasks`: the task's name where there is no foreach."""
    job_definition: str
    queue: str
    command: tuple[str, ...] | None
    vcpus: float | None
    memory_mib: int | None
    gpus: int | None
    environment: Mapping[str, str]
    retries: Retries | None
    timeout_seconds: int | None
    values: Mapping[str, str]
    """Of the workflow's variables."""
    after: tuple[str, ...] = ()
    """Ids of jobs outside the workflow."""
    inputs: tuple[str, ...] = ()
    """Objects that it reads besides those of tasks that it needs, with their `${...}`."""
    nodes: int | None = None
    """Of a multi-node parallel job; None for a container job."""
    launch: Launch | None = None
    """The MPI program of a multi-node parallel job, whose arguments `command` then holds; None for none of ours."""
    may_fail: bool = False
    """What needs it waits for its end only."""
    is_finally: bool = False
    """It runs when all others have ended."""
    fallback: Fallback | None = None

    @property
    def path(self) -> KeyPath:
        """Where it is declared."""
        return ("tasks", self.name)

    def texts(self) -> dict[KeyPath, str]:
        """Everything that may hold `${...}`, by place."""
        found: dict[KeyPath, str] = {
            (*self.path, "command", index): element for index, element in enumerate(self.command or ())
        }
        if self.launch is not None and self.launch.flags is not None:
            found[(*self.path, "flags")] = self.launch.flags
        found |= {(*self.path, "inputs", index): text for index, text in enumerate(self.inputs)}
        return found | {(*self.path, "environment", name): value for name, value in self.environment.items()}
