"""Row by row: what the main node does about each event, in each state."""

from __future__ import annotations

from collections.abc import Callable

import pytest
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
from mpi_bringup.main_node import (
    LOST_GRACE_SECONDS,
    ROLL_CALL_SECONDS,
    SHARE_SECONDS,
    STOP_SECONDS,
    IllegalEventError,
    MainNode,
)

from tests.mpi_bringup.main_nodes import (
    IN_STATE,
    TERM,
    checking,
    gathering,
    report,
    reported,
    running,
    saving,
    sharing,
    stopping_by_signal,
    stopping_for_a_loss,
)


def ends_with(actions: list[Action], exit_code: int, text: str = "") -> None:
    """Assert that the last action is the end, with this message before it."""
    assert actions[-1] == End(exit_code)
    assert [action for action in actions if isinstance(action, End)] == [End(exit_code)]
    assert text in "".join(action.text for action in actions if isinstance(action, Say))


@pytest.mark.parametrize("state", State)
def test_each_state_is_reached(state: State) -> None:
    """What the rows below begin with."""
    assert IN_STATE[state]().state is state


def test_gathering_takes_a_node_on() -> None:
    """Until all are there nothing else happens."""
    core = gathering()
    assert core.handle(reported(2)) == [Accept(2)]
    assert core.others == (2,)
    assert core.state is State.GATHERING


def test_gathering_shares_when_the_last_node_comes_after_the_program() -> None:
    """Whichever is last begins it."""
    core = gathering()
    core.handle(ProgramReady())
    core.handle(reported(1))
    assert core.handle(reported(2)) == [Accept(2), Share(), SetDeadline(Deadline.SHARE, SHARE_SECONDS)]
    assert core.state is State.SHARING


def test_gathering_shares_when_the_program_comes_after_the_last_node() -> None:
    """The other way round."""
    core = gathering()
    core.handle(reported(1))
    core.handle(reported(2))
    assert core.handle(ProgramReady()) == [Share(), SetDeadline(Deadline.SHARE, SHARE_SECONDS)]


def test_gathering_launches_at_once_where_there_is_one_node() -> None:
    """With nobody to share with."""
    core = gathering(num_nodes=1)
    assert core.handle(ProgramReady()) == [Launch((report(0),))]
    assert core.state is State.RUNNING


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (reported(1, attempt=1), "node-1 has come already, at 10.0.0.2"),
        (reported(0), "node-0 has come already, at 10.0.0.1"),
        (reported(3), "the job has nodes 0 to 2"),
        (reported(2, attempt=0), "it is of attempt 0, this is attempt 1"),
        (reported(2, attempt=2), "it is of attempt 2, this is attempt 1"),
    ],
)
def test_gathering_refuses_with_a_reason(event: NodeReported, why: str) -> None:
    """Who came already, is out of range or of another attempt; the others are not disturbed."""
    core = gathering()
    core.handle(reported(1))
    refuse, say = core.handle(event)
    assert refuse == Refuse(event.report, why)
    assert isinstance(say, Say)
    assert why in say.text
    assert core.others == (1,)


def test_gathering_ends_where_there_is_no_program() -> None:
    """With the exit code and the text of whoever looked for it."""
    ends_with(gathering().handle(ProgramFailed(74, "the bundle is gone")), 74, "the bundle is gone")


@pytest.mark.parametrize("core", [gathering, sharing])
def test_before_the_program_runs_a_lost_node_ends_the_job(core: Callable[[], MainNode]) -> None:
    """By its name and address."""
    node = core()
    if not node.others:
        node.handle(reported(2))
    ends_with(node.handle(NodeLost(2, "cut")), 70, "node-2 (10.0.0.3) was lost before the program ran: cut")


def test_gathering_names_who_did_not_come_and_who_was_turned_away() -> None:
    """After the time to join; a caller that came again and again is told of once."""
    core = gathering()
    core.handle(reported(1))
    assert core.handle(Stranger("10.0.0.9", "no key")) == [Say("a caller at 10.0.0.9 was turned away: no key")]
    assert core.handle(Stranger("10.0.0.9", "no key")) == []
    actions = core.handle(DeadlinePassed(Deadline.JOIN))
    text = "2 of 3 nodes came within 600 s, without node-2; 10.0.0.9 was turned away 2 times: no key"
    assert actions == [Say(text), End(exits.NODES_MISSING)]


def test_gathering_waits_for_the_program_alone_beyond_the_time_to_join() -> None:
    """A compiler has a bound of its own."""
    core = gathering(num_nodes=1)
    assert core.handle(DeadlinePassed(Deadline.JOIN)) == []
    assert core.state is State.GATHERING


def test_sharing_launches_only_when_every_node_has_the_program() -> None:
    """On all nodes by index; one that says it twice counts once."""
    core = sharing()
    assert core.handle(NodeStored(2)) == []
    assert core.handle(NodeStored(2)) == []
    assert core.handle(NodeStored(1)) == [Launch((report(0), report(1), report(2)))]
    assert core.state is State.RUNNING


def test_sharing_names_who_did_not_store_the_program() -> None:
    """After its deadline."""
    core = sharing()
    core.handle(NodeStored(2))
    ends_with(core.handle(DeadlinePassed(Deadline.SHARE)), 70, "within 600 s, not on node-1 (10.0.0.2)")


@pytest.mark.parametrize("exit_code", [0, 1, 7, 137])
def test_running_calls_the_roll_when_mpirun_ended(exit_code: int) -> None:
    """Whatever it said: it may be wrong about a node, or not name it."""
    core = running()
    assert core.handle(LauncherEnded(exit_code)) == [CallRoll(), SetDeadline(Deadline.ROLL_CALL, ROLL_CALL_SECONDS)]
    assert core.handle(NodePresent(1)) == []
    assert core.handle(NodePresent(1)) == []
    assert core.handle(NodePresent(2)) == [End(exit_code)]


@pytest.mark.parametrize("exit_code", [0, 7])
def test_running_ends_at_once_where_there_is_one_node(exit_code: int) -> None:
    """Nobody is to be asked."""
    core = gathering(num_nodes=1)
    core.handle(ProgramReady())
    assert core.handle(LauncherEnded(exit_code)) == [End(exit_code)]


def test_running_gives_mpirun_a_moment_when_a_node_is_lost() -> None:
    """What it ends with is then the program's exit code."""
    core = running()
    say, deadline = core.handle(NodeLost(2, "cut"))
    assert say == Say("node-2 (10.0.0.3) was lost while the program ran: cut")
    assert deadline == SetDeadline(Deadline.LOST_GRACE, LOST_GRACE_SECONDS)
    assert core.state is State.STOPPING


def test_running_ends_mpirun_at_a_signal() -> None:
    """Softly first."""
    core = running()
    say, *rest = core.handle(Signalled(TERM))
    assert isinstance(say, Say)
    assert rest == [StopLauncher(is_hard=False), SetDeadline(Deadline.STOP, STOP_SECONDS)]


@pytest.mark.parametrize(("exit_code", "expected"), [(0, 70), (9, 9)])
def test_checking_names_a_lost_node(exit_code: int, expected: int) -> None:
    """A job without it fails though mpirun said 0, and keeps mpirun's own code where that is none."""
    actions = checking(exit_code).handle(NodeLost(1, "cut"))
    ends_with(actions, expected, "node-1 (10.0.0.2) was lost while the program ran: cut")


@pytest.mark.parametrize(("exit_code", "expected"), [(0, 70), (9, 9)])
def test_checking_names_who_does_not_answer(exit_code: int, expected: int) -> None:
    """After its deadline."""
    core = checking(exit_code)
    core.handle(NodePresent(1))
    ends_with(core.handle(DeadlinePassed(Deadline.ROLL_CALL)), expected, "node-2 (10.0.0.3) did not answer within 10 s")


@pytest.mark.parametrize(("exit_code", "expected"), [(0, 70), (1, 1), (255, 255)])
def test_stopping_keeps_the_exit_code_of_an_mpirun_that_ended_by_itself(exit_code: int, expected: int) -> None:
    """And makes a failure of a 0."""
    ends_with(stopping_for_a_loss().handle(LauncherEnded(exit_code)), expected)


@pytest.mark.parametrize("exit_code", [0, 143, 255])
def test_stopping_ends_with_70_where_mpirun_was_ended_for_a_lost_node(exit_code: int) -> None:
    """Its code is not the program's then."""
    core = stopping_for_a_loss()
    assert core.handle(DeadlinePassed(Deadline.LOST_GRACE)) == [
        StopLauncher(is_hard=False),
        SetDeadline(Deadline.STOP, STOP_SECONDS),
    ]
    assert core.handle(DeadlinePassed(Deadline.STOP)) == [StopLauncher(is_hard=True)]
    ends_with(core.handle(LauncherEnded(exit_code)), 70, "without node-2")


def test_stopping_names_every_lost_node() -> None:
    """One often takes others along."""
    core = stopping_for_a_loss()
    assert core.handle(NodeLost(1, "cut too")) == [Say("node-1 (10.0.0.2) was lost too: cut too")]
    ends_with(core.handle(LauncherEnded(0)), 70, "without node-2, node-1")


@pytest.mark.parametrize("exit_code", [0, 1, 143])
def test_stopping_by_a_signal_ends_with_its_number_whatever_mpirun_says(exit_code: int) -> None:
    """mpirun may end with 0 after SIGTERM."""
    core = stopping_by_signal()
    assert core.handle(Signalled(TERM)) == []
    ends_with(core.handle(LauncherEnded(exit_code)), 143)


def test_stopping_for_a_lost_node_heeds_a_signal() -> None:
    """When Batch ends a job, another node may be gone before the main one hears of it: the signal counts."""
    core = stopping_for_a_loss()
    say, *rest = core.handle(Signalled(TERM))
    assert isinstance(say, Say)
    assert rest == [StopLauncher(is_hard=False), SetDeadline(Deadline.STOP, STOP_SECONDS)]
    assert core.handle(DeadlinePassed(Deadline.LOST_GRACE)) == []
    ends_with(core.handle(LauncherEnded(255)), 143)


def test_stopping_after_the_grace_a_signal_does_not_stop_mpirun_twice() -> None:
    """Its time runs already."""
    core = stopping_for_a_loss()
    core.handle(DeadlinePassed(Deadline.LOST_GRACE))
    assert [type(action) for action in core.handle(Signalled(TERM))] == [Say]
    ends_with(core.handle(LauncherEnded(0)), 143)


def test_saving_is_for_a_program_that_succeeded() -> None:
    """And for jobs that keep results."""
    core = running(saves_results=True)
    core.handle(LauncherEnded(0))
    core.handle(NodePresent(1))
    assert core.handle(NodePresent(2)) == [SaveResults()]
    core = running(saves_results=True)
    core.handle(LauncherEnded(3))
    core.handle(NodePresent(1))
    assert core.handle(NodePresent(2)) == [End(3)]


def test_saving_ends_as_the_results_do() -> None:
    """0, or the code for what could not be moved; a node is not needed any more."""
    core = saving()
    assert core.handle(NodeLost(1, "cut")) == []
    assert core.handle(ResultsSaved()) == [End(0)]
    assert saving().handle(ResultsFailed("denied")) == [Say("denied"), End(exits.NOT_MOVED)]


@pytest.mark.parametrize("state", [State.GATHERING, State.SHARING, State.CHECKING, State.SAVING])
def test_where_no_mpirun_runs_a_signal_ends_the_job(state: State) -> None:
    """At once."""
    ends_with(IN_STATE[state]().handle(Signalled(TERM)), 143, f"signal 15: ended while {state.value}")


@pytest.mark.parametrize("state", [State.SHARING, State.RUNNING, State.CHECKING, State.STOPPING, State.SAVING])
def test_a_report_that_is_late_is_refused(state: State) -> None:
    """With the reason that fits best."""
    core = IN_STATE[state]()
    assert core.handle(reported(1))[0] == Refuse(report(1), "node-1 has come already, at 10.0.0.2")
    assert core.handle(reported(1, attempt=4))[0] == Refuse(
        report(1, attempt=4), "it is of attempt 4, this is attempt 1"
    )
    assert core.state is state


LATE = {
    State.GATHERING: set(Deadline) - {Deadline.JOIN},
    State.SHARING: set(Deadline) - {Deadline.SHARE},
    State.RUNNING: set(Deadline),
    State.CHECKING: set(Deadline) - {Deadline.ROLL_CALL},
    State.STOPPING: set(Deadline) - {Deadline.STOP},
    State.SAVING: set(Deadline),
}


@pytest.mark.parametrize(
    ("state", "deadline"),
    [(state, deadline) for state, late in LATE.items() for deadline in Deadline if deadline in late],
)
def test_a_late_deadline_does_nothing(state: State, deadline: Deadline) -> None:
    """What it was for is over."""
    core = IN_STATE[state]()
    assert core.handle(DeadlinePassed(deadline)) == []
    assert core.state is state


@pytest.mark.parametrize("state", [state for state in State if state is not State.ENDED])
def test_strangers_are_told_of_in_every_state(state: State) -> None:
    """And change nothing."""
    core = IN_STATE[state]()
    assert len(core.handle(Stranger("10.0.0.9", "no key"))) == 1
    assert core.state is state


EVENTS: list[Event] = [
    reported(2),
    Stranger("10.0.0.9", "no key"),
    ProgramReady(),
    ProgramFailed(2, "none"),
    NodeStored(1),
    NodePresent(1),
    NodeLost(1, "cut"),
    LauncherEnded(0),
    ResultsSaved(),
    ResultsFailed("denied"),
    DeadlinePassed(Deadline.JOIN),
    Signalled(TERM),
]


@pytest.mark.parametrize(
    ("state", "event"),
    [(state, event) for state in State for event in EVENTS if type(event) not in MainNode.TABLE.get(state, {})],
    ids=str,
)
def test_an_illegal_event_changes_nothing(state: State, event: Event) -> None:
    """It says what came when."""
    core = IN_STATE[state]()
    before = repr(vars(core))
    with pytest.raises(IllegalEventError, match=f"cannot happen while {state.value}"):
        core.handle(event)
    assert repr(vars(core)) == before


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.SHARING, NodeStored(0)),
        (State.SHARING, NodeStored(3)),
        (State.CHECKING, NodePresent(0)),
        (State.CHECKING, NodePresent(3)),
        *((state, NodeLost(node, "cut")) for state in State if state is not State.ENDED for node in (0, 3)),
    ],
    ids=str,
)
def test_a_node_that_was_not_taken_on_cannot_do_anything(state: State, event: Event) -> None:
    """It changes nothing, nor can the main node be lost to itself."""
    core = IN_STATE[state]()
    before = repr(vars(core))
    with pytest.raises(IllegalEventError, match="was not taken on"):
        core.handle(event)
    assert repr(vars(core)) == before
