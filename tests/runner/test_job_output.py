"""The output of nodes, children and jobs, while they run and after."""

from __future__ import annotations

from typing import Any

import pytest

from runner.described_job import from_detail, to_keep
from runner.errors import ServiceError
from runner.job_output import JobOutput, follow, log_stream
from runner.logs import LogReader
from tests.runner.fake_aws import FakeLogs
from tests.runner.fake_batch import FakeBatch
from tests.runner.submitted import Clock
from tests.runner.told_jobs import JOB, attempt, described, nodes


def test_of_a_multi_node_job_it_is_the_main_nodes_while_it_runs() -> None:
    """The job itself has no container then; a node is asked for by its index or in the id."""
    batch = FakeBatch()
    described(batch, JOB, "RUNNING", nodeProperties=nodes(main=1))
    assert log_stream(batch, JOB) is None
    for index in range(3):
        described(
            batch,
            f"{JOB}#{index}",
            "RUNNING",
            nodeDetails={"nodeIndex": index, "isMainNode": index == 1},
            container={"logStreamName": f"s{index}", "logConfiguration": {"options": {"awslogs-group": "jobs"}}},
        )
    assert log_stream(batch, JOB) == ("jobs", "s1")
    assert log_stream(batch, JOB, 2) == ("jobs", "s2")
    assert log_stream(batch, f"{JOB}#0") == ("jobs", "s0")
    assert log_stream(batch, JOB, 7) is None
    assert log_stream(batch, JOB.replace("1", "2")) is None


def test_of_an_ended_multi_node_job_the_attempts_have_the_main_nodes_streams() -> None:
    """Where nodes' own records are gone, too; other nodes have none then."""
    batch = FakeBatch()
    described(batch, JOB, "FAILED", nodeProperties=nodes(), attempts=[attempt("first", 1), attempt("second", 3)])
    assert log_stream(batch, JOB) == ("jobs", "second")
    assert JobOutput(batch, JOB).stream(1) == ("jobs", "first")
    assert log_stream(batch, JOB, 1) is None


def test_a_multi_node_job_is_described_as_a_whole() -> None:
    """Exit code of its attempts once it has ended, resources of all nodes, also from what the ledger keeps."""
    needs = [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "4096"}]
    detail = {
        "jobId": JOB,
        "jobName": "hello",
        "status": "FAILED",
        "nodeProperties": nodes(resourceRequirements=needs),
        "attempts": [attempt("s", 9)],
    }
    job = from_detail(detail)
    assert (job.exit_code, job.log_group, job.log_stream, job.vcpus, job.memory_mib) == (9, "jobs", "s", 8, 8192)
    assert job.nodes is not None
    assert (job.nodes.count, job.nodes.main) == (3, 0)
    kept = to_keep(detail)
    assert from_detail(kept) == job
    assert "command" not in str(kept)
    assert "environment" not in str(kept)
    running = from_detail({**detail, "status": "RUNNING"})
    assert (running.exit_code, running.log_stream, running.attempt) == (None, None, 2)


def test_nodes_that_are_still_being_stopped_are_no_further_attempt() -> None:
    """The attempt is told when the main node has ended; the job runs until the others have."""
    detail = {
        "jobId": JOB,
        "jobName": "hello",
        "status": "RUNNING",
        "startedAt": 5,
        "nodeProperties": nodes(),
        "attempts": [{**attempt("s", 9), "startedAt": 5}],
    }
    assert from_detail(detail).attempt == 1
    assert from_detail({**detail, "startedAt": 9}).attempt == 2


@pytest.mark.parametrize(
    ("target", "expected"), [(":1", [2, 2, 1, 1]), ("2:", [1, 1, 2, 2]), ("3", [1, 1, 1, 2]), ("1:2", [1, 2, 2, 1])]
)
def test_the_narrowest_range_is_a_nodes_own(target: str, expected: list[int]) -> None:
    """Every way to write one, inside a range of all nodes."""
    from runner.described_job import node_containers  # noqa: PLC0415 - one test's

    ranges = [{"targetNodes": target, "container": {"vcpus": 2}}, {"targetNodes": ":", "container": {"vcpus": 1}}]
    detail = {"nodeProperties": {"numNodes": 4, "mainNode": 0, "nodeRangeProperties": ranges}}
    assert [container["vcpus"] for container in node_containers(detail)] == expected


def test_an_array_is_described_with_its_children_by_status() -> None:
    """And a row of ListJobs says what it says."""
    properties = {"size": 3, "statusSummary": {"RUNNING": 1, "SUCCEEDED": 2, "FAILED": 0}}
    job = from_detail({"jobId": JOB, "jobName": "a", "status": "PENDING", "arrayProperties": properties})
    assert job.array is not None
    assert (job.array.size, dict(job.array.counts)) == (3, {"RUNNING": 1, "SUCCEEDED": 2})
    row = from_detail({"jobId": JOB, "jobName": "a", "status": "RUNNING", "nodeProperties": {"numNodes": 2}})
    assert row.nodes is not None
    assert (row.nodes.count, row.nodes.main, row.vcpus) == (2, None, None)


def test_following_a_node_waits_for_it_and_ends_with_its_job() -> None:
    """The node is not known before it starts; where the job is tried again, so is the node."""
    batch, clock = FakeBatch(), Clock()
    logs = FakeLogs({"n1": ["one"], "n2": ["two"]})
    whole = described(batch, JOB, "RUNNABLE", nodeProperties=nodes(), retryStrategy={"attempts": 2})
    node: dict[str, Any] = {}

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        match len(clock.slept):
            case 1:
                whole["status"] = "RUNNING"
                node.update(described(batch, f"{JOB}#2", "RUNNING", container={"logStreamName": "n1"}))
            case 3:
                batch.jobs[f"{JOB}#2"].detail |= {"status": "FAILED", "attempts": [attempt("n1", 1)]}
            case 9:
                batch.jobs[f"{JOB}#2"].detail |= {"status": "RUNNING", "container": {"logStreamName": "n2"}}
            case 11:
                whole["status"] = "SUCCEEDED"

    lines = [line.text for line in follow(batch, LogReader(logs), JOB, 2, sleep, 3.0)]
    assert lines == ["one", "two"]
    assert len(clock.slept) == 12


def test_following_a_node_that_cannot_start_again_ends_with_the_node() -> None:
    """Though its job goes on."""
    batch, clock = FakeBatch(), Clock()
    described(batch, JOB, "RUNNING", nodeProperties=nodes())
    described(batch, f"{JOB}#1", "FAILED", attempts=[attempt("n", 1)], container={"logStreamName": "n"})
    lines = follow(batch, LogReader(FakeLogs({"n": ["died"]})), JOB, 1, clock.sleep, 1.0)
    assert [line.text for line in lines] == ["died"]
    assert len(clock.slept) == 2


def test_a_job_that_batch_does_not_know_is_waited_for_a_minute() -> None:
    """DescribeJobs may lag behind SubmitJob; beyond that it is an error."""
    batch, clock = FakeBatch(), Clock()
    with pytest.raises(ServiceError, match="got no answer about it for 60 seconds"):
        list(follow(batch, LogReader(FakeLogs()), JOB, None, clock.sleep, 5.0))
    assert sum(clock.slept) == 60
