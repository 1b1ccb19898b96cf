"""A real runner and a real local cloud, and between them a connection on which nothing can be relied."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import Shell
from tests.e2e.faulty_proxy import FaultyProxy
from tests.e2e.test_graphs import HEAD, jobs_of

GRAPH = (
    "  map: {foreach: {i: {from: 1, to: 12}}, command: [--seconds, 0, '--exit-code', 0]}\n"
    "  next: {foreach: {i: {from: 1, to: 12}}, needs: ['map-${i}'], command: [--seconds, 0]}\n"
    + "".join(f"  t{i}: {{needs: [map], timeout_seconds: {60 + i}, command: [--seconds, 0]}}\n" for i in range(12))
    + "  last: {needs: [next, t1, t2, t3], command: [--seconds, 0]}\n"
)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_third_of_all_calls_fail_and_every_job_is_made_once(shell: Shell, tmp_path: Path, seed: int) -> None:
    """Throttled, broken before and after the service acted, connections cut before and after: exit code 0."""
    state = json.loads((shell.home / "local" / "endpoint.json").read_text())
    rates = {"submitjob": 0.35, "describejobs": 0.2, "listjobs": 0.2}
    with FaultyProxy(state["endpoint"], rates, seed) as proxy:
        (tmp_path / "endpoint.json").write_text(json.dumps({**state, "endpoint": proxy.url}))
        behind = Shell(shell.home, {"HPC_LOCAL_STATE": str(tmp_path)})
        run = behind.json("run", shell.workflow(HEAD + GRAPH), "--local")
    assert run["counts"] == {"SUCCEEDED": 37}
    assert proxy.faults.total() > 0
    made = Counter(job["job_name"] for job in jobs_of(shell, run["run"]))
    assert set(made.values()) == {1}
    plan = shell.json("run", shell.workflow(HEAD + GRAPH), "--local", "--dry-run")
    assert len(made) == plan["calls"]["SubmitJob"]
