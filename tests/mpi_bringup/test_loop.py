"""The loop, connections and the log of a node: real pipes, sockets, processes and signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from mpi_bringup.connection import Connection
from mpi_bringup.loop import Loop

PATIENCE_SECONDS = 20.0


@pytest.fixture
def loop() -> Iterator[Loop]:
    """One that ends by itself where a test does not end it; signals are as before afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    made = Loop()
    made.after(PATIENCE_SECONDS, made.end)
    yield made
    signal.set_wakeup_fd(-1)
    for number, handler in handlers.items():
        signal.signal(number, handler)


class Heard:
    """One side of a connection on the loop, and what it has heard."""

    def __init__(self, loop: Loop, connected: socket.socket) -> None:
        self.data = b""
        self.closed: list[str] = []
        self._loop = loop
        self.connection = Connection(loop, connected, on_data=self._take, on_closed=self._note)

    def _take(self, data: bytes) -> None:
        self.data += data

    def _note(self, why: str) -> None:
        self.closed.append(why)
        self._loop.end()


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    far.settimeout(PATIENCE_SECONDS)
    with near, far:
        yield near, far


def test_timers_are_called_in_order_of_their_time(loop: Loop) -> None:
    """Those of the same time in the order they were set."""
    called: list[str] = []
    loop.after(0.03, lambda: called.append("third"))
    loop.after(0.0, lambda: called.append("first"))
    loop.after(0.0, lambda: called.append("second"))
    loop.after(0.06, loop.end)
    loop.run()
    assert called == ["first", "second", "third"]


def test_nothing_that_is_due_is_called_after_the_end(loop: Loop) -> None:
    """Not even what was due with it."""
    called: list[str] = []
    loop.after(0.0, loop.end)
    loop.after(0.0, lambda: called.append("late"))
    loop.run()
    assert called == []


def test_other_threads_call_on_the_loop(loop: Loop) -> None:
    """In their order, while it waits for nothing else; more of them than its pipe holds."""
    called: list[int] = []
    number = 200_000

    def work() -> None:
        for each in range(number):
            loop.call(lambda each=each: called.append(each))  # type: ignore[misc]
        loop.call(loop.end)

    thread = threading.Thread(target=work)
    thread.start()
    loop.run()
    thread.join()
    assert called == list(range(number))


def test_an_error_ends_the_loop(loop: Loop) -> None:
    """It comes out."""

    def fail() -> None:
        raise KeyError("a fault")

    loop.call(fail)
    with pytest.raises(KeyError, match="a fault"):
        loop.run()


@pytest.mark.parametrize(
    ("script", "exit_code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)],
)
def test_the_exit_of_a_child_is_told_as_a_shell_tells_it(loop: Loop, script: str, exit_code: int) -> None:
    """128 and the number after a signal."""
    told: list[int] = []
    child = subprocess.Popen(["sh", "-c", script])

    def ended(code: int) -> None:
        told.append(code)
        loop.end()

    loop.on_exit(child.pid, ended)
    loop.run()
    child.returncode = told[0]
    assert told == [exit_code]


def test_signals_are_told_with_their_number(loop: Loop) -> None:
    """Each time, those of others not at all."""
    told: list[int] = []
    loop.on_signals((signal.SIGTERM, signal.SIGINT), told.append)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        loop.call(lambda number=number: os.kill(os.getpid(), number))  # type: ignore[misc]
    loop.after(0.05, loop.end)
    loop.run()
    assert sorted(told) == [signal.SIGINT, signal.SIGTERM, signal.SIGTERM]


def test_reading_can_be_paused(loop: Loop) -> None:
    """What comes meanwhile is read later."""
    reader, writer = os.pipe()
    read: list[bytes] = []

    def take() -> None:
        read.append(os.read(reader, 100))
        loop.pause_reading(reader)

    loop.on_readable(reader, take)
    os.write(writer, b"one")
    loop.after(0.02, partial(_write, writer, b"two"))
    loop.after(0.04, lambda: read.append(b"paused"))
    loop.after(0.06, lambda: loop.on_readable(reader, take))
    loop.after(0.10, loop.end)
    loop.run()
    os.close(reader)
    os.close(writer)
    assert read == [b"one", b"paused", b"two"]


def test_a_connection_gives_what_comes_and_its_end(loop: Loop, wire: tuple[socket.socket, socket.socket]) -> None:
    """Once, as an orderly end."""
    heard = Heard(loop, wire[0])
    wire[1].sendall(b"hello")
    wire[1].close()
    loop.run()
    assert heard.data == b"hello"
    assert heard.closed == ["its connection ended"]
    assert not heard.connection.is_open


def test_a_connection_that_is_reset_says_so(loop: Loop, wire: tuple[socket.socket, socket.socket]) -> None:
    """In the system's words."""
    heard = Heard(loop, wire[0])
    wire[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wire[1].close()
    loop.run()
    assert heard.closed == ["Connection reset by peer"]


def test_sending_on_a_cut_connection_fails_after_the_sender_is_done(
    loop: Loop, wire: tuple[socket.socket, socket.socket]
) -> None:
    """Nobody is called back in the middle of what it is doing; and only once."""
    heard = Heard(loop, wire[0])
    wire[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wire[1].close()
    for _ in range(3):
        heard.connection.send(b"x" * 1000)
    assert heard.closed == []
    loop.run()
    assert len(heard.closed) == 1


def test_a_silent_connection_can_be_told_by_its_age(loop: Loop, wire: tuple[socket.socket, socket.socket]) -> None:
    """Whoever finds it too old ends it with a reason."""
    heard = Heard(loop, wire[0])
    before = heard.connection.heard_at
    loop.after(0.02, lambda: wire[1].sendall(b"ping"))

    def give_up() -> None:
        assert heard.connection.heard_at > before
        heard.connection.fail("nothing was heard of it")
        heard.connection.fail("again")

    loop.after(0.05, give_up)
    loop.run()
    assert heard.closed == ["nothing was heard of it"]
    assert wire[1].recv(1) == b""


def test_a_stream_is_made_as_it_is_taken(loop: Loop, wire: tuple[socket.socket, socket.socket]) -> None:
    """Not ahead of a slow reader; what is sent meanwhile goes between two pieces; at the end it is all there."""
    made: list[int] = []
    piece = 1 << 20
    number = 64

    def pieces() -> Iterator[bytes]:
        for each in range(number):
            made.append(each)
            yield bytes([each]) * piece

    heard = Heard(loop, wire[0])
    received = bytearray()
    made_before_reading: list[int] = []
    done: list[str] = []

    def read_all() -> None:
        made_before_reading.append(len(made))
        loop.call(lambda: heard.connection.send(b"\xff"))
        while data := wire[1].recv(1 << 20):
            received.extend(data)

    reader = threading.Timer(0.1, read_all)
    reader.start()

    def finish() -> None:
        done.append("sent")
        loop.end()

    heard.connection.send_stream(pieces())
    loop.after(0.5, lambda: heard.connection.close_when_sent(finish))
    loop.run()
    reader.join()
    assert made_before_reading[0] < number // 2
    assert done == ["sent"]
    assert len(received) == number * piece + 1
    place = received.index(0xFF)
    assert place % piece == 0
    del received[place]
    assert all(received[start] == start // piece for start in range(0, len(received), piece))


def test_last_words_are_called_back_even_where_nobody_takes_them(
    loop: Loop, wire: tuple[socket.socket, socket.socket]
) -> None:
    """The other side is gone in the middle of them, or was before."""
    heard = Heard(loop, wire[0])
    called: list[str] = []
    heard.connection.send(b"x" * (64 << 20))
    heard.connection.close_when_sent(lambda: called.append("cut"))
    loop.after(0.02, lambda: wire[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"))
    loop.after(0.03, wire[1].close)
    loop.run()
    assert called == ["cut"]
    heard.connection.close_when_sent(lambda: called.append("closed before"))
    assert called == ["cut", "closed before"]


LOG = """
import os, sys, time
from mpi_bringup.loop import Loop
from mpi_bringup.outlet import Outlet
loop = Loop()
outlet = Outlet(loop)
outlet.say("two\\nlines")
for number in range(1000):
    outlet.write(1, b"%d\\n" % number)
    outlet.write(2, b"%d\\n" % number)
outlet.close(10)
"""


def test_the_log_keeps_the_order_of_each_stream() -> None:
    """A message of the bring-up is marked line by line."""
    done = subprocess.run([sys.executable, "-c", LOG], capture_output=True, check=True, timeout=60, env=python_path())
    numbers = [b"%d" % number for number in range(1000)]
    assert done.stdout.splitlines() == numbers
    assert done.stderr.splitlines() == [b"mpi: two", b"mpi: lines", *numbers]


SLOW_LOG = """
import time
from mpi_bringup.loop import Loop
from mpi_bringup.outlet import Outlet
loop = Loop()
outlet = Outlet(loop)
ticks = []
def tick():
    ticks.append(time.monotonic())
    if len(ticks) < 20:
        loop.after(0.01, tick)
    else:
        loop.end()
outlet.write(1, b"x" * (1 << 20))
loop.call(tick)
started = time.monotonic()
loop.run()
outlet.close(0.1)
outlet = None
import os
os.write(2, b"%d" % len(ticks))
os._exit(0)
"""


def test_a_log_that_nobody_reads_does_not_stop_the_loop() -> None:
    """Nor does it keep the node from ending."""
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_LOG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=python_path()
    ) as process:
        assert process.wait(PATIENCE_SECONDS) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b"20"


FULL_LOG = """
import os
from mpi_bringup.loop import Loop
from mpi_bringup.outlet import Outlet
loop = Loop()
outlet = Outlet(loop)
told = []
for _ in range(12):
    outlet.write(1, b"x" * (1 << 20))
assert outlet.is_full
def room():
    assert not outlet.is_full
    told.append(1)
    outlet.on_room(loop.end)
outlet.on_room(room)
os.write(2, b"full\\n")
loop.run()
outlet.close(20)
assert told == [1]
"""


def test_a_full_log_says_when_it_has_room() -> None:
    """Once, when its reader has taken enough; nothing is lost."""
    with subprocess.Popen(
        [sys.executable, "-c", FULL_LOG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=python_path()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == b"full\n"
        time.sleep(0.05)
        assert len(process.stdout.read()) == 12 << 20
        assert process.wait(PATIENCE_SECONDS) == 0


def test_a_log_that_was_closed_does_not_end_the_job() -> None:
    """What nobody reads is dropped."""
    script = LOG + "os._exit(7)\n"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=python_path()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        assert process.wait(PATIENCE_SECONDS) == 7


def _write(descriptor: int, data: bytes) -> None:
    os.write(descriptor, data)


def python_path() -> dict[str, str]:
    """In which another Python finds the bring-up."""
    return {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
