"""The process agent: a process of its own that starts, follows and ends the processes of all attempts.

Theory of operation. It is apart from the server so that neither waits for the other: Python runs one thread of a
process at a time, and a loop of many short system calls would stand in line before each of them. It also has no
children but attempts', so that it may wait for any child, and when the server is killed it sees the end of their
channel and ends everything that runs.

One thread owns every attempt: it starts it, waits for output, for the ends of children, for timers and for messages.
An attempt ends in steps: its first process ends; what that leaves behind is killed at once, as the end of a
container's first process ends the container; when all of it is gone and the pipe is read to its end, the last lines
and then the exit are reported. What may take long, making big roots and removing any, is a second thread's.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from local_batch.executors.attempt_root import AttemptRoot
from local_batch.executors.attempt_starter import AttemptStarter, OutOfDescriptorsError
from local_batch.executors.call_queue import CallQueue
from local_batch.executors.channel import Channel, Message
from local_batch.executors.errors import CannotCreateContainerError, CannotStartContainerError, ContainerError
from local_batch.executors.event_loop import EventLoop
from local_batch.executors.host_programs import HostPrograms
from local_batch.executors.marker import directory_token
from local_batch.executors.memory_watch import OUT_OF_MEMORY, MemoryWatch
from local_batch.executors.name_spaces import NameSpaces
from local_batch.executors.orphans import Orphans
from local_batch.executors.output_reader import OutputReader
from local_batch.executors.report_sender import ReportSender
from local_batch.executors.root_pool import RootPool
from local_batch.executors.running_attempt import RunningAttempt
from local_batch.executors.spawn import set_up
from local_batch.executors.work import AttemptWork
from local_batch.executors.work_message import received_work

LAUNCHES_A_TURN = 8
"""So many starts, then a look at what has ended or been written meanwhile."""

WATCH_SECONDS = (0.1, 0.4)
"""Between two looks at memory and orphans: when some attempt is above half of its memory, and otherwise."""

WATCH_SHARE = 0.05
"""Of one processor's time, at most, goes into looking at memory."""

SWEEP_SECONDS = (0.001, 0.05)
"""Between two looks at what a killed attempt has left: at first, and at most."""

STATUS_BYTES = 65_536
"""Ample for what a launcher has to say."""

_GARBAGE_THRESHOLD = 50_000
"""Objects made and not yet gone between two searches for cycles: those of some thousand attempts at once."""

LINK_SECONDS = 1.0
"""An attempt that runs for longer can be looked into while it runs."""

_LOG = logging.getLogger(__name__)

_Key = tuple[str, int]


class ProcessAgent:
    """Does what the messages of one server say."""

    def __init__(self, channel: Channel, *, jobs_dir: Path, programs: HostPrograms) -> None:
        """Attempts run below `jobs_dir`."""
        self._channel = channel
        self._loop = EventLoop()
        self._second_thread = CallQueue("batch-roots")
        self._pool = RootPool(jobs_dir, self._second_thread.call)
        self._starter = AttemptStarter(
            pool=self._pool,
            name_spaces=NameSpaces(jobs_dir),
            token=directory_token(jobs_dir),
            programs=programs,
        )
        self._sender = ReportSender(channel)
        self._outputs = OutputReader(self._loop, self._sender, self._finish)
        self._waiting: dict[_Key, float | None] = {}
        """Attempts that are not started yet, and the grace with which each was to be stopped since."""
        self._queue: deque[AttemptWork] = deque()
        self._is_held = False
        self._attempts: dict[_Key, RunningAttempt] = {}
        self._by_pid: dict[int, RunningAttempt] = {}
        self._ending: set[RunningAttempt] = set()
        self._is_sweep_due = False
        self._sweep_pause_seconds = SWEEP_SECONDS[0]
        self._orphans = Orphans(self._by_pid)
        self._memory = MemoryWatch(self._by_pid)
        self._is_watching = False
        self._is_closing = False
        self._handlers: dict[str, Callable[..., None]] = {
            "image": self._starter.add_image,
            "start": self._start,
            "stop": self._stop,
            "close": self._close,
        }

    def run(self) -> None:
        """Until the server says to close, or is gone."""
        self._loop.on_readable(self._channel.fileno(), self._receive)
        self._loop.on_children(self._reap)
        self._loop.run(self._turn)
        self._second_thread.end()
        self._pool.close()
        self._channel.close()

    def _receive(self) -> None:
        messages = self._channel.receive()
        if messages is None:
            self._loop.forget(self._channel.fileno())
            messages = [("close",)]
        for name, *values in messages:
            # They are off the channel: one that cannot be followed must not lose those behind it.
            self._loop.guard(partial(self._handlers[name], *values))

    def _start(self, works: Sequence[Message]) -> None:
        for values in works:
            work = received_work(values)
            self._waiting[work.job_id, work.attempt] = None
            self._queue.append(work)

    def _turn(self) -> float | None:
        launches = 0
        while self._queue and launches < LAUNCHES_A_TURN and not self._is_held:
            self._launch(self._queue.popleft())
            launches += 1
        seconds = self._sender.turn()
        return 0.0 if self._queue and not self._is_held else seconds

    def _launch(self, work: AttemptWork) -> None:
        if self._starter.is_slow(work):
            self._second_thread.call(partial(self._make_root, work))
        else:
            self._launch_in(work, partial(self._starter.make_root, work))

    def _make_root(self, work: AttemptWork) -> None:
        """On the second thread."""
        root: Future[AttemptRoot] = Future()
        try:
            root.set_result(self._starter.make_root(work))
        except Exception as error:  # noqa: BLE001 - raised again where it is wanted
            root.set_exception(error)
        self._loop.call(partial(self._launch_in, work, root.result))

    def _launch_in(self, work: AttemptWork, root: Callable[[], AttemptRoot]) -> None:
        key = (work.job_id, work.attempt)
        try:
            self._follow(self._starter.start(work, root()))
        except OutOfDescriptorsError as error:
            if self._attempts:
                self._is_held = True
                self._queue.appendleft(work)
                return
            reason = CannotCreateContainerError(f"{error}; raise the limit (ulimit -n)").reason
            self._sender.start_failed(key, reason)
        except ContainerError as error:
            self._sender.start_failed(key, error.reason)
        except Exception as error:  # noqa: BLE001 - an attempt is answered, whatever its job asks for
            _LOG.exception("%s, attempt %d could not be started", *key)
            self._sender.start_failed(key, CannotStartContainerError(f"{error!r}; correct the job").reason)
        grace_seconds = self._waiting.pop(key)
        if grace_seconds is not None:
            self._stop(*key, grace_seconds)
        self._end_when_closed()

    def _follow(self, attempt: RunningAttempt) -> None:
        self._attempts[attempt.key] = self._by_pid[attempt.pid] = attempt
        if attempt.status is None:
            self._started(attempt)
        else:
            self._loop.on_readable(attempt.status, partial(self._launched, attempt))
        if self._is_closing:
            attempt.signal_group(signal.SIGKILL)
        if not self._is_watching:
            self._is_watching = True
            self._loop.after(WATCH_SECONDS[0], self._watch)

    def _started(self, attempt: RunningAttempt) -> None:
        self._sender.started(attempt.key)
        self._outputs.follow(attempt)

    def _launched(self, attempt: RunningAttempt) -> None:
        """Its launcher has executed its program, failed to, or was killed before."""
        if attempt.status is None:
            return
        status = os.read(attempt.status, STATUS_BYTES)
        self._loop.close_descriptor(attempt.status)
        attempt.status = None
        if status:
            attempt.start_failure = self._starter.start_failure(attempt, status)
        else:
            self._started(attempt)

    def _reap(self) -> None:
        """Wait for every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            attempt = self._by_pid.get(pid)
            if attempt is None:
                self._orphans.reaped(pid)
            else:
                self._first_process_ended(attempt, status)
        self._sweep()

    def _first_process_ended(self, attempt: RunningAttempt, status: int) -> None:
        # What is left of its group keeps the number; where nothing is, no process can have got it within these lines.
        attempt.signal_group(signal.SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        attempt.exit_code = code if code >= 0 else 128 - code
        if -code != signal.SIGKILL:
            attempt.reason = None
        self._ending.add(attempt)

    def _sweep(self) -> None:
        """Kill what first processes left behind, until nothing is left."""
        if not self._ending:
            return
        is_clear = self._orphans.look()
        for attempt in tuple(self._ending):
            if attempt.orphans:
                self._orphans.kill(attempt)
            elif is_clear:
                self._ending.discard(attempt)
                attempt.is_gone = True
                del self._by_pid[attempt.pid]
                self._launched(attempt)
                self._outputs.finish(attempt)
        if not self._by_pid:
            self._orphans.kill_strangers()
        if not self._ending:
            self._sweep_pause_seconds = SWEEP_SECONDS[0]
        elif not self._is_sweep_due:
            self._is_sweep_due = True
            self._loop.after(self._sweep_pause_seconds, self._sweep_again)
            self._sweep_pause_seconds = min(2 * self._sweep_pause_seconds, SWEEP_SECONDS[1])

    def _sweep_again(self) -> None:
        self._is_sweep_due = False
        self._sweep()

    def _finish(self, attempt: RunningAttempt) -> None:
        assert attempt.exit_code is not None
        del self._attempts[attempt.key]
        if attempt.start_failure is None:
            self._sender.exited(attempt.key, attempt.exit_code, attempt.reason)
        else:
            self._sender.start_failed(attempt.key, attempt.start_failure)
        self._starter.end(attempt, is_kept=attempt.exit_code != 0 and attempt.start_failure is None)
        self._is_held = False
        self._end_when_closed()

    def _stop(self, job_id: str, number: int, grace_seconds: float) -> None:
        key = (job_id, number)
        if key in self._waiting:
            self._waiting[key] = grace_seconds
            return
        attempt = self._attempts.get(key)
        if attempt is not None and attempt.exit_code is None:
            attempt.signal_group(signal.SIGTERM)
            self._loop.after(grace_seconds, partial(self._kill, attempt))

    def _kill(self, attempt: RunningAttempt) -> None:
        """SIGKILL to the group; what has left it becomes an orphan and is killed when the first process has ended."""
        if attempt.exit_code is None:
            attempt.signal_group(signal.SIGKILL)

    def _watch(self) -> None:
        """Look at what has run for a while, as long as anything runs."""
        if not self._by_pid:
            self._is_watching = False
            return
        began, pause_seconds = time.monotonic(), WATCH_SECONDS[1]
        try:
            pause_seconds = self._look(began)
        finally:
            self._loop.after(max(pause_seconds, (time.monotonic() - began) / WATCH_SHARE), self._watch)

    def _look(self, began: float) -> float:
        """For how many seconds that is enough."""
        pause_seconds = WATCH_SECONDS[0]
        # In the order of their starts.
        if began - next(iter(self._by_pid.values())).began > pause_seconds:
            self._orphans.look()
            above, largest_share = self._memory.sample()
            for attempt in above:
                if attempt.exit_code is None:
                    attempt.reason = OUT_OF_MEMORY
                    self._kill(attempt)
            if largest_share < 0.5:
                pause_seconds = WATCH_SECONDS[1]
        for attempt in self._by_pid.values():
            if began - attempt.began < LINK_SECONDS:
                break
            self._pool.link(attempt.root, *attempt.key)
        return pause_seconds

    def _close(self) -> None:
        self._is_closing = True
        for work in self._queue:
            del self._waiting[work.job_id, work.attempt]
        self._queue.clear()
        for attempt in self._attempts.values():
            self._kill(attempt)
        self._end_when_closed()

    def _end_when_closed(self) -> None:
        if self._is_closing and not self._attempts and not self._waiting:
            self._loop.end()


def main(descriptor: int, jobs_dir: str, *programs: str) -> None:
    """Serve the socket that is open as `descriptor`; `programs` are the fields of HostPrograms."""
    logging.basicConfig(format="%(levelname)s:%(name)s: %(message)s")
    set_up()
    # What there is by now stays; of what comes, attempts go by themselves, and little else is ever in a cycle.
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - the library's
    channel = Channel(socket.socket(fileno=descriptor))
    ProcessAgent(channel, jobs_dir=Path(jobs_dir), programs=HostPrograms(*programs)).run()
