"""What is told of a run that was executed, wherever it is known from; None where it is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What tasks ran on."""

    name: str
    system: str | None = None
    """linux, macos or windows."""
    architecture: str | None = None
    release: str | None = None
    memory_bytes: int | None = None
    cores: int | None = None


@dataclass(frozen=True, kw_only=True)
class ExecutedTask:
    """One task and, where it has run, its last attempt; times are milliseconds since the epoch."""

    name: str
    needs: tuple[str, ...] = ()
    started_at_ms: int | None = None
    stopped_at_ms: int | None = None
    program: str | None = None
    command: tuple[str, ...] | None = None
    vcpus: float | None = None
    memory_mib: int | None = None
    """What it asked for."""
    machine: str | None = None
    """Name of one of the run's machines."""
    reads: tuple[str, ...] = ()
    """Keys of objects."""
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExecutedRun:
    """A run and its tasks."""

    run_id: str
    workflow: str
    submitted_at_ms: int
    tasks: tuple[ExecutedTask, ...]
    """Each once, in any order; all that they need are among them."""
    machines: tuple[Machine, ...] = ()
    prefix: str = ""
    """Of the keys of the run's own objects."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes by key."""
