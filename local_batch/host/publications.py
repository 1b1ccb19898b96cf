"""What Batch tells the rest of the cloud: state changes to EventBridge, container output to CloudWatch Logs.

The dispatcher publishes under its lock and must not wait; MiniStack's state belongs to the event loop. So
publications queue up and the loop carries them over in slices that leave it time for requests. A request to MiniStack
flushes the queue first: whoever learns that an attempt ended and then asks for its log finds all of it. Who brings
lines faster than they are carried over is held up when it has let go of the lock.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from local_batch.engine.jobs import Job
from local_batch.engine.resources import JobQueue
from local_batch.engine.states import JobStatus
from local_batch.executors.work import LogLine
from local_batch.host.log_append import append
from local_batch.host.seams import MiniStack
from local_batch.host.state_saver import StateSaver

SLICE_SECONDS: Final = 0.02
"""How long the loop publishes before it looks at requests again."""

GATHER_SECONDS: Final = 0.01
"""How long a publication may wait for others to be carried over with it.

Thousands come in a second: waking the loop for each would cost more than all else about them.
"""

LINES_ON_THE_WAY: Final = 200_000
"""So many may wait to be carried over, some tens of MB: a second's work."""

ROOM_SECONDS: Final = 1.0
"""How long somebody is held up at most: not for ever, since the loop may be waiting for just that thread."""

STATE_CHANGE: Final = "Batch Job State Change"
"""https://docs.aws.amazon.com/batch/latest/userguide/batch_cwe_events.html"""

QUEUE_BLOCKED: Final = "Batch Job Queue Blocked"
"""https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html"""

_LOG = logging.getLogger(__name__)


class Publications:
    """The Publisher of the local cloud. The renderers make the details of events."""

    def __init__(
        self,
        ministack: MiniStack,
        saver: StateSaver,
        job_event: Callable[[Job, JobStatus], dict[str, Any]],
        blocked_event: Callable[[Job, JobQueue], dict[str, Any]],
    ) -> None:
        self._ministack = ministack
        self._saver = saver
        self._job_event = job_event
        self._blocked_event = blocked_event
        self._queue: deque[Callable[[], None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_due = False
        self._lines = 0
        self._room = threading.Condition()

    def start(self) -> None:
        """Carry over to MiniStack from now on, on the running loop; what was published before waits until then."""
        self._loop = asyncio.get_running_loop()
        self._publish_slice()

    def stop(self) -> None:
        """Carry over what is left; nothing is carried over after that."""
        self.flush()
        self._loop = None

    @property
    def is_listening(self) -> bool:
        """See Publisher: rendering a job costs more than all else about an event, and nearly always nobody listens."""
        events = self._ministack.events
        return bool(events.rules.has_any() or events.archives.has_any())

    def job_changed(self, job: Job, status: JobStatus) -> None:
        """See Publisher. There is no event for the submission itself, as on AWS."""
        if status is not JobStatus.SUBMITTED:
            self._put(lambda: self._send(STATE_CHANGE, [job.arn], self._job_event(job, status)))

    def queue_blocked(self, job: Job, queue: JobQueue) -> None:
        """See Publisher."""
        self._put(lambda: self._send(QUEUE_BLOCKED, [job.arn, queue.arn], self._blocked_event(job, queue)))

    def log(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """See Publisher."""
        if lines:
            with self._room:
                self._lines += len(lines)
            self._put(lambda: self._carry_lines(group, stream, lines))

    def wait_for_room(self) -> None:
        """See Publisher."""
        with self._room:
            self._room.wait_for(lambda: self._lines <= LINES_ON_THE_WAY, ROOM_SECONDS)

    def flush(self) -> None:
        """Carry over everything now; loop thread only."""
        if self._queue:
            with self._ministack.scope():
                while self._queue:
                    self._publish_one()

    def _put(self, publication: Callable[[], None]) -> None:
        self._queue.append(publication)
        loop = self._loop
        if loop is not None and not self._is_due:
            self._is_due = True
            loop.call_soon_threadsafe(loop.call_later, GATHER_SECONDS, self._publish_slice)

    def _publish_slice(self) -> None:
        # Cleared before the queue is read: a publication that comes meanwhile asks for another slice.
        self._is_due = False
        until = time.monotonic() + SLICE_SECONDS
        with self._ministack.scope():
            while self._queue and time.monotonic() < until:
                self._publish_one()
        if self._queue and self._loop is not None:
            self._is_due = True
            self._loop.call_soon(self._publish_slice)

    def _publish_one(self) -> None:
        publication = self._queue.popleft()
        try:
            publication()
        except Exception:  # noqa: BLE001 - one job's trouble must not keep back the others' publications
            _LOG.exception("a publication was lost")

    def _send(self, detail_type: str, resources: list[str], detail: dict[str, Any]) -> None:
        entry = {
            "Source": "aws.batch",
            "DetailType": detail_type,
            "Resources": resources,
            "Detail": json.dumps(detail),
        }
        events = self._ministack.events
        events.put_events({"Entries": [entry]}, allow_aws_source=True)
        # MiniStack keeps every event for ever and never reads them.
        events.events_log.clear()
        self._saver.schedule_sweep()

    def _carry_lines(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        try:
            self._append_lines(group, stream, lines)
        finally:
            with self._room:
                self._lines -= len(lines)
                self._room.notify_all()

    def _append_lines(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        logs = self._ministack.logs
        if group not in logs.log_groups:
            logs.create_log_group({"logGroupName": group})
            self._saver.save_service("logs")
        append(logs, group, stream, ((line.timestamp_ms, line.text) for line in lines))
