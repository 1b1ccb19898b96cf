"""The part in the protocol of a node that is not the main one: which event leads where. No input, output or clock.

The table at the end of the class is the one of docs/mpi-bring-up.md, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from mpi_bringup import exits


class State(Enum):
    """Where the node is."""

    CALLING = "calling"
    JOINING = "joining"
    SERVING = "serving"
    ENDED = "ended"


@dataclass(frozen=True)
class Connected:
    """The main node has proved that it knows the job's key."""


@dataclass(frozen=True)
class TurnedAway:
    """The main node hung up on this node's proof, or failed to prove itself."""

    why: str


@dataclass(frozen=True)
class Accepted:
    """The main node has taken this one on."""


@dataclass(frozen=True)
class Refused:
    """The main node said why it does not."""

    why: str


@dataclass(frozen=True)
class ProgramReceived:
    """The program is here, complete."""


@dataclass(frozen=True)
class RankFailed:
    """A rank on this node ended with something else than 0."""

    rank: int
    exit_code: int


@dataclass(frozen=True)
class RollCalled:
    """The main node asks whether this one is there."""


@dataclass(frozen=True)
class Released:
    """The job ended with this exit code."""

    exit_code: int


@dataclass(frozen=True)
class MainLost:
    """The connection to the main node ended, or nothing came over it for too long."""

    why: str


@dataclass(frozen=True)
class JoinDeadlinePassed:
    """The main node was to be reached by now."""

    last_problem: str


@dataclass(frozen=True)
class Failed:
    """This node cannot do its part."""

    why: str


@dataclass(frozen=True)
class Signalled:
    """This node is to end."""

    number: int


Event = (
    Connected
    | TurnedAway
    | Accepted
    | Refused
    | ProgramReceived
    | RankFailed
    | RollCalled
    | Released
    | MainLost
    | JoinDeadlinePassed
    | Failed
    | Signalled
)


@dataclass(frozen=True)
class SendReport:
    """Say what this node is."""


@dataclass(frozen=True)
class SayStored:
    """Say that the program is here."""


@dataclass(frozen=True)
class SayPresent:
    """Answer the roll call."""


@dataclass(frozen=True)
class SayRankFailed:
    """Tell the main node."""

    rank: int
    exit_code: int


@dataclass(frozen=True)
class SayFailed:
    """Tell the main node why it is without this one from now on."""

    why: str


@dataclass(frozen=True)
class Say:
    """A line for the log."""

    text: str


@dataclass(frozen=True)
class End:
    """End everything that runs here, and this node with the exit code."""

    exit_code: int


Action = SendReport | SayStored | SayPresent | SayRankFailed | SayFailed | Say | End
Handler = Callable[["OtherNode", Event], Iterable[Action]]


class IllegalEventError(Exception):
    """An event that cannot happen in this state: a fault of the bring-up or of who speaks to it."""


class OtherNode:
    """One such node from its start to its end. `handle` alone changes it."""

    def __init__(self) -> None:
        self.state = State.CALLING

    def handle(self, event: Event) -> list[Action]:
        """What an event leads to. Raises IllegalEventError; then nothing has changed."""
        handler = self.TABLE.get(self.state, {}).get(type(event))
        if handler is None:
            raise IllegalEventError(f"{event} cannot happen while {self.state.value}")
        return list(handler(self, event))

    def _report(self, event: Event) -> Iterable[Action]:
        del event
        self.state = State.JOINING
        yield SendReport()

    def _serve(self, event: Event) -> Iterable[Action]:
        del event
        self.state = State.SERVING
        yield Say("the main node has taken this node on")

    def _take_no(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, (Refused, TurnedAway))
        yield from self._end(exits.REFUSED, f"the main node turned this node away: {event.why}")

    def _say_stored(self, event: Event) -> Iterable[Action]:
        del event
        yield SayStored()

    def _say_rank_failed(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, RankFailed)
        yield SayRankFailed(event.rank, event.exit_code)

    def _say_present(self, event: Event) -> Iterable[Action]:
        del event
        yield SayPresent()

    def _leave(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, Released)
        yield from self._end(event.exit_code, f"the job ended with exit code {event.exit_code}")

    def _lose_main(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, MainLost)
        yield from self._end(exits.MAIN_LOST, f"the main node is gone: {event.why}")

    def _give_up(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, JoinDeadlinePassed)
        yield from self._end(exits.MAIN_LOST, f"the main node was not reached in time: {event.last_problem}")

    def _ignore(self, event: Event) -> Iterable[Action]:
        del event
        return ()

    def _fail(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, Failed)
        yield SayFailed(event.why)
        yield from self._end(exits.NODE_LOST, event.why)

    def _stop(self, event: Event) -> Iterable[Action]:
        assert isinstance(event, Signalled)
        why = f"signal {event.number}"
        if self.state is not State.CALLING:
            yield SayFailed(why)
        yield from self._end(exits.SIGNALLED + event.number, f"{why}: ending what runs here")

    def _end(self, exit_code: int, text: str) -> Iterable[Action]:
        self.state = State.ENDED
        yield Say(text)
        yield End(exit_code)

    TABLE: ClassVar[Mapping[State, Mapping[type, Handler]]] = {
        State.CALLING: {
            Connected: _report,
            TurnedAway: _take_no,
            JoinDeadlinePassed: _give_up,
            Failed: _fail,
            Signalled: _stop,
        },
        State.JOINING: {
            Accepted: _serve,
            Refused: _take_no,
            Released: _leave,
            MainLost: _lose_main,
            JoinDeadlinePassed: _give_up,
            Failed: _fail,
            Signalled: _stop,
        },
        State.SERVING: {
            ProgramReceived: _say_stored,
            RankFailed: _say_rank_failed,
            RollCalled: _say_present,
            Released: _leave,
            MainLost: _lose_main,
            JoinDeadlinePassed: _ignore,
            Failed: _fail,
            Signalled: _stop,
        },
    }
    """What an event does, by state. What is not there cannot happen; nothing does after the end."""
