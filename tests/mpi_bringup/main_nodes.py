"""Main nodes brought into each of their states, for what happens next."""

from __future__ import annotations

import signal
from collections.abc import Callable

from mpi_bringup.main_events import (
    Deadline,
    LauncherEnded,
    NodeLost,
    NodePresent,
    NodeReported,
    NodeStored,
    ProgramFailed,
    ProgramReady,
    SetDeadline,
    Signalled,
    State,
)
from mpi_bringup.main_node import MainNode
from mpi_bringup.report import Report

TERM = signal.SIGTERM


def report(node: int, attempt: int = 1) -> Report:
    """Of a node with two cores."""
    return Report(node=node, attempt=attempt, address=f"10.0.0.{node + 1}", cores=2, port=2222)


def reported(node: int, attempt: int = 1) -> NodeReported:
    """It says that it is ready."""
    return NodeReported(report(node, attempt))


def gathering(*, num_nodes: int = 3, saves_results: bool = False) -> MainNode:
    """One that has begun."""
    core = MainNode(node=0, num_nodes=num_nodes, attempt=1, join_seconds=600.0, saves_results=saves_results)
    assert core.begin() == [SetDeadline(Deadline.JOIN, 600.0)]
    core.handle(reported(0))
    return core


def sharing(*, saves_results: bool = False) -> MainNode:
    """Everybody is there, the program too."""
    core = gathering(saves_results=saves_results)
    for event in (reported(1), reported(2), ProgramReady()):
        core.handle(event)
    return core


def running(*, saves_results: bool = False) -> MainNode:
    """The program runs on three nodes."""
    core = sharing(saves_results=saves_results)
    for event in (NodeStored(1), NodeStored(2)):
        core.handle(event)
    return core


def checking(exit_code: int = 0) -> MainNode:
    """mpirun ended and the roll is called."""
    core = running()
    core.handle(LauncherEnded(exit_code))
    return core


def stopping_for_a_loss() -> MainNode:
    """A node is gone; mpirun has its grace."""
    core = running()
    core.handle(NodeLost(2, "cut"))
    return core


def stopping_by_signal() -> MainNode:
    """SIGTERM came."""
    core = running()
    core.handle(Signalled(TERM))
    return core


def saving() -> MainNode:
    """The program is done, its results go out."""
    core = running(saves_results=True)
    for event in (LauncherEnded(0), NodePresent(1), NodePresent(2)):
        core.handle(event)
    return core


def ended() -> MainNode:
    """Over."""
    core = gathering()
    core.handle(ProgramFailed(2, "it is not there"))
    return core


IN_STATE: dict[State, Callable[[], MainNode]] = {
    State.GATHERING: gathering,
    State.SHARING: sharing,
    State.RUNNING: running,
    State.CHECKING: checking,
    State.STOPPING: stopping_by_signal,
    State.SAVING: saving,
    State.ENDED: ended,
}
