"""The process executor: containers as process groups of this machine.

Theory of operation. A launcher lays out directories and starts processes, which waits for the disk and for the kernel.
From then on one thread owns every attempt: it waits for output, for the end of first processes (a pidfd each), for
timers and for commands. An attempt ends in steps: its first process ends; what that leaves behind is killed at once, as
the end of a container's first process ends the container; when all of it is gone and the pipe is read to its end, the
last lines and then the exit are reported. A janitor removes the directory.

Not honoured, and documented so: vCPUs are not enforced, USER is not switched to, the root is not read-only.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from local_batch.executors.attempt_root import AttemptRoot, Launch, prepare
from local_batch.executors.call_queue import CallQueue
from local_batch.executors.errors import CannotCreateContainerError, CannotStartContainerError, ContainerError
from local_batch.executors.event_loop import EventLoop
from local_batch.executors.image_store import ImageStore
from local_batch.executors.marker import MARKER_VARIABLE, attempt_marker, directory_token
from local_batch.executors.memory_watch import OUT_OF_MEMORY, MemoryWatch
from local_batch.executors.orphans import Orphans
from local_batch.executors.running_attempt import RunningAttempt
from local_batch.executors.spawn import spawn
from local_batch.executors.work import AttemptWork, Exited, Logged, Reporter, Started, StartFailed

READ_BYTES = 65_536
"""One read: what a pipe holds on Linux. An attempt that floods is read once a turn, so that others are read too."""

REPORT_BYTES = 262_144
"""So much output is reported at once, without waiting for the delay."""

REPORT_SECONDS = 0.05
"""How long a line may wait for others to be reported with it."""

WATCH_SECONDS = (0.1, 0.4)
"""Between two looks at memory and orphans: when some attempt is above half of its memory, and otherwise."""

WATCH_SHARE = 0.05
"""Of one processor's time, at most, goes into looking at memory."""

FOREIGN_PIPE_SECONDS = 1.0
"""How long output is awaited after all of an attempt is gone, when somebody else was handed its pipe."""

EXIT_POLL_SECONDS = 0.01
"""Between two looks at a first process, where there are no pidfds (macOS, Linux before 5.3)."""

SWEEP_SECONDS = (0.001, 0.05)
"""Between two looks at what a killed attempt has left: at first, and at most."""

EXIT_CODE_LOST = 255
"""Reported, with a reason, where another part of this process took the exit status away."""

_SPAWN_FIXES = {
    errno.EINVAL: "correct the command or the environment",
    errno.ENOENT: "the interpreter that its first line names is not on this machine",
    errno.ENOEXEC: "begin the script with #! and its interpreter, or build it for this machine",
    errno.E2BIG: "pass less in the command and the environment",
}


class ProcessExecutor:
    """Implements executors.work.Executor with processes of the user it runs as."""

    def __init__(
        self, *, images: ImageStore, jobs_dir: Path, reporter: Reporter, python_bin: Path | None = None
    ) -> None:
        """Attempts run in `jobs_dir/<job id>/<attempt>/`, which is removed after exit code 0 and kept otherwise.

        `python_bin` holds the `python` that jobs find: by default that of this process, with its packages.
        """
        self._images = images
        self._jobs_dir = jobs_dir.resolve()
        self._jobs_dir.mkdir(parents=True, exist_ok=True)
        self._reporter = reporter
        self._python_bin = python_bin or Path(sys.executable).parent
        self._token = directory_token(jobs_dir)
        self._attempts: dict[tuple[str, int], RunningAttempt] = {}
        self._by_pid: dict[int, RunningAttempt] = {}
        self._orphans = Orphans(self._by_pid)
        self._memory = MemoryWatch(self._by_pid)
        self._is_watching = False
        self._is_closing = False
        self._launcher = CallQueue("batch-launcher")
        self._janitor = CallQueue("batch-janitor")
        self._loop = EventLoop("batch-processes")
        self._loop.start()

    def start(self, works: Sequence[AttemptWork]) -> None:
        """See Executor."""
        for work in works:
            self._launcher.call(partial(self._launch, work))

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """See Executor. SIGTERM goes to the process group, SIGKILL to whatever belongs to the attempt."""
        # By way of the launcher, so that it does not overtake the start.
        self._launcher.call(lambda: self._loop.call(lambda: self._stop((job_id, attempt), grace_seconds)))

    def close(self) -> None:
        """See Executor. Attempts that are killed by this are reported as exited; none is started any more."""
        self._is_closing = True
        self._launcher.end()
        self._loop.call(self._close)
        self._loop.join()
        self._janitor.end()

    def _launch(self, work: AttemptWork) -> None:
        """On the launcher's thread."""
        if self._is_closing:
            return
        # A child of an array job has a colon in its id, which no member of a search path may hold.
        root = AttemptRoot(self._jobs_dir / work.job_id.replace(":", ".") / str(work.attempt))
        marker = attempt_marker(work.job_id, work.attempt, self._token)
        try:
            image = self._images.resolve(work.image)
            launch = prepare(root, image, work, python_bin=self._python_bin, marker={MARKER_VARIABLE: marker})
            attempt = _spawned(work, root, marker, launch)
        except ContainerError as error:
            self._reporter.report([StartFailed(work.job_id, work.attempt, error.reason)])
        else:
            self._loop.call(lambda: self._follow(attempt))

    def _follow(self, attempt: RunningAttempt) -> None:
        self._attempts[attempt.key] = self._by_pid[attempt.pid] = attempt
        self._orphans.reconsider()
        self._reporter.report([Started(*attempt.key)])
        assert attempt.output is not None
        self._loop.on_readable(attempt.output, lambda: self._read(attempt))
        self._await_exit(attempt)
        if not self._is_watching:
            self._is_watching = True
            self._loop.after(WATCH_SECONDS[0], self._watch)

    def _await_exit(self, attempt: RunningAttempt) -> None:
        try:
            attempt.pidfd = os.pidfd_open(attempt.pid)
        except (AttributeError, OSError):
            self._poll_exit(attempt)
        else:
            self._loop.on_readable(attempt.pidfd, lambda: self._first_process_ended(attempt))

    def _poll_exit(self, attempt: RunningAttempt) -> None:
        ended, status = _wait(attempt.pid)
        if ended:
            attempt.signal_group(signal.SIGKILL)
            self._settle(attempt, status)
        else:
            self._loop.after(EXIT_POLL_SECONDS, lambda: self._poll_exit(attempt))

    def _first_process_ended(self, attempt: RunningAttempt) -> None:
        assert attempt.pidfd is not None
        self._loop.close_descriptor(attempt.pidfd)
        # Before it is reaped, while no other process can have its number.
        attempt.signal_group(signal.SIGKILL)
        _, status = _wait(attempt.pid)
        self._settle(attempt, status)

    def _settle(self, attempt: RunningAttempt, status: int | None) -> None:
        """The first process is reaped: learn how it ended, then end the rest."""
        if status is None:
            attempt.exit_code = EXIT_CODE_LOST
            attempt.reason = "The exit status was lost: another part of the local cloud waited for this process"
        else:
            code = os.waitstatus_to_exitcode(status)
            attempt.exit_code = code if code >= 0 else 128 - code
            if -code != signal.SIGKILL:
                attempt.reason = None
        self._sweep(attempt, SWEEP_SECONDS[0])

    def _sweep(self, attempt: RunningAttempt, pause_seconds: float) -> None:
        """Kill what the first process left behind, until nothing is left."""
        self._orphans.look()
        if attempt.orphans:
            self._orphans.kill(attempt)
            longer = min(2 * pause_seconds, SWEEP_SECONDS[1])
            self._loop.after(pause_seconds, lambda: self._sweep(attempt, longer))
            return
        attempt.is_gone = True
        del self._by_pid[attempt.pid]
        if attempt.output is None:
            self._finish(attempt)
        else:
            self._read(attempt)
            self._loop.after(FOREIGN_PIPE_SECONDS, lambda: self._give_up_output(attempt))

    def _read(self, attempt: RunningAttempt) -> None:
        if attempt.output is None:
            return
        try:
            data = os.read(attempt.output, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._end_output(attempt)
            return
        attempt.capture.feed(data, _now_ms())
        attempt.unreported_bytes += len(data)
        if attempt.unreported_bytes >= REPORT_BYTES:
            self._report_lines(attempt)
        elif not attempt.is_report_due:
            attempt.is_report_due = True
            self._loop.after(REPORT_SECONDS, lambda: self._report_lines(attempt))

    def _report_lines(self, attempt: RunningAttempt) -> None:
        attempt.is_report_due = False
        attempt.unreported_bytes = 0
        lines = attempt.capture.take()
        if lines:
            self._reporter.report([Logged(*attempt.key, lines)])

    def _end_output(self, attempt: RunningAttempt) -> None:
        assert attempt.output is not None
        self._loop.close_descriptor(attempt.output)
        attempt.output = None
        if attempt.is_gone:
            self._finish(attempt)

    def _give_up_output(self, attempt: RunningAttempt) -> None:
        if attempt.output is not None:
            self._end_output(attempt)

    def _finish(self, attempt: RunningAttempt) -> None:
        assert attempt.exit_code is not None
        attempt.capture.end(_now_ms())
        self._report_lines(attempt)
        del self._attempts[attempt.key]
        self._reporter.report([Exited(*attempt.key, attempt.exit_code, attempt.reason)])
        if attempt.exit_code == 0:
            self._janitor.call(attempt.root.remove)
        self._end_when_closed()

    def _stop(self, key: tuple[str, int], grace_seconds: float) -> None:
        attempt = self._attempts.get(key)
        if attempt is not None and attempt.exit_code is None:
            attempt.signal_group(signal.SIGTERM)
            self._loop.after(grace_seconds, lambda: self._kill(attempt))

    def _kill(self, attempt: RunningAttempt) -> None:
        """SIGKILL to the group; what has left it becomes an orphan and is killed when the first process has ended."""
        if attempt.exit_code is None:
            attempt.signal_group(signal.SIGKILL)

    def _watch(self) -> None:
        """Look at memory and orphans, as long as there are attempts."""
        if not self._by_pid:
            self._is_watching = False
            return
        began = time.monotonic()
        self._orphans.look()
        above, largest_share = self._memory.sample()
        for attempt in above:
            if attempt.exit_code is None:
                attempt.reason = OUT_OF_MEMORY
                self._kill(attempt)
        pause_seconds = WATCH_SECONDS[0] if largest_share > 0.5 else WATCH_SECONDS[1]
        self._loop.after(max(pause_seconds, (time.monotonic() - began) / WATCH_SHARE), self._watch)

    def _close(self) -> None:
        self._is_closing = True
        for attempt in self._attempts.values():
            self._kill(attempt)
        self._end_when_closed()

    def _end_when_closed(self) -> None:
        if self._is_closing and not self._attempts:
            self._loop.end()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _wait(pid: int) -> tuple[bool, int | None]:
    """Whether the child has ended, and its wait status: None where somebody else has taken it."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True, None
    return ended != 0, status


def _spawned(work: AttemptWork, root: AttemptRoot, marker: str, launch: Launch) -> RunningAttempt:
    """Start the first process. Raises ContainerError; then nothing of the attempt is left."""
    try:
        output, inlet = os.pipe()
    except OSError as error:
        root.remove()
        raise CannotCreateContainerError(
            f"{error.strerror}; raise the limit (ulimit -n) or run less at a time"
        ) from error
    try:
        pid = spawn(launch.program, launch.argv, launch.environment, launch.directory, inlet)
    except (OSError, ValueError) as error:
        os.close(output)
        root.remove()
        number = error.errno if isinstance(error, OSError) else None
        fix = _SPAWN_FIXES.get(number or errno.EINVAL, "free the resource and try again")
        text = os.strerror(number).lower() if number else str(error)
        raise CannotStartContainerError(f'exec: "{launch.argv[0]}": {text}; {fix}') from error
    finally:
        os.close(inlet)
    os.set_blocking(output, False)
    return RunningAttempt(work, root, marker, pid, output)
