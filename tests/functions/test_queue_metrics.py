"""What the function says of queues: called with boto3 clients of a local cloud, where real jobs wait and run."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from functions import queue_metrics
from tests.contract.service import SMALL, WHOLE, Service, clients

CODE = Path(queue_metrics.__file__).read_text(encoding="utf-8")


def arn(service: Service, queue: str) -> str:
    """A queue's ARN."""
    found: str = service.batch.describe_job_queues(jobQueues=[queue])["jobQueues"][0]["jobQueueArn"]
    return found


def values(service: Service, queue: str, now: float | None = None) -> dict[str, float]:
    """Metric name -> value of a queue."""
    data = queue_metrics.queue_data(service.batch, queue, arn(service, queue), time.time() if now is None else now)
    assert all(datum["Dimensions"] == [{"Name": "JobQueue", "Value": queue}] for datum in data)
    return {datum["MetricName"]: datum["Value"] for datum in data}


def end(service: Service, *job_ids: str) -> None:
    """Terminate jobs and wait until they have ended."""
    for job_id in job_ids:
        service.batch.terminate_job(jobId=job_id, reason="seen enough")
    for job_id in job_ids:
        service.wait(job_id)


def test_it_fits_into_a_template() -> None:
    """CloudFormation takes 4,096 characters of code in a template."""
    assert len(CODE) <= 4096


def test_an_idle_queue_says_nothing(service: Service) -> None:
    """So that metrics of a deployment at rest cost nothing."""
    service.wait(service.submit())
    assert values(service, "normal") == {}


def test_a_running_job_and_those_behind_it(service: Service) -> None:
    """vCPUs of what runs, how many wait, and for how long the first of them has been the first."""
    running = service.submit("sleep 60", overrides=WHOLE)
    service.wait(running, "RUNNING")
    waiting = [service.submit(overrides=WHOLE) for _ in range(2)]
    for job_id in waiting:
        service.wait(job_id, "RUNNABLE")
    found = values(service, "normal", time.time() + 600)
    assert (found["RunningVcpus"], found["RunnableJobs"]) == (2.0, 2)
    assert 10 <= found["FirstJobMinutes"] < 11
    assert values(service, "ec2") == {}
    end(service, *waiting, running)


def test_a_first_job_that_has_just_become_the_first(service: Service) -> None:
    """A job that waited long for others has no long wait behind it as the first of its queue."""
    first = service.submit("sleep 60", overrides=WHOLE)
    service.wait(first, "RUNNING")
    behind = service.submit(overrides=WHOLE)
    service.wait(behind, "RUNNABLE")
    assert values(service, "normal")["FirstJobMinutes"] < 1
    end(service, behind, first)


def test_an_array_is_its_children(service: Service) -> None:
    """Eight small children fit, the other two wait: counted from the parent, which itself is neither."""
    array = service.submit("sleep 60", overrides=SMALL, arrayProperties={"size": 10})

    def counts() -> Any:
        return service.job(array)["arrayProperties"]["statusSummary"]

    service.until(counts, lambda seen: (seen["RUNNING"], seen["RUNNABLE"]) == (8, 2))
    found = values(service, "normal")
    assert (found["RunningVcpus"], found["RunnableJobs"]) == (2.0, 2)
    end(service, array)


def test_a_job_that_waits_for_others_is_not_in_the_queue(service: Service) -> None:
    """PENDING is not RUNNABLE."""
    first = service.submit("sleep 60", overrides=SMALL)
    after = service.submit(overrides=SMALL, dependsOn=[{"jobId": first}])
    service.wait(first, "RUNNING")
    service.wait(after, "PENDING")
    found = values(service, "normal")
    assert (found["RunningVcpus"], found["RunnableJobs"]) == (0.25, 0)
    end(service, after, first)


def test_all_nodes_of_a_job_run(service: Service) -> None:
    """A multi-node parallel job is one job with the vCPUs of every node."""
    job = service.submit_nodes("metrics-of-nodes", [("0:", "sleep 60")])
    service.wait(job, "RUNNING")
    found = values(service, "ec2")
    assert (found["RunningVcpus"], found["RunnableJobs"]) == (3.0, 0)
    end(service, job)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([("0:3", 2)], 8.0),
        ([("0", 4), ("1:3", 2)], 10.0),
        ([(":1", 1), ("2:", 0.5)], 3.0),
    ],
)
def test_node_ranges_may_be_open(ranges: list[tuple[str, float]], expected: float) -> None:
    """One node, or from one to another, or to the end that the job has."""
    groups = [
        {"targetNodes": target, "container": {"resourceRequirements": [{"type": "VCPU", "value": str(vcpus)}]}}
        for target, vcpus in ranges
    ]
    assert queue_metrics.job_vcpus({"nodeProperties": {"numNodes": 4, "nodeRangeProperties": groups}}) == expected


def test_long_queues_take_few_calls(service: Service) -> None:
    """A page holds them all; what only waits is told by the list."""
    running = service.submit("sleep 60", overrides=WHOLE)
    service.wait(running, "RUNNING")
    waiting = [service.submit(overrides=WHOLE) for _ in range(101)]
    service.wait(waiting[-1], "RUNNABLE")
    calls: list[str] = []
    service.batch.meta.events.register(
        "before-call.batch", lambda model, **_: calls.append(model.name), unique_id="calls of metrics"
    )
    assert values(service, "normal")["RunnableJobs"] == 101
    service.batch.meta.events.unregister("before-call.batch", unique_id="calls of metrics")
    assert calls[1:] == ["ListJobs"] * 3 + ["DescribeJobs", "GetJobQueueSnapshot"]
    end(service, *waiting, running)


def test_counts_end(service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A queue with more jobs than are counted is counted up to the bound, and the log says so."""
    running = service.submit("sleep 60", overrides=WHOLE)
    service.wait(running, "RUNNING")
    waiting = [service.submit(overrides=WHOLE) for _ in range(4)]
    service.wait(waiting[-1], "RUNNABLE")
    queue = arn(service, "normal")
    monkeypatch.setattr(queue_metrics, "LISTED", 4)
    assert len(queue_metrics.rows(service.batch, queue, "RUNNABLE")) == 4
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(queue_metrics, "LISTED", 3)
    assert len(queue_metrics.rows(service.batch, queue, "RUNNABLE")) == 3
    assert "more than 3 RUNNABLE" in capsys.readouterr().out
    end(service, *waiting, running)


@dataclass
class Reports:
    """CloudWatch, which keeps what is put."""

    put: list[str] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def put_metric_data(self, **request: Any) -> None:
        """Note the queue."""
        self.put += {datum["Dimensions"][0]["Value"] for datum in request["MetricData"]}
        self.came.set()


def test_a_slow_queue_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known is reported before the function's time is up, though the first queue takes all of it or fails."""
    reports = Reports()

    def measured(_: Any, name: str, __: str, ___: float) -> list[dict[str, Any]]:
        if name == "slow":
            assert reports.came.wait(30)
        if name == "broken":
            raise RuntimeError(name)
        return [{"Dimensions": [{"Name": "JobQueue", "Value": name}]}]

    monkeypatch.setattr(queue_metrics, "queue_data", measured)
    monkeypatch.setattr(boto3, "client", lambda _: reports)
    monkeypatch.setenv("NAMESPACE", "N")
    monkeypatch.setenv("QUEUES", json.dumps({"slow": "1", "broken": "2", "fast": "3"}))
    with pytest.raises(RuntimeError, match="broken"):
        queue_metrics.handler({}, None)
    assert sorted(reports.put) == ["fast", "slow"]


def test_the_handler_reports_to_its_namespace(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Lambda calls it: queues and namespace from the environment, clients of its own."""
    running = service.submit("sleep 60", overrides=SMALL)
    service.wait(running, "RUNNING")
    for name, value in {
        "NAMESPACE": "CloudHpc/Lab",
        "QUEUES": json.dumps({"normal": arn(service, "normal"), "ec2": arn(service, "ec2")}),
        "AWS_ENDPOINT_URL": service.endpoint.endpoint,
        "AWS_DEFAULT_REGION": service.endpoint.region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }.items():
        monkeypatch.setenv(name, value)
    assert queue_metrics.handler({}, None) == {"data": 3}
    (cloudwatch,) = clients(service.endpoint, "cloudwatch")
    metrics = cloudwatch.list_metrics(Namespace="CloudHpc/Lab")["Metrics"]
    assert {metric["MetricName"] for metric in metrics} == {"RunnableJobs", "FirstJobMinutes", "RunningVcpus"}
    assert {dimension["Value"] for metric in metrics for dimension in metric["Dimensions"]} == {"normal"}
    end(service, running)
