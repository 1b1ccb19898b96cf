"""The main node's part of the protocol: which event leads where, and what is to be done. No input, output or clock.

The table at the end of the class is the one of docs/mpi-bring-up.md, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final

from mpi_bringup import exits
from mpi_bringup.main_events import (
    Accept,
    Action,
    CallRoll,
    Deadline,
    DeadlinePassed,
    End,
    Event,
    Launch,
    LauncherEnded,
    NodeLost,
    NodePresent,
    NodeReported,
    NodeStored,
    ProgramFailed,
    ProgramReady,
    RankFailed,
    Refuse,
    ResultsFailed,
    ResultsSaved,
    SaveResults,
    Say,
    SetDeadline,
    Share,
    Signalled,
    State,
    StopLauncher,
    Stranger,
)
from mpi_bringup.report import Report, node_name

SHARE_SECONDS: Final = 600.0
"""For all nodes to have stored the program: 256 MiB to 500 nodes at 2 Gbit/s."""

ROLL_CALL_SECONDS: Final = 10.0
"""For all nodes to say that they are there, when the program has ended."""

LOST_GRACE_SECONDS: Final = 2.0
"""For the launcher to end by itself when a node is lost: what it says is then the program's exit code."""

RANK_GRACE_SECONDS: Final = 3.0
"""For the launcher to end when a rank ended with something else than 0; the other ranks may wait for it for ever."""

STOP_SECONDS: Final = 10.0
"""From SIGTERM to SIGKILL for the launcher: within the 30 that Batch gives the container."""

Handler = Callable[["MainNode", Event], Iterable[Action]]


class IllegalEventError(Exception):
    """An event that cannot happen in this state: a fault of the bring-up, which changes nothing."""


class MainNode:
    """One main node from its start to its end. `handle` alone changes it."""

    def __init__(self, *, node: int, num_nodes: int, attempt: int, join_seconds: float, saves_results: bool) -> None:
        """`node` is its own index."""
        self.state = State.GATHERING
        self._node = node
        self._num_nodes = num_nodes
        self._attempt = attempt
        self._join_seconds = join_seconds
        self._saves_results = saves_results
        self._reports: dict[int, Report] = {}
        self._has_program = False
        self._waited_for: set[int] = set()
        """Nodes that have yet to store the program, or to answer the roll call."""
        self._strangers: dict[Stranger, int] = {}
        """How often each called: one that has the wrong secret may do so for as long as there is time to join."""
        self._lost: dict[int, str] = {}
        self._signal: int | None = None
        self._was_stopped = False
        self._exit_code = 0
        """mpirun's, while the roll is called."""
        self._rank_exit_code = 0
        """Of the first rank that ended with something else than 0."""

    @property
    def others(self) -> tuple[int, ...]:
        """Indices of the nodes that were taken on, without its own."""
        return tuple(node for node in self._reports if node != self._node)

    def begin(self) -> list[Action]:
        """What is to be done first."""
        return [SetDeadline(Deadline.JOIN, self._join_seconds)]

    def handle(self, event: Event) -> list[Action]:
        """What an event leads to. Raises IllegalEventError."""
        handler = self.TABLE.get(self.state, {}).get(type(event))
        if handler is None:
            raise IllegalEventError(f"{event} cannot happen while {self.state.value}")
        others_say = (NodeStored, NodePresent, NodeLost)
        if isinstance(event, others_say) and event.node not in self.others:
            raise IllegalEventError(f"{event} cannot happen: that node was not taken on")
        return list(handler(self, event))

    def _take_on(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, NodeReported)
        report = event.report
        why = self._refusal(report)
        if why is not None:
            yield Refuse(report, why)
            yield Say(f"{report.name} ({report.address}) was turned away: {why}")
            return
        self._reports[report.node] = report
        if report.node != self._node:
            yield Accept(report.node)
        yield from self._go_on()

    def _refuse(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, NodeReported)
        why = self._refusal(event.report) or "the job is under way"
        yield Refuse(event.report, why)
        yield Say(f"{event.report.name} ({event.report.address}) was turned away: {why}")

    def _refusal(self, report: Report) -> str | None:
        if report.attempt != self._attempt:
            return f"it is of attempt {report.attempt}, this is attempt {self._attempt}"
        if report.node >= self._num_nodes:
            return f"the job has nodes 0 to {self._num_nodes - 1}"
        if report.node in self._reports:
            return f"{report.name} has come already, at {self._reports[report.node].address}"
        return None

    def _note_program(self, event: Event) -> Iterable[Action]:
        del event
        self._has_program = True
        yield from self._go_on()

    def _go_on(self) -> Iterable[Action]:
        if len(self._reports) < self._num_nodes or not self._has_program:
            return
        self._waited_for = set(self.others)
        if self._waited_for:
            self.state = State.SHARING
            yield Share()
            yield SetDeadline(Deadline.SHARE, SHARE_SECONDS)
        else:
            yield from self._run()

    def _note_stored(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, NodeStored)
        self._waited_for.discard(event.node)
        if not self._waited_for:
            yield from self._run()

    def _run(self) -> Iterable[Action]:
        self.state = State.RUNNING
        yield Launch(tuple(report for _, report in sorted(self._reports.items())))

    def _note_stranger(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, Stranger)
        self._strangers[event] = self._strangers.get(event, 0) + 1
        if self._strangers[event] == 1:
            yield Say(f"a caller at {event.address} was turned away: {event.why}")

    def _give_up(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, ProgramFailed)
        yield from self._end(event.exit_code, event.text)

    def _lose_before(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, NodeLost)
        yield from self._end(exits.NODE_LOST, f"{self._named(event.node)} was lost before the program ran: {event.why}")

    def _lose_during(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, NodeLost)
        self._lost[event.node] = event.why
        self.state = State.STOPPING
        yield Say(f"{self._named(event.node)} was lost while the program ran: {event.why}")
        yield SetDeadline(Deadline.LOST_GRACE, LOST_GRACE_SECONDS)

    def _lose_another(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, NodeLost)
        self._lost[event.node] = event.why
        yield Say(f"{self._named(event.node)} was lost too: {event.why}")

    def _lose_at_end(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, NodeLost)
        yield from self._fail_without(f"{self._named(event.node)} was lost while the program ran: {event.why}")

    def _note_rank(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, RankFailed)
        if self._rank_exit_code:
            return  # The others follow from the first.
        self._rank_exit_code = event.exit_code
        yield Say(f"rank {event.rank} on {self._named(event.node)} ended with exit code {event.exit_code}")
        if self.state is State.RUNNING:
            yield SetDeadline(Deadline.RANK_GRACE, RANK_GRACE_SECONDS)

    def _check(self, event: Event) -> Iterable[Action]:
        """Whatever mpirun said: where a node is lost it may say 0, or notice it first and not say which it was."""
        assert isinstance(event, LauncherEnded)
        self._exit_code = event.exit_code
        self._waited_for = set(self.others)
        if self._waited_for:
            self.state = State.CHECKING
            yield CallRoll()
            yield SetDeadline(Deadline.ROLL_CALL, ROLL_CALL_SECONDS)
        else:
            yield from self._conclude()

    def _note_present(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, NodePresent)
        self._waited_for.discard(event.node)
        if not self._waited_for:
            yield from self._conclude()

    def _conclude(self) -> Iterable[Action]:
        exit_code = self._exit_code_of(self._exit_code)
        if self._saves_results and exit_code == 0:
            self.state = State.SAVING
            yield SaveResults()
        else:
            yield from self._end(exit_code, None)

    def _exit_code_of(self, exit_code: int) -> int:
        """mpirun's, but for a rank's own where mpirun says that all is well, or that its own daemons were lost."""
        return self._rank_exit_code or exit_code if exit_code in {0, exits.DAEMONS_LOST} else exit_code

    def _fail_without(self, text: str) -> Iterable[Action]:
        """Of some node; the program's exit code stands where there is one."""
        exit_code = self._exit_code_of(self._exit_code)
        if exit_code:
            yield from self._end(exit_code, text)
        else:
            yield from self._end(exits.NODE_LOST, f"{text}; the job fails, though mpirun ended with 0")

    def _finish(self, event: Event) -> Iterable[Action]:
        del event
        yield from self._end(0, None)

    def _fail_to_save(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, ResultsFailed)
        yield from self._end(exits.NOT_MOVED, event.text)

    def _settle(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, LauncherEnded)
        if self._signal is not None:
            yield from self._end(exits.SIGNALLED + self._signal, None)
        elif event.exit_code != 0 and not self._was_stopped:
            yield from self._end(self._exit_code_of(event.exit_code), None)
        elif self._rank_exit_code and not self._lost:
            yield from self._end(self._rank_exit_code, None)
        else:
            yield from self._end(exits.NODE_LOST, f"the job fails without {', '.join(map(node_name, self._lost))}")

    def _stop(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, Signalled)
        if self._signal is not None:
            return  # It is ending already.
        self._signal = event.number
        self.state = State.STOPPING
        yield Say(f"signal {event.number}: ending the program")
        yield from self._stop_launcher()

    def _stop_launcher(self) -> Iterable[Action]:
        if not self._was_stopped:
            self._was_stopped = True
            yield StopLauncher(is_hard=False)
            yield SetDeadline(Deadline.STOP, STOP_SECONDS)

    def _end_by_signal(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, Signalled)
        yield from self._end(exits.SIGNALLED + event.number, f"signal {event.number}: ended while {self.state.value}")

    def _time_out(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, DeadlinePassed)
        if event.deadline is Deadline.JOIN and self.state is State.GATHERING:
            yield from self._miss_nodes()
        elif event.deadline is Deadline.SHARE and self.state is State.SHARING:
            late = ", ".join(self._named(node) for node in sorted(self._waited_for))
            yield from self._end(exits.NODE_LOST, f"the program is stored within {SHARE_SECONDS:g} s, not on {late}")
        elif event.deadline is Deadline.ROLL_CALL and self.state is State.CHECKING:
            late = ", ".join(self._named(node) for node in sorted(self._waited_for))
            yield from self._fail_without(f"{late} did not answer within {ROLL_CALL_SECONDS:g} s of the end")
        elif event.deadline is Deadline.LOST_GRACE and self.state is State.STOPPING:
            yield from self._stop_launcher()
        elif event.deadline is Deadline.RANK_GRACE and self.state is State.RUNNING and self._rank_exit_code:
            self.state = State.STOPPING
            yield Say(f"{RANK_GRACE_SECONDS:g} s later other ranks still ran: ending them")
            yield from self._stop_launcher()
        elif event.deadline is Deadline.STOP and self.state is State.STOPPING:
            yield StopLauncher(is_hard=True)

    def _miss_nodes(self) -> Iterable[Action]:
        missing = [node_name(node) for node in range(self._num_nodes) if node not in self._reports]
        if not missing:
            # Only the program is: whatever it waits for has a bound of its own.
            return
        turned_away = "".join(
            f"; {stranger.address} was turned away{f' {times} times' if times > 1 else ''}: {stranger.why}"
            for stranger, times in self._strangers.items()
        )
        yield from self._end(
            exits.NODES_MISSING,
            f"{len(self._reports)} of {self._num_nodes} nodes came within {self._join_seconds:g} s, without "
            f"{', '.join(missing)}{turned_away}",
        )

    def _ignore(self, event: Event) -> Iterable[Action]:
        del event
        return ()

    def _end(self, exit_code: int, text: str | None) -> Iterable[Action]:
        self.state = State.ENDED
        if text is not None:
            yield Say(text)
        yield End(exit_code)

    def _named(self, node: int) -> str:
        return f"{node_name(node)} ({self._reports[node].address})"

    _ALWAYS: ClassVar[Mapping[type, Handler]] = {Stranger: _note_stranger, DeadlinePassed: _time_out}
    TABLE: ClassVar[Mapping[State, Mapping[type, Handler]]] = {
        State.GATHERING: {
            **_ALWAYS,
            NodeReported: _take_on,
            ProgramReady: _note_program,
            ProgramFailed: _give_up,
            NodeLost: _lose_before,
            Signalled: _end_by_signal,
        },
        State.SHARING: {
            **_ALWAYS,
            NodeReported: _refuse,
            NodeStored: _note_stored,
            NodeLost: _lose_before,
            Signalled: _end_by_signal,
        },
        State.RUNNING: {
            **_ALWAYS,
            NodeReported: _refuse,
            LauncherEnded: _check,
            RankFailed: _note_rank,
            NodeLost: _lose_during,
            Signalled: _stop,
        },
        State.CHECKING: {
            **_ALWAYS,
            NodeReported: _refuse,
            NodePresent: _note_present,
            RankFailed: _note_rank,
            NodeLost: _lose_at_end,
            Signalled: _end_by_signal,
        },
        State.STOPPING: {
            **_ALWAYS,
            NodeReported: _refuse,
            LauncherEnded: _settle,
            RankFailed: _note_rank,
            NodeLost: _lose_another,
            Signalled: _stop,
        },
        State.SAVING: {
            **_ALWAYS,
            NodeReported: _refuse,
            ResultsSaved: _finish,
            ResultsFailed: _fail_to_save,
            RankFailed: _ignore,
            NodeLost: _ignore,
            Signalled: _end_by_signal,
        },
    }
    """What an event does, by state. What is not there cannot happen; nothing does after the end."""
