"""Every wait has its bound, also where somebody reads nothing, answers nothing or says nothing."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from mpi_bringup import exits, peers
from mpi_bringup.connection import Connection, connect
from mpi_bringup.loop import Loop
from mpi_bringup.main_events import End, LauncherEnded, NodeLost, RankFailed, Say
from mpi_bringup.object_store import ObjectPlace, ObjectStore
from mpi_bringup.outlet import Outlet
from mpi_bringup.peers import FIRST_PORT, PORTS
from mpi_bringup.program import ProgramError, save_results, unpack

from tests.mpi_bringup.callers import SECONDS, Caller, Main, played, report
from tests.mpi_bringup.main_nodes import running
from tests.mpi_bringup.nodes import Nodes
from tests.mpi_bringup.object_server import ObjectServer
from tests.mpi_bringup.test_arrival import packed

BATCHS_SECONDS = 30.0
"""From SIGTERM to SIGKILL: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html"""


@pytest.fixture
def unread(tmp_path: Path) -> Iterator[Path]:
    """Where nodes begin, with a log of the main node's output that nobody reads."""
    (tmp_path / "node-0").mkdir()
    os.mkfifo(tmp_path / "node-0/stdout")
    held = os.open(tmp_path / "node-0/stdout", os.O_RDWR | os.O_NONBLOCK)
    yield tmp_path
    os.close(held)


def test_sigterm_ends_a_job_whose_log_nobody_reads(unread: Path) -> None:
    """Within what Batch gives it."""
    with Nodes(unread, 1) as nodes:
        nodes.start("-p", "1", "yes")
        nodes.wait_until(lambda: "1 rank on 1 node" in nodes.errors(0))
        time.sleep(2)
        began = time.monotonic()
        nodes.signal(0, signal.SIGTERM)
        assert nodes.exit_codes_of_ended(BATCHS_SECONDS) == {0: 143}
        assert time.monotonic() - began < BATCHS_SECONDS


def test_a_lost_node_ends_a_job_whose_log_nobody_reads(unread: Path) -> None:
    """It takes as long as for any other, and what it takes to give the log up."""
    with Nodes(unread, 2) as nodes:
        nodes.start("-p", "1", "yes")
        nodes.wait_until(lambda: "2 ranks on 2 nodes" in nodes.errors(0))
        time.sleep(2)
        nodes.kill(1)
        assert nodes.exit_codes_of_ended(40)[0] != 0


@pytest.fixture
def black_hole(tmp_path: Path) -> Iterator[Nodes]:
    """A job whose main node's address takes no connection and refuses none."""
    with ExitStack() as held, Nodes(tmp_path, 2) as nodes:
        for port in range(FIRST_PORT, FIRST_PORT + PORTS):
            listener = held.enter_context(socket.socket())
            listener.bind((nodes.address(0), port))
            listener.listen(0)
            for _ in range(4):
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((nodes.address(0), port))
        yield nodes


def test_a_node_gives_a_silent_main_node_up_in_time(black_hole: Nodes) -> None:
    """However many of its ports swallow what is sent."""
    began = time.monotonic()
    black_hole.start("--join-seconds", "2", "true", nodes=[1])
    assert black_hole.exit_codes_of_ended(20) == {1: exits.MAIN_LOST}
    assert time.monotonic() - began < 10


def test_a_node_that_calls_hears_signals(black_hole: Nodes) -> None:
    """At once, not between two calls."""
    black_hole.start("true", nodes=[1])
    time.sleep(2)
    began = time.monotonic()
    black_hole.signal(1)
    assert black_hole.exit_codes_of_ended(20) == {1: 143}
    assert time.monotonic() - began < 5


def test_calls_that_queue_calls_keep_nobody_waiting(loop: Loop) -> None:
    """Signals, deadlines and descriptors have their turn in between."""
    rounds: list[int] = []

    def again() -> None:
        rounds.append(1)
        loop.call(again)

    loop.call(again)
    loop.after(0.05, loop.end)
    loop.run()
    assert rounds


def test_a_connection_that_is_not_taken_fails_after_its_seconds(loop: Loop, address: str) -> None:
    """And the loop goes on meanwhile."""
    said: list[str] = []
    with ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind((address, 0))
        listener.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())

        def failed(why: str) -> None:
            said.append(why)
            loop.end()

        connect(loop, address, listener.getsockname(), 0.2, on_connected=lambda _: None, on_failed=failed)
        assert said == []
        loop.run()
    assert said == ["it did not answer in time"]


def test_what_was_said_last_arrives_though_much_is_unread(loop: Loop) -> None:
    """Closing with something unread would take it back."""
    heard = bytearray()
    closed: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()

    def end(why: str) -> None:
        closed.append(why)
        loop.end()

    hearer = Connection(loop, near, on_data=heard.extend, on_closed=end)
    leaver = Connection(loop, far, on_data=lambda _: None, on_closed=lambda _: None)
    hearer.send(b"x" * 200_000)
    leaver.send(b"failed: why")
    leaver.close_when_sent(lambda: None)
    loop.run()
    assert bytes(heard) == b"failed: why"
    assert closed == ["its connection ended"]


def test_silent_callers_are_no_more_than_so_many(loop: Loop, address: str) -> None:
    """The oldest make room, and a node gets through."""
    main = Main(loop, address)
    silent = []

    def play() -> None:
        for _ in range(peers.SPARE_CALLERS + 10):
            silent.append(socket.create_connection((address, FIRST_PORT), timeout=SECONDS))
            silent[-1].recv(4096)
        caller = Caller(address)
        caller.say(report().message())
        caller.socket.recv(4096)
        caller.socket.close()

    played(loop, play)
    assert [type(event) for event in main.events][-1] is NodeLost
    hung_up = 0
    for each in silent:
        each.settimeout(0.05)
        with suppress(TimeoutError):
            hung_up += each.recv(1) == b""
        each.close()
    assert 5 <= hung_up <= 10


def test_a_caller_that_proves_itself_reports_soon(loop: Loop, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or is turned away."""
    monkeypatch.setattr(peers, "HANDSHAKE_SECONDS", 0.3)
    Main(loop, address)
    heard: list[object] = []

    def play() -> None:
        heard.extend(Caller(address).hear())
        loop.call(loop.end)

    played(loop, play)
    assert heard in ([], ["reset"])


@pytest.mark.parametrize("message", [{"type": "rank failed"}, {"type": "rank failed", "rank": [], "exit_code": 1}])
def test_a_message_without_its_parts_ends_its_connection_alone(
    loop: Loop, address: str, message: dict[str, object]
) -> None:
    """The main node goes on, though whoever said it knows the key."""
    main = Main(loop, address)

    def play() -> None:
        caller = Caller(address)
        caller.say(report().message(), message)
        caller.hear()

    played(loop, play)
    assert isinstance(main.events[-1], NodeLost)


def test_without_descriptors_a_listener_rests(loop: Loop) -> None:
    """It would be asked without end otherwise; then it listens again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        class Exhausted(socket.socket):
            asked = 0

            def accept(self) -> tuple[socket.socket, object]:
                Exhausted.asked += 1
                if Exhausted.asked == 1:
                    raise OSError(errno.EMFILE, "Too many open files")
                return super().accept()

        tried = Exhausted(fileno=os.dup(listener.fileno()))
        taken: list[object] = []

        def accept() -> None:
            if (accepted := loop.accept(tried, accept)) is not None:
                taken.append(accepted)
                accepted[0].close()
                loop.end()

        loop.on_readable(tried.fileno(), accept)
        with socket.create_connection(listener.getsockname()):
            began = time.monotonic()
            loop.run()
        tried.close()
    assert (len(taken), Exhausted.asked) == (1, 2)
    assert time.monotonic() - began > 0.4


@pytest.mark.parametrize("mpirun", [0, 255])
def test_a_failed_ranks_exit_code_outlasts_a_node_that_is_lost_at_the_end(mpirun: int) -> None:
    """It is the program's own, and is not tried again as a lost node would be."""
    core = running()
    core.handle(RankFailed(1, 3, 7))
    core.handle(LauncherEnded(mpirun))
    say, end = core.handle(NodeLost(2, "cut"))
    assert isinstance(say, Say)
    assert "node-2" in say.text
    assert end == End(7)


def test_names_that_are_no_text_are_told_and_stay(server: ObjectServer, tmp_path: Path, loop: Loop) -> None:
    """A key of the bucket is UTF-8; the other results are stored, and the log takes what is said."""
    results = tmp_path / "results"
    results.mkdir()
    (results / "a").write_bytes(b"a")
    Path(os.fsdecode(bytes(results) + b"/b\xff")).write_bytes(b"b")
    said: list[str] = []
    assert save_results(tmp_path, ObjectPlace("kept", "r/"), ObjectStore(server.environment), said.append) == ["r/a"]
    assert len(said) == 1
    outlet = Outlet(loop)
    outlet.say(said[0])
    outlet.close(SECONDS)


def test_unpacking_stops_with_the_job(tmp_path: Path) -> None:
    """It is asked at every file."""
    is_over = threading.Event()
    is_over.set()
    with pytest.raises(ProgramError, match="the job was over before its program was there"):
        unpack(packed(b"x"), tmp_path, is_over.is_set)
    assert list(tmp_path.iterdir()) == []
