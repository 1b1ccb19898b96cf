"""Publications: carried from the dispatcher's thread to the loop, in order, without keeping either."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_batch.engine.jobs import Job
from local_batch.engine.resources import JobQueue
from local_batch.engine.states import JobStatus
from local_batch.executors.work import LogLine
from local_batch.host import publications
from local_batch.host.publications import Publications
from local_batch.host.seams import MiniStack
from local_batch.host.state_saver import StateSaver


class FakeTable(dict[str, Any]):
    """A store of MiniStack."""

    def has_any(self) -> bool:
        """Whether anybody has an entry."""
        return bool(self)


class FakeCloud:
    """Logs and events that remember what reached them; also the saver."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.entries: list[dict[str, Any]] = []
        self.sweeps = 0
        self.saved: list[str] = []
        self.events = SimpleNamespace(
            rules=FakeTable(), archives=FakeTable(), events_log=FakeTable(leak=1), put_events=self._put_events
        )
        self.groups: dict[str, Any] = {}
        self.logs = SimpleNamespace(
            log_groups=self.groups,
            create_log_group=self._create_log_group,
            create_log_stream=self._create_log_stream,
            append_log_events=lambda _, events: self.seen.extend(event["message"] for event in events),
            fanout_to_subscription_filters=lambda *_: None,
            fanout_to_live_tail_sessions=lambda *_: None,
        )

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Of the local cloud's account."""
        yield

    def schedule_sweep(self) -> None:
        """As of the saver."""
        self.sweeps += 1

    def save_service(self, service: str) -> None:
        """As of the saver."""
        self.saved.append(service)

    def _create_log_group(self, request: dict[str, Any]) -> None:
        self.groups[request["logGroupName"]] = {"streams": {}}

    def _create_log_stream(self, request: dict[str, Any]) -> None:
        self.groups[request["logGroupName"]]["streams"][request["logStreamName"]] = []

    def _put_events(self, request: dict[str, Any], *, allow_aws_source: bool) -> None:
        assert allow_aws_source
        (entry,) = request["Entries"]
        assert entry["Source"] == "aws.batch"
        self.entries.append(entry)
        self.seen.append(json.loads(entry["Detail"])["status"])


JOB = cast("Job", SimpleNamespace(arn="arn:job/1"))
QUEUE = cast("JobQueue", SimpleNamespace(arn="arn:job-queue/q"))


@pytest.fixture
def cloud() -> FakeCloud:
    """With nobody listening to events."""
    return FakeCloud()


@pytest.fixture
def published(cloud: FakeCloud) -> Publications:
    """Publications to the fake cloud; a job is rendered as its status."""
    return Publications(
        cast("MiniStack", cloud),
        cast("StateSaver", cloud),
        lambda _, status: {"status": str(status)},
        lambda _, queue: {"status": f"blocked in {queue.arn}"},
    )


def lines(*texts: str) -> list[LogLine]:
    """Lines of output."""
    return [LogLine(1, text) for text in texts]


def test_lines_and_states_keep_their_order(published: Publications, cloud: FakeCloud) -> None:
    """Across streams and kinds: an attempt's lines are there before its end is."""
    published.job_changed(JOB, JobStatus.RUNNING)
    published.log("/g", "s", lines("a", "b"))
    published.log("/g", "t", lines("c"))
    published.job_changed(JOB, JobStatus.SUCCEEDED)
    published.flush()
    assert cloud.seen == ["RUNNING", "a", "b", "c", "SUCCEEDED"]
    assert cloud.sweeps == 2


def test_submission_is_no_event(published: Publications, cloud: FakeCloud) -> None:
    """As on AWS."""
    published.job_changed(JOB, JobStatus.SUBMITTED)
    published.flush()
    assert cloud.seen == []


def test_state_changes_are_events_of_the_job(published: Publications, cloud: FakeCloud) -> None:
    """With its ARN as the one resource."""
    published.job_changed(JOB, JobStatus.RUNNING)
    published.flush()
    (entry,) = cloud.entries
    assert (entry["DetailType"], entry["Resources"]) == ("Batch Job State Change", ["arn:job/1"])


def test_blocked_queue_is_an_event_of_job_and_queue(published: Publications, cloud: FakeCloud) -> None:
    """Of a type of its own, with both as resources."""
    published.queue_blocked(JOB, QUEUE)
    published.flush()
    (entry,) = cloud.entries
    assert (entry["DetailType"], entry["Resources"]) == ("Batch Job Queue Blocked", ["arn:job/1", "arn:job-queue/q"])
    assert cloud.seen == ["blocked in arn:job-queue/q"]


@pytest.mark.parametrize("table", ["rules", "archives"])
def test_listening_is_known_without_asking_anybody(published: Publications, cloud: FakeCloud, table: str) -> None:
    """Rendering is most of the cost of an event: whoever makes them can ask first."""
    assert not published.is_listening
    getattr(cloud.events, table)["r"] = {}
    assert published.is_listening


def test_ministacks_own_list_of_events_does_not_grow(published: Publications, cloud: FakeCloud) -> None:
    """It is never read, and would hold every job's description for ever."""
    published.job_changed(JOB, JobStatus.RUNNING)
    published.flush()
    assert cloud.events.events_log == {}


def test_new_group_is_on_disk_at_once(published: Publications, cloud: FakeCloud) -> None:
    """Its streams and events are journalled, and the journal needs the group."""
    published.log("/g", "s", lines("a"))
    published.log("/g", "s", lines("b"))
    published.flush()
    assert cloud.saved == ["logs"]


def test_one_failure_keeps_nothing_else_back(
    published: Publications, cloud: FakeCloud, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the server's log."""
    cloud.events.put_events = None
    published.job_changed(JOB, JobStatus.RUNNING)
    published.log("/g", "s", lines("after"))
    published.flush()
    assert cloud.seen == ["after"]
    assert "a publication was lost" in caplog.text


def test_who_brings_lines_faster_than_they_are_carried_over_waits(
    published: Publications, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until there is room again, but not for ever."""
    monkeypatch.setattr(publications, "LINES_ON_THE_WAY", 2)
    published.log("/g", "s", lines("a", "b"))
    published.wait_for_room()
    published.log("/g", "s", lines("c"))
    monkeypatch.setattr(publications, "ROOM_SECONDS", 0.05)
    published.wait_for_room()
    assert cloud.seen == []

    monkeypatch.setattr(publications, "ROOM_SECONDS", 60)
    held_up = threading.Thread(target=published.wait_for_room)
    held_up.start()
    held_up.join(0.05)
    assert held_up.is_alive()
    published.flush()
    held_up.join(10)
    assert not held_up.is_alive()
    assert cloud.seen == ["a", "b", "c"]


def test_publications_of_another_thread_arrive_on_the_loop(published: Publications, cloud: FakeCloud) -> None:
    """Without anybody asking for them."""

    def publish() -> None:
        for number in range(500):
            published.log("/g", "s", lines(str(number)))

    async def main() -> None:
        published.start()
        thread = threading.Thread(target=publish)
        thread.start()
        until = time.monotonic() + 20
        while len(cloud.seen) < 500 and time.monotonic() < until:
            await asyncio.sleep(0.01)
        thread.join()

    asyncio.run(main())
    assert cloud.seen == [str(number) for number in range(500)]


def test_loop_has_time_for_requests_during_a_flood(
    published: Publications, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice is short however long the queue is."""
    monkeypatch.setattr(publications, "SLICE_SECONDS", 0.005)

    def append_slowly(*_: object) -> None:
        time.sleep(0.001)
        cloud.seen.append("x")

    cloud.logs.append_log_events = append_slowly
    for _ in range(100):
        published.log("/g", "s", lines("x"))

    async def main() -> int:
        published.start()
        turns = 0
        while len(cloud.seen) < 100:
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(main()) >= 10
