"""A plan as people see it before it is sent."""

from __future__ import annotations

import re
from pathlib import Path

from tests.runner.shell import Shell

CHECKOUT = Path(__file__).resolve().parents[2]
SWEEP = str(CHECKOUT / "examples" / "sweep.yaml")


def test_the_plan_of_the_sweep_is_what_the_page_shows(shell: Shell) -> None:
    """docs/runs.md holds what the command prints."""
    printed = shell("run", SWEEP, "--dry-run").stdout.rstrip()
    page = (CHECKOUT / "docs" / "runs.md").read_text()
    shown = page.partition("$ hpc run examples/sweep.yaml --dry-run\n")[2].partition("\n```")[0]
    # How well names of runs compress differs.
    assert re.sub(r"[0-9,]+ bytes", "N bytes", printed) == re.sub(r"[0-9,]+ bytes", "N bytes", shown)


def test_the_document_of_a_plan_tells_calls_and_requests(shell: Shell) -> None:
    """What CI compares: numbers, and every request as it would be sent."""
    plan = shell.document("run", SWEEP, "--dry-run")
    assert (plan["tasks"], plan["arrays"], plan["barriers"], plan["saved"]) == (20_001, 2, 0, 19_998)
    assert plan["calls"] == {"SubmitJob": 3, "DescribeJobs_per_look": 1, "PutObject": 2}
    assert plan["requests"][1]["dependsOn"] == [
        {"jobId": f"<id of {plan['requests'][0]['jobName']}>", "type": "N_TO_N"}
    ]
    assert shell.clients.batch.jobs == {}


def test_it_is_explained_where_a_task_went_and_why(shell: Shell) -> None:
    """An array's child, a job of its own, one behind a barrier; a name that is none."""
    said = shell("run", SWEEP, "--explain", "check-17").stdout
    assert "check-17 is child 16 of the array" in said
    assert "10,000 children, request 2 of 3: child by child after an array of the same size" in said
    assert "waits for simulate-17, child 16 of" in said
    assert "merge is a job of its own, request 3 of 3" in shell("run", SWEEP, "--explain", "merge").stdout
    refused = shell("run", SWEEP, "--explain", "nothing", code=2).stderr
    assert "--explain: names a task of the workflow, got 'nothing'; use one of: " in refused


def test_without_arrays_every_task_is_a_job(shell: Shell, tmp_path: Path) -> None:
    """For images or people that do not like them."""
    (tmp_path / "few.yaml").write_text(Path(SWEEP).read_text().replace("10000", "3"))
    assert shell.document("run", "few.yaml", "--dry-run", "--no-arrays")["calls"]["SubmitJob"] == 7
    shell("run", "few.yaml", "--no-arrays")
    assert shell.clients.batch.calls.count("SubmitJob") == 7
