"""Row by row, and in any order: what a node that is not the main one does about each event, in each state."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpi_bringup.other_node import (
    Accepted,
    Action,
    Connected,
    End,
    Event,
    Failed,
    IllegalEventError,
    JoinDeadlinePassed,
    MainLost,
    OtherNode,
    ProgramReceived,
    RankFailed,
    Refused,
    Released,
    RollCalled,
    Say,
    SayFailed,
    SayPresent,
    SayRankFailed,
    SayStored,
    SendReport,
    Signalled,
    State,
    TurnedAway,
)

EVENTS: list[Event] = [
    Connected(),
    TurnedAway("no key"),
    Accepted(),
    Refused("it is of attempt 1, this is attempt 2"),
    ProgramReceived(),
    RankFailed(3, 9),
    RollCalled(),
    Released(0),
    Released(9),
    MainLost("cut"),
    JoinDeadlinePassed("refused"),
    Failed("its sshd ended with 1"),
    Signalled(signal.SIGTERM),
]
WAYS: dict[State, tuple[Event, ...]] = {
    State.CALLING: (),
    State.JOINING: (Connected(),),
    State.SERVING: (Connected(), Accepted()),
    State.ENDED: (TurnedAway("no key"),),
}


def in_state(state: State) -> OtherNode:
    """One that was brought there."""
    core = OtherNode()
    for event in WAYS[state]:
        core.handle(event)
    assert core.state is state
    return core


def over(text: str, exit_code: int) -> list[Action]:
    """Said why, then ended."""
    return [Say(text), End(exit_code)]


C, J, S = State.CALLING, State.JOINING, State.SERVING
ROWS: list[tuple[State, Event, State, list[Action]]] = [
    (C, Connected(), J, [SendReport()]),
    (C, TurnedAway("no key"), State.ENDED, over("the main node turned this node away: no key", 76)),
    (C, JoinDeadlinePassed("refused"), State.ENDED, over("the main node was not reached in time: refused", 71)),
    (C, Failed("no sshd"), State.ENDED, [SayFailed("no sshd"), *over("no sshd", 70)]),
    (C, Signalled(15), State.ENDED, over("signal 15: ending what runs here", 143)),
    (J, Accepted(), S, [Say("the main node has taken this node on")]),
    (J, Refused("late"), State.ENDED, over("the main node turned this node away: late", 76)),
    (J, Released(9), State.ENDED, over("the job ended with exit code 9", 9)),
    (J, MainLost("cut"), State.ENDED, over("the main node is gone: cut", 71)),
    (J, JoinDeadlinePassed("silent"), State.ENDED, over("the main node was not reached in time: silent", 71)),
    (J, Failed("no sshd"), State.ENDED, [SayFailed("no sshd"), *over("no sshd", 70)]),
    (J, Signalled(2), State.ENDED, [SayFailed("signal 2"), *over("signal 2: ending what runs here", 130)]),
    (S, ProgramReceived(), S, [SayStored()]),
    (S, RankFailed(3, 9), S, [SayRankFailed(3, 9)]),
    (S, RollCalled(), S, [SayPresent()]),
    (S, Released(0), State.ENDED, over("the job ended with exit code 0", 0)),
    (S, MainLost("cut"), State.ENDED, over("the main node is gone: cut", 71)),
    (S, JoinDeadlinePassed("none"), S, []),
    (S, Failed("no sshd"), State.ENDED, [SayFailed("no sshd"), *over("no sshd", 70)]),
    (S, Signalled(15), State.ENDED, [SayFailed("signal 15"), *over("signal 15: ending what runs here", 143)]),
]


@pytest.mark.parametrize(("state", "event", "then", "actions"), ROWS, ids=str)
def test_each_row_of_the_table(state: State, event: Event, then: State, actions: list[Action]) -> None:
    """From this state, by this event, into that one, with these actions."""
    core = in_state(state)
    assert core.handle(event) == actions
    assert core.state is then


def test_the_rows_are_all_there_are() -> None:
    """A row that is added to the table gets a test."""
    tested = {(state, type(event)) for state, event, _, _ in ROWS}
    assert tested == {(state, event) for state, row in OtherNode.TABLE.items() for event in row}


@pytest.mark.parametrize(
    ("state", "event"),
    [(state, event) for state in State for event in EVENTS if type(event) not in OtherNode.TABLE.get(state, {})],
    ids=str,
)
def test_an_illegal_event_changes_nothing(state: State, event: Event) -> None:
    """It says what came when."""
    core = in_state(state)
    with pytest.raises(IllegalEventError, match=f"cannot happen while {state.value}"):
        core.handle(event)
    assert core.state is state


@settings(deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_in_whatever_order_it_ends_once_and_stores_only_when_it_serves(events: list[Event]) -> None:
    """Its last action is its end, and there is no second one."""
    core = OtherNode()
    actions: list[Action] = []
    for event in events:
        try:
            done = core.handle(event)
        except IllegalEventError:
            continue
        assert SayStored() not in done or core.state is State.SERVING
        actions += done
    ends = [action for action in actions if isinstance(action, End)]
    assert len(ends) == (core.state is State.ENDED)
    if ends:
        assert actions[-1] == ends[0]
