"""Whatever comes in whatever order: a main node ends, once, and launches once, when everybody is ready."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mpi_bringup.main_events import (
    Accept,
    Action,
    CallRoll,
    DeadlinePassed,
    End,
    Event,
    Launch,
    LauncherEnded,
    NodeLost,
    NodePresent,
    NodeStored,
    ProgramFailed,
    ProgramReady,
    RankFailed,
    ResultsFailed,
    ResultsSaved,
    SaveResults,
    SetDeadline,
    Share,
    Signalled,
    State,
    StopLauncher,
    Stranger,
)
from mpi_bringup.main_node import MainNode

from tests.mpi_bringup.main_nodes import reported

exit_codes = st.sampled_from([0, 0, 0, 1, 7, 137, 255])
picks = st.integers(0, 99)


class History(RuleBasedStateMachine):
    """The world around one main node: it does what is asked, sooner or later, and suffers losses."""

    @initialize(num_nodes=st.integers(1, 5), saves_results=st.booleans())
    def begin(self, num_nodes: int, saves_results: bool) -> None:
        """A job of some nodes."""
        self.core = MainNode(node=0, num_nodes=num_nodes, attempt=1, join_seconds=60.0, saves_results=saves_results)
        self.num_nodes = num_nodes
        self.done: list[Action] = []
        self.deadlines: list[SetDeadline] = []
        self.accepted: set[int] = set()
        self.to_store: set[int] = set()
        self.stored: set[int] = set()
        self.to_answer: set[int] = set()
        self.is_prepared = self.launcher_runs = self.saves = self.was_signalled = False
        self.launcher_exit_codes: list[int] = []
        self.rank_exit_codes: list[int] = []
        self._take(self.core.begin())
        self._happens(reported(0))

    def _happens(self, event: Event) -> None:
        if self.core.state is not State.ENDED:
            self._take(self.core.handle(event))

    def _take(self, actions: list[Action]) -> None:
        self.done += actions
        for action in actions:
            match action:
                case SetDeadline():
                    self.deadlines.append(action)
                case Accept():
                    self.accepted.add(action.node)
                case Share():
                    self.to_store = set(self.accepted)
                case Launch():
                    assert self.stored == self.accepted == set(range(1, self.num_nodes))
                    assert [report.node for report in action.reports] == list(range(self.num_nodes))
                    self.launcher_runs = True
                case CallRoll():
                    self.to_answer = set(self.accepted)
                case SaveResults():
                    self.saves = True
                case StopLauncher():
                    assert self.launcher_runs

    @rule(node=st.integers(0, 6), attempt=st.sampled_from([1, 1, 1, 1, 0, 2]))
    def report(self, node: int, attempt: int) -> None:
        """Some node says that it is ready, which may be wrong."""
        self._happens(reported(node, attempt))

    @precondition(lambda self: not self.is_prepared)
    @rule(is_good=st.sampled_from([True, True, True, False]))
    def prepare(self, is_good: bool) -> None:
        """The program is ready, or there is none."""
        self.is_prepared = True
        self._happens(ProgramReady() if is_good else ProgramFailed(2, "none"))

    @precondition(lambda self: self.to_store)
    @rule(pick=picks)
    def store(self, pick: int) -> None:
        """A node has the program."""
        node = sorted(self.to_store)[pick % len(self.to_store)]
        self.to_store.discard(node)
        self.stored.add(node)
        self._happens(NodeStored(node))

    @precondition(lambda self: self.launcher_runs)
    @rule(pick=picks, exit_code=st.sampled_from([1, 9, 139]), is_rare=st.integers(0, 3))
    def fail_rank(self, pick: int, exit_code: int, is_rare: int) -> None:
        """A rank ends with something else than 0, on some node that is there."""
        nodes = [0, *sorted(self.accepted)]
        if not is_rare:
            self.rank_exit_codes.append(exit_code)
            self._happens(RankFailed(nodes[pick % len(nodes)], pick, exit_code))

    @precondition(lambda self: self.launcher_runs)
    @rule(exit_code=exit_codes)
    def end_launcher(self, exit_code: int) -> None:
        """By itself, or because it was told to."""
        self.launcher_runs = False
        self.launcher_exit_codes.append(exit_code)
        self._happens(LauncherEnded(exit_code))

    @precondition(lambda self: self.to_answer)
    @rule(pick=picks)
    def answer(self, pick: int) -> None:
        """A node answers the roll call."""
        node = sorted(self.to_answer)[pick % len(self.to_answer)]
        self.to_answer.discard(node)
        self._happens(NodePresent(node))

    @precondition(lambda self: self.saves)
    @rule(is_good=st.booleans())
    def save(self, is_good: bool) -> None:
        """The results are in the bucket, or are not."""
        self.saves = False
        self._happens(ResultsSaved() if is_good else ResultsFailed("denied"))

    @precondition(lambda self: self.accepted)
    @rule(pick=picks, is_rare=st.integers(0, 3))
    def lose(self, pick: int, is_rare: int) -> None:
        """A node is gone, which is the last of it."""
        node = sorted(self.accepted)[pick % len(self.accepted)]
        if is_rare or node in self.to_store & self.to_answer:
            return
        self.accepted.discard(node)
        self.to_store.discard(node)
        self.to_answer.discard(node)
        self._happens(NodeLost(node, "cut"))

    @rule(is_rare=st.integers(0, 5))
    def signal(self, is_rare: int) -> None:
        """Batch ends the job."""
        if not is_rare:
            self.was_signalled = self.was_signalled or self.core.state is not State.ENDED
            self._happens(Signalled(15))

    @rule()
    def meet_stranger(self) -> None:
        """Somebody calls."""
        self._happens(Stranger("10.0.0.9", "no key"))

    @precondition(lambda self: self.deadlines)
    @rule(pick=picks)
    def pass_deadline(self, pick: int) -> None:
        """In any order, each once, however late."""
        self._happens(DeadlinePassed(self.deadlines.pop(pick % len(self.deadlines)).deadline))

    @invariant()
    def ends_and_launches_at_most_once(self) -> None:
        """Nor is there anything after the end."""
        if not hasattr(self, "core"):
            return
        ends = [index for index, action in enumerate(self.done) if isinstance(action, End)]
        assert len(ends) == (self.core.state is State.ENDED)
        assert ends in ([], [len(self.done) - 1])
        assert sum(isinstance(action, Launch) for action in self.done) <= 1

    def teardown(self) -> None:
        """Let what must come still come: deadlines, and the end of an mpirun that was told to end. Then it is over."""
        if not hasattr(self, "core"):
            return
        if not self.is_prepared:
            self.prepare(is_good=True)
        for _ in range(20):
            if self.core.state is State.ENDED:
                break
            if self.launcher_runs and (self.core.state is State.RUNNING or StopLauncher(is_hard=True) in self.done):
                self.end_launcher(0)
            elif self.saves:
                self.save(is_good=True)
            elif self.deadlines:
                self.pass_deadline(0)
        assert self.core.state is State.ENDED
        self.ends_and_launches_at_most_once()
        self._expect_the_right_code()

    def _expect_the_right_code(self) -> None:
        end = self.done[-1]
        assert isinstance(end, End)
        if end.exit_code == 0:
            assert self.launcher_exit_codes == [0]
            assert not self.rank_exit_codes
            assert not self.was_signalled
        was_stopped = any(isinstance(action, StopLauncher) for action in self.done)
        if self.launcher_exit_codes and self.launcher_exit_codes != [0] and not was_stopped and not self.was_signalled:
            said = self.launcher_exit_codes[0]
            assert end.exit_code == (self.rank_exit_codes[0] if said == 255 and self.rank_exit_codes else said)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
