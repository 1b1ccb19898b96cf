"""What Spot took away too often goes on elsewhere, and what waited for it after it."""

from __future__ import annotations

from pathlib import Path

from tests.runner.fake_batch import arn
from tests.runner.shell import Shell

SPOT = """\
name: w
defaults: {job_definition: dopi, queue: normal}
tasks:
  a:
    foreach: {i: {from: 1, to: 4}}
    command: ["${i}"]
    fallback: {queue: high, after: 1}
  b: {needs: [a]}
  c: {queue: high}
"""


def test_tasks_lost_to_reclaims_go_on_on_the_other_queue(shell: Shell, tmp_path: Path) -> None:
    """Two of four children, and the task that waits for all of them; what ran is not run again."""
    (tmp_path / "w.yaml").write_text(SPOT)
    batch = shell.clients.batch
    batch.exit_codes = {"-a:2": [1], "-a:3": [1]}
    batch.reclaimed = lambda detail: detail["jobQueue"] == arn("job-queue", "normal-queue")
    done = shell("run", "w.yaml")
    made = [job.detail for job_id, job in batch.jobs.items() if ":" not in job_id]
    assert [(detail["jobName"].rpartition("-")[2], detail["jobQueue"].rpartition("/")[2]) for detail in made] == [
        ("a", "normal-queue"),
        ("c", "high-queue"),
        ("b", "normal-queue"),
        ("a", "high-queue"),
        ("b", "normal-queue"),
    ]
    assert made[3]["arrayProperties"]["size"] == 2
    assert "2 tasks lost to reclaims of Spot capacity, submitted again on high-queue, with 1 task that" in done.stderr
    assert "lost to reclaims" in done.stdout


def test_the_programs_own_failure_is_left_where_it_is(shell: Shell, tmp_path: Path) -> None:
    """It would only fail again, and cost more."""
    (tmp_path / "w.yaml").write_text(SPOT)
    shell.clients.batch.exit_codes = {"-a:2": [1]}
    shell("run", "w.yaml", code=1)
    assert shell.clients.batch.calls.count("SubmitJob") == 3
