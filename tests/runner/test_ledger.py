"""The ledger: written before, read by anyone, whole after any crash."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from runner.errors import HpcError, InputError
from runner.ledger import FILE_NAME, Ledger, find, newest_first
from runner.target import Target
from tests.runner.planned import RUN_ID, planned
from tests.runner.submitted import record


def test_what_was_written_is_read_by_another_process(tmp_path: Path) -> None:
    """Plan, intents, ids and ends, of children too."""
    plan = planned(
        {"a": {"foreach": {"i": [1, 2, 3]}, "command": ["${i}"]}, "b": {"needs": ["a"], "command": ["${task}"]}}
    )
    made = record(plan, Target(region="eu-central-1", profile="p"))
    ledger = Ledger.create(tmp_path, made)
    ledger.begin([0], 1.0)
    ledger.submitted({0: "id-a"}, 2.0)
    ledger.begin([1], 3.0)
    ledger.child_ended(0, 2, {"jobId": "id-a:2", "status": "FAILED"})
    ledger.ended(0, {"jobId": "id-a", "status": "FAILED"})
    read = Ledger(tmp_path / "runs" / RUN_ID / FILE_NAME).read()
    assert (read.run_id, read.target, read.submissions) == (RUN_ID, made.target, (0,))
    assert [
        dataclasses.replace(request, tasks=list(request.tasks), content=list(request.content))
        for request in read.requests
    ] == list(made.requests)
    assert (read.job_ids, read.submitted_at) == ({0: "id-a"}, {0: 2.0})
    assert read.attempted == {0: 1.0, 1: 3.0}
    assert read.ended == {0: {"jobId": "id-a", "status": "FAILED"}}
    assert read.ended_children == {0: {2: {"jobId": "id-a:2", "status": "FAILED"}}}
    assert read.positions["a-3"] == (0, 2)


def test_a_reader_that_stays_sees_what_is_added(tmp_path: Path) -> None:
    """Another process goes on with the run: its lines, and the requests of a later submission."""
    plan = planned({"a": {}})
    mine = Ledger.create(tmp_path, record(plan))
    assert mine.read().job_ids == {}
    other = Ledger(mine.path)
    other.submitted({0: "x"}, 1.0)
    other.cancelled(2.0)
    assert (mine.read().job_ids, mine.read().cancelled_at) == ({0: "x"}, 2.0)
    other.add(plan.plan.requests)
    assert (len(mine.read().requests), mine.read().submissions, mine.read().cancelled_at) == (2, (0, 1), None)
    assert mine.read().positions["a"] == (1, None)


def test_a_ledger_cut_at_any_byte_still_says_what_was_completely_written(tmp_path: Path) -> None:
    """As after a crash in the middle of a write; and it can be continued."""
    ledger = Ledger.create(tmp_path, record(planned({"a": {}})))
    head_bytes = ledger.path.stat().st_size
    ledger.begin([0], 1.0)
    ledger.submitted({0: "id-a"}, 2.0)
    whole = ledger.path.read_bytes()
    for cut in range(head_bytes, len(whole)):
        ledger.path.write_bytes(whole[:cut])
        successor = Ledger(ledger.path)
        assert successor.read().job_ids == {}
        successor.submitted({0: "id-again"}, 3.0)
        assert successor.read().job_ids == {0: "id-again"}
        assert all(json.loads(line) for line in ledger.path.read_text().splitlines())


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """Another file, another version, a broken line in the middle, a plan that is not the one that was written."""
    path = tmp_path / "runs" / "r" / FILE_NAME
    path.parent.mkdir(parents=True)
    for text in ('{"event":"begin","requests":[0]}\n', '{"event":"run","version":99}\n'):
        path.write_text(text)
        with pytest.raises(InputError, match="is a run's ledger of this version, got another file"):
            Ledger(path).read()
    ledger = Ledger.create(tmp_path, record(planned({"a": {}})))
    whole = ledger.path.read_text()
    ledger.path.write_text(f"{whole}garbage\n{{}}\n")
    with pytest.raises(InputError, match=f"{FILE_NAME}: byte {len(whole)}: is a line of JSON"):
        Ledger(ledger.path).read()
    ledger.path.write_text(whole)
    plan = ledger.folder / "plan-1.jsonl.gz"
    plan.write_bytes(plan.read_bytes()[:-1])
    with pytest.raises(InputError, match="is the plan that the run's ledger names by its hash, got another file"):
        Ledger(ledger.path).read()
    plan.unlink()
    with pytest.raises(InputError, match="holds what the run submits, got No such file"):
        Ledger(ledger.path).read()


def test_a_home_that_cannot_be_written_is_an_error_before_anything_is_submitted(tmp_path: Path) -> None:
    """Without a ledger a run could be lost."""
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(HpcError, match="the run's ledger is written before anything is submitted"):
        Ledger.create(tmp_path, record(planned({"a": {}})))


def test_a_run_is_found_by_id_beginning_or_as_the_newest(tmp_path: Path) -> None:
    """Ambiguous beginnings are refused with the candidates."""
    plan = planned({"a": {}})
    for run_id, created_at, local in (("w-1", 10.0, True), ("w-10", 30.0, False), ("v-2", 20.0, True)):
        made = record(plan, Target(local=local), created_at)
        Ledger.create(tmp_path, dataclasses.replace(made, run_id=run_id))

    def found(wanted: str | None, *, local_only: bool = False) -> str:
        return find(tmp_path, wanted, local_only=local_only).path.parent.name

    (tmp_path / "runs" / "old").mkdir()
    (tmp_path / "runs" / "old" / FILE_NAME).write_text('{"event":"run","version":1}\n')
    with pytest.raises(InputError, match="is a run's ledger of this version"):
        find(tmp_path, "old")
    assert [entry.run_id for entry, _ in newest_first(tmp_path)] == ["w-10", "v-2", "w-1"]
    assert found(None) == "w-10"
    assert found(None, local_only=True) == "v-2"
    assert found("w-1") == "w-1"
    assert found("v") == "v-2"
    with pytest.raises(InputError, match=r"got 'w'; there are: w-10, w-1"):
        found("w")
    with pytest.raises(InputError, match="got 'zzz'"):
        found("zzz")
    with pytest.raises(InputError, match="holds the runs of this directory, got none"):
        find(tmp_path / "other", None)
