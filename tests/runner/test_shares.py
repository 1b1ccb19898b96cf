"""Queues that share fairly: each job there names the group that it counts for, and no other job does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.runner.fake_batch import arn
from tests.runner.shell import Shell

MIXED = """\
name: w
defaults: {job_definition: dopi, queue: normal}
tasks:
  a:
    foreach: {i: {from: 1, to: 4}}
    command: ["${i}"]
  b: {needs: [a], queue: high}
"""
POLICY = "arn:aws:batch:us-east-1:111122223333:scheduling-policy/fair"


@pytest.fixture
def requests(shell: Shell, tmp_path: Path) -> list[Mapping[str, Any]]:
    """What is submitted from now on, where queue `normal` shares fairly; the workflow is there."""
    (tmp_path / "w.yaml").write_text(MIXED)
    seen: list[Mapping[str, Any]] = []
    shell.clients.batch.queues["normal"]["schedulingPolicyArn"] = POLICY
    shell.clients.batch.before_submit = seen.append
    return seen


def of_queue(requests: list[Mapping[str, Any]], queue: str) -> Mapping[str, Any]:
    """The one request there."""
    (found,) = [request for request in requests if request["jobQueue"] == arn("job-queue", f"{queue}-queue")]
    return found


def test_a_job_counts_for_the_group_where_the_queue_shares_fairly(
    shell: Shell, requests: list[Mapping[str, Any]]
) -> None:
    """Batch wants a priority within the group, too; on another queue it would refuse both."""
    shell("run", "w.yaml", "--share", "optics")
    fair, other = of_queue(requests, "normal"), of_queue(requests, "high")
    assert (fair["shareIdentifier"], fair["schedulingPriorityOverride"]) == ("optics", 0)
    assert {"shareIdentifier", "schedulingPriorityOverride"}.isdisjoint(other)


def test_the_environment_names_the_group_of_all_that_one_submits(
    shell: Shell, requests: list[Mapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option comes before it; where no queue asks, nothing is said of it."""
    monkeypatch.setenv("HPC_SHARE", "plasma")
    shell("run", "w.yaml", "--detach")
    assert of_queue(requests, "normal")["shareIdentifier"] == "plasma"
    requests.clear()
    shell("run", "w.yaml", "--detach", "--share", "optics")
    assert of_queue(requests, "normal")["shareIdentifier"] == "optics"
    del shell.clients.batch.queues["normal"]["schedulingPolicyArn"]
    requests.clear()
    assert "--share" not in shell("run", "w.yaml", "--detach").stderr
    assert not any("shareIdentifier" in request for request in requests)


def test_a_definition_with_a_priority_keeps_it(shell: Shell, requests: list[Mapping[str, Any]]) -> None:
    """It is the owner's word on how its jobs stand in their group."""
    for made in shell.clients.batch.definitions:
        made["schedulingPriority"] = 7
    shell("run", "w.yaml", "--share", "optics")
    fair = of_queue(requests, "normal")
    assert fair["shareIdentifier"] == "optics"
    assert "schedulingPriorityOverride" not in fair


def test_what_is_done_again_counts_for_the_same_group(shell: Shell, requests: list[Mapping[str, Any]]) -> None:
    """As it was planned."""
    shell.clients.batch.exit_codes = {"-a:2": [1]}
    run = shell.document("run", "w.yaml", "--share", "optics", code=1)["run"]
    requests.clear()
    shell.clients.batch.exit_codes = {}
    shell("rerun", run, "--failed")
    again = of_queue(requests, "normal")
    assert (again["shareIdentifier"], again["schedulingPriorityOverride"]) == ("optics", 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            (),
            (
                "--share: names the group that jobs count for on queue 'normal', which shares fairly between groups, "
                "got none; give it, or set HPC_SHARE"
            ),
        ),
        (("--share", "a b"), "--share: is the name of a group, 1 to 255 letters and digits, got 'a b'; correct it"),
        (("--share", "all*"), "--share: is the name of a group, 1 to 255 letters and digits, got 'all*'; correct it"),
    ],
)
def test_nothing_is_submitted_without_a_group(
    shell: Shell, requests: list[Mapping[str, Any]], options: tuple[str, ...], said: str
) -> None:
    """One clear line: Batch would refuse each job by itself."""
    assert shell("run", "w.yaml", *options, code=2).stderr == f"hpc: {said}\n"
    assert requests == []


def test_a_group_that_nothing_asks_for_is_told(shell: Shell, requests: list[Mapping[str, Any]]) -> None:
    """Who gave it expects something of it."""
    del shell.clients.batch.queues["normal"]["schedulingPolicyArn"]
    told = shell("run", "w.yaml", "--share", "optics", "--detach").stderr
    assert told.startswith("--share: changes nothing, as no queue of this run shares fairly between groups\n")
    assert len(requests) == 2


def test_a_task_does_not_fall_back_to_a_queue_of_another_kind(
    shell: Shell, requests: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    """The request would be refused there, after its first capacity was lost."""
    text = MIXED.replace('command: ["${i}"]', 'command: ["${i}"]\n    fallback: {queue: high, after: 1}')
    (tmp_path / "w.yaml").write_text(text)
    assert shell("run", "w.yaml", "--share", "optics", code=2).stderr == (
        "hpc: fallback: goes from a queue that shares fairly to another such queue, got 'normal' and 'high', of which "
        "only 'normal' does; choose another, or leave it out\n"
    )
    assert requests == []
