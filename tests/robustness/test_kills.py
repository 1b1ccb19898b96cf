"""kill -9 of the server at any moment: nothing accepted is lost, nothing finished runs again, all comes to an end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.robustness.crashing_server import MOMENTS
from tests.robustness.mortal_cloud import MortalCloud
from tests.robustness.scenario import ATTEMPTS, ENDED, HOST_LOST, Scenario

WRITES = range(1, 37)
"""The scenario writes its journal a few times more than this; how often exactly depends on what ends together."""


def _cases() -> Sequence[object]:
    """Every write, its moments in turn; the two other moments of each, and every second write, only with --slow."""
    cases = []
    for write in WRITES:
        for moment in MOMENTS:
            is_quick = write % 2 == 1 and moment == MOMENTS[write // 2 % 3]
            cases.append(pytest.param(write, moment, marks=[] if is_quick else [pytest.mark.slow]))
    return cases


@pytest.mark.parametrize(("write", "moment"), _cases())
def test_a_kill_at_any_write_loses_and_repeats_nothing(write: int, moment: str, tmp_path: Path) -> None:
    """Before the write, in the midst of it, and after it but before the answer."""
    evidence = tmp_path / "evidence"
    evidence.touch()
    cloud = MortalCloud(tmp_path / "state")
    scenario = Scenario(cloud, evidence)
    try:
        cloud.start_to_die(write, moment)
        scenario.play()
        details = scenario.details()
    finally:
        cloud.close()
    assert cloud.deaths == 1
    lines = scenario.lines()
    # No attempt ran twice.
    assert max(lines.values()) == 1
    for job_id, job in details.items():
        assert job["status"] in ENDED
        numbers = {int(line.split()[1]) for line in lines if line.startswith(f"{job_id} ")}
        # A node's attempts are numbered as its job's are, and it may have missed the first.
        of_whole = details[job_id.partition("#")[0]]
        assert numbers <= set(range(1, len(of_whole["attempts"]) + 1))
        lost = [attempt for attempt in job["attempts"] if attempt["statusReason"].startswith(HOST_LOST)]
        assert len(lost) <= 1
    for name in ("first", "second", "reduce", "nodes"):
        _succeeded(details[scenario.ids[name]])
    for index in range(3):
        _succeeded(details[f"{scenario.ids['array']}:{index}"])
    for job_id in _ran_to_the_end(scenario):
        attempts = len(details[job_id.partition("#")[0]]["attempts"])
        assert lines[f"{job_id} {attempts} end"] == 1
    assert details[scenario.ids["never"]]["status"] == "FAILED"
    assert details[scenario.ids["endless"]]["status"] == "FAILED"
    assert details[scenario.ids["failing"]]["status"] == "FAILED"
    assert len(details[scenario.ids["failing"]]["attempts"]) == 1
    assert details[scenario.ids["first"]]["tags"] == {"run": "1"}
    assert not _still_running(evidence)


def _succeeded(job: dict[str, object]) -> None:
    attempts = job["attempts"]
    assert isinstance(attempts, list)
    assert job["status"] == "SUCCEEDED", job
    assert 1 <= len(attempts) < ATTEMPTS


def _ran_to_the_end(scenario: Scenario) -> list[str]:
    names = [scenario.ids[name] for name in ("first", "second", "reduce")]
    return [*names, *(f"{scenario.ids['array']}:{index}" for index in range(3)), f"{scenario.ids['nodes']}#0"]


def _still_running(evidence: Path) -> list[str]:
    """Command lines of processes that are about this evidence."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes()
        except OSError:
            continue
        if os.fsencode(evidence) in command:
            found.append(command.decode(errors="replace"))
    return found
