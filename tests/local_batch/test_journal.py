"""The journal under a dispatcher: what is on disk when a change is answered, and when it could not be."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from local_batch.dispatcher import JournalBrokenError
from local_batch.engine import events
from local_batch.engine.states import JobStatus
from local_batch.journal import Journal, JournalError
from tests.local_batch.engine.cloud import job_spec, records
from tests.local_batch.world import World, world


def test_a_disk_that_takes_no_change_ends_all_changes_until_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not answered for is not known after the restart; until then every change is refused, reading is not."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()
        before.submit(job_spec("a"))
        with monkeypatch.context() as full:
            full.setattr(before.dispatcher._journal, "append", _full_disk)
            with pytest.raises(JournalBrokenError, match="No space left on device; free space and restart"):
                before.submit(job_spec("b"))
        with pytest.raises(JournalBrokenError, match="an earlier change could not be written"):
            before.submit(job_spec("c"))
        assert before.status("a") is JobStatus.STARTING
        assert [work.job_id for work in before.executor.started] == ["a"]
    with world(path) as after:
        assert list(after.dispatcher.engine.jobs) == ["a"]


def test_a_change_that_the_disk_takes_half_of_is_dropped_at_the_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was answered before it is all there, and the journal goes on where the last whole line ends."""
    path = tmp_path / "journal.jsonl"
    write = os.write
    with world(path) as before:
        before.deploy()
        before.submit(job_spec("a", array_size=2))
        before.run("a:0")
        was = records(before.dispatcher.engine)
        with monkeypatch.context() as full:
            full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:-20]))
            with pytest.raises(JournalBrokenError, match=r"wrote \d+ of \d+ bytes"):
                before.submit(job_spec("b"))
    after = World(path, is_attached=False)
    assert records(after.dispatcher.engine) == was
    after.dispatcher.attach(after.executor)
    after.submit(job_spec("c"))
    after.dispatcher.close()
    assert [event.kind for _, event in Journal(path).replay()][-1] == "job_submitted"


def test_a_line_cut_short_by_a_kill_is_dropped_and_writing_goes_on(tmp_path: Path) -> None:
    """Half an event was never answered; the next event starts on a line of its own."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()
        before.submit(job_spec("a"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'[1,{"kind":"job_sub')
    with world(path) as after:
        assert list(after.dispatcher.engine.jobs) == ["a"]
    assert path.read_bytes().startswith(whole)
    assert b'{"kind":"job_sub[' not in path.read_bytes()
    assert [event.kind for _, event in Journal(path).replay()][-1] == "container_exited"


def test_a_journal_of_another_make_is_refused_with_file_and_line(tmp_path: Path) -> None:
    """One clear error instead of a half-built state."""
    path = tmp_path / "journal.jsonl"
    path.write_text('[1,{"kind":"from_the_future"}]\n')
    with pytest.raises(JournalError, match=r"journal\.jsonl:1: a line of the journal is an event that this version"):
        list(Journal(path).replay())


def test_requests_from_many_threads_are_all_journalled(tmp_path: Path) -> None:
    """Eight threads submit; every job is there after a restart."""
    path = tmp_path / "journal.jsonl"
    with world(path) as before:
        before.deploy()

        def submit_some(thread: int) -> None:
            for number in range(25):
                before.submit(job_spec(f"{thread}-{number}"))

        threads = [threading.Thread(target=submit_some, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with world(path) as after:
        assert len(after.dispatcher.engine.jobs) == 200


def _full_disk(now_ms: int, happened: Sequence[events.Event]) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
