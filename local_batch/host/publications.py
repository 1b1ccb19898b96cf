"""What Batch tells the rest of the cloud: state changes to EventBridge, container output to CloudWatch Logs.

The dispatcher publishes from its own thread and must never wait; MiniStack's state belongs to the event loop. So
publications queue up and the loop carries them over in slices that leave it time for requests. A request to MiniStack
flushes the queue first: whoever learns that an attempt ended and then asks for its log finds all of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from local_batch.engine.jobs import Job
from local_batch.engine.states import JobStatus
from local_batch.executors.work import LogLine
from local_batch.host.seams import MiniStack
from local_batch.host.state_saver import StateSaver

SLICE_SECONDS: Final = 0.02
"""How long the loop publishes before it looks at requests again."""

DETAIL_TYPE: Final = "Batch Job State Change"
"""https://docs.aws.amazon.com/batch/latest/userguide/batch_cwe_events.html"""

_LOG = logging.getLogger(__name__)


class Publications:
    """The Publisher of the local cloud. `job_detail` renders a job as DescribeJobs does."""

    def __init__(
        self,
        ministack: MiniStack,
        saver: StateSaver,
        job_detail: Callable[[Job, JobStatus], dict[str, Any]],
        on_end: Callable[[str], None],
    ) -> None:
        """`on_end` is told the id of every job that ended."""
        self._ministack = ministack
        self._saver = saver
        self._job_detail = job_detail
        self._on_end = on_end
        self._queue: deque[Callable[[], None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_due = False

    def start(self) -> None:
        """Carry over to MiniStack from now on, on the running loop; what was published before waits until then."""
        self._loop = asyncio.get_running_loop()
        self._publish_slice()

    def stop(self) -> None:
        """Carry over what is left; nothing is carried over after that."""
        self.flush()
        self._loop = None

    def job_changed(self, job: Job, status: JobStatus) -> None:
        """See Publisher. There is no event for the submission itself, as on AWS."""
        if status.is_terminal:
            self._on_end(job.spec.job_id)
        if status is not JobStatus.SUBMITTED:
            self._put(lambda: self._send_event(job, status))

    def log(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """See Publisher."""
        if lines:
            self._put(lambda: self._append_lines(group, stream, lines))

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
            loop.call_soon_threadsafe(self._publish_slice)

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

    def _send_event(self, job: Job, status: JobStatus) -> None:
        events = self._ministack.events
        # Rendering a job costs more than all else here, and nearly always nobody listens.
        if not events.rules.has_any() and not events.archives.has_any():
            return
        detail = json.dumps(self._job_detail(job, status))
        entry = {"Source": "aws.batch", "DetailType": DETAIL_TYPE, "Resources": [job.spec.arn], "Detail": detail}
        events.put_events({"Entries": [entry]}, allow_aws_source=True)
        # MiniStack keeps every event for ever and never reads them.
        events.events_log.clear()
        self._saver.schedule_sweep()

    def _append_lines(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        logs = self._ministack.logs
        if group not in logs.log_groups:
            logs.create_log_group({"logGroupName": group})
            self._saver.save_service("logs")
        streams = logs.log_groups[group]["streams"]
        if stream not in streams:
            logs.create_log_stream({"logGroupName": group, "logStreamName": stream})
        now_ms = int(time.time() * 1000)
        events = [{"timestamp": line.timestamp_ms, "message": line.text, "ingestionTime": now_ms} for line in lines]
        logs.append_log_events(streams[stream], events)
        logs.fanout_to_subscription_filters(group, stream, events)
        logs.fanout_to_live_tail_sessions(group, stream, events)
