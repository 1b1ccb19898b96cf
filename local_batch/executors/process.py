"""The process executor: containers as process groups of this machine, started by a process agent (process_agent.py).

Not honoured, and documented so: vCPUs are not enforced, the image's USER is not switched to.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from local_batch.executors.agent_process import AgentProcess
from local_batch.executors.call_queue import CallQueue
from local_batch.executors.channel import encoded
from local_batch.executors.errors import CannotCreateContainerError, ContainerError
from local_batch.executors.host_programs import HostPrograms
from local_batch.executors.image import Image
from local_batch.executors.image_store import ImageStore
from local_batch.executors.leftovers import end_leftovers
from local_batch.executors.work import AttemptWork, Report, Reporter, StartFailed

_AGENT_SECONDS = 1.0
"""An agent that ends sooner is not replaced sooner: it may be that none can run here."""

_LOG = logging.getLogger(__name__)


class ProcessExecutor:
    """Implements executors.work.Executor with processes of the user it runs as."""

    def __init__(
        self, *, images: ImageStore, jobs_dir: Path, reporter: Reporter, programs: HostPrograms | None = None
    ) -> None:
        """Attempts run below `jobs_dir`; what `<job id>/<attempt>/` there leads to is kept unless the exit code is 0.

        Jobs find `programs`: by default those beside this process's `python`, and that with its packages.
        """
        self._images = images
        self._jobs_dir = jobs_dir.resolve()
        self._jobs_dir.mkdir(parents=True, exist_ok=True)
        self._reporter = reporter
        programs = programs or HostPrograms(str(Path(sys.executable).parent))
        self._new_agent = partial(AgentProcess, self._jobs_dir, programs)
        self._known: dict[str, Image] = {}
        self._lock = threading.Lock()
        self._agent = self._new_agent()
        self._in_line = 0
        """Calls that the launcher has yet to make. While there are any, all go through it, to stay in order."""
        self._closing = threading.Event()
        self._launcher = CallQueue("batch-launcher")
        self._listener = threading.Thread(target=self._listen, name="batch-processes", daemon=True)
        self._listener.start()

    def start(self, works: Sequence[AttemptWork]) -> None:
        """See Executor."""
        with self._lock:
            if self._closing.is_set():
                return
            known = [(work, self._known[work.image]) for work in works if work.image in self._known]
            if self._in_line or len(known) < len(works):
                self._queue(partial(self._start_slowly, works))
                return
            agent = self._agent
            data = agent.starting(known)
            # Where it is gone, the listener finds out, and reports what was sent.
            with suppress(OSError):
                if rest := agent.channel.send_now(data):
                    self._queue(partial(_send, agent, rest))

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """See Executor. SIGTERM goes to the process group, SIGKILL to whatever belongs to the attempt."""
        with self._lock:
            if not self._closing.is_set():
                self._queue(lambda: _send(self._agent, encoded(("stop", job_id, attempt, grace_seconds))))

    def close(self) -> None:
        """See Executor. Attempts that are killed by this are reported as exited; none is started any more."""
        with self._lock:
            is_first = not self._closing.is_set()
            self._closing.set()
        if is_first:
            self._launcher.end()
            _send(self._agent, encoded(("close",)))
        self._listener.join()

    def _queue(self, call: Callable[[], None]) -> None:
        """Let the launcher make the call; under the lock."""
        self._in_line += 1
        self._launcher.call(partial(self._make, call))

    def _make(self, call: Callable[[], None]) -> None:
        try:
            call()
        finally:
            with self._lock:
                self._in_line -= 1

    def _start_slowly(self, works: Sequence[AttemptWork]) -> None:
        """On the launcher's thread: images may have to be read, the agent may be slow to take more."""
        resolved: list[tuple[AttemptWork, Image]] = []
        failures: list[Report] = []
        for work in works:
            if self._closing.is_set():
                return
            try:
                image = self._images.resolve(work.image)
            except ContainerError as error:
                failures.append(StartFailed(work.job_id, work.attempt, error.reason))
            except Exception as error:  # noqa: BLE001 - a thread's top: an attempt is answered, whatever its image does
                _LOG.exception("%s: an image could not be read", work.image)
                reason = CannotCreateContainerError(f"{work.image}: it could not be read: {error!r}; correct it").reason
                failures.append(StartFailed(work.job_id, work.attempt, reason))
            else:
                self._known[work.image] = image
                resolved.append((work, image))
        with self._lock:
            agent = self._agent
            data = agent.starting(resolved)
        _send(agent, data)
        self._report(failures)

    def _listen(self) -> None:
        while True:
            agent = self._agent
            try:
                while (reports := agent.receive()) is not None:
                    self._report(reports)
            except Exception:  # noqa: BLE001 - a thread's top: an agent that cannot be understood is replaced
                _LOG.exception("the process that runs jobs is not understood")
            exit_code, seconds = agent.end()
            if self._closing.is_set() and exit_code == 0:
                return
            why = f"the process that runs jobs ended with {exit_code}"
            _LOG.error("%s; what it ran is ended, and another takes its place", why)
            is_replaced = self._replace_agent(seconds)
            self._report(agent.lost(why))
            if not is_replaced:
                return

    def _report(self, reports: Sequence[Report]) -> None:
        if reports:
            try:
                self._reporter.report(reports)
            except Exception:  # noqa: BLE001 - a thread's top: one report's trouble must not lose the others
                _LOG.exception("a report failed")

    def _replace_agent(self, seconds: float) -> bool:
        """End what the old one left, which had run for `seconds`, and start another; False where this executor ends."""
        while True:
            if seconds < _AGENT_SECONDS:
                self._closing.wait(_AGENT_SECONDS)
            try:
                end_leftovers(self._jobs_dir)
                if self._closing.is_set():
                    return False
                agent = self._new_agent()
            except Exception:  # noqa: BLE001 - a thread's top: without an agent nothing would run any more
                _LOG.exception("no process that runs jobs could be started; trying again")
                if self._closing.is_set():
                    return False
                seconds = 0.0
            else:
                with self._lock:
                    if not self._closing.is_set():
                        self._agent = agent
                        return True
                agent.end()
                return False


def _send(agent: AgentProcess, data: bytes) -> None:
    # Where it is gone, the listener finds out, and reports what was sent.
    with suppress(OSError):
        agent.channel.send(data)
