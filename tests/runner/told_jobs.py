"""Jobs that Batch tells of as a test wants them."""

from __future__ import annotations

from typing import Any

from tests.runner.fake_batch import FakeBatch, FakeJob, arn

JOB = "11111111-0000-4000-8000-000000000001"


def described(batch: FakeBatch, job_id: str, status: str, **members: Any) -> dict[str, Any]:
    """Give Batch a job that stays as it is until the test changes it."""
    detail = {
        "jobId": job_id,
        "jobName": "hello",
        "jobQueue": arn("job-queue", "ec2-queue"),
        "status": status,
        "attempts": [],
        **members,
    }
    batch.jobs[job_id] = FakeJob(detail, [], is_still=True)
    return detail


def attempt(stream: str, exit_code: int = 0) -> dict[str, Any]:
    """One that has ended."""
    return {"startedAt": 1000, "stoppedAt": 2000, "container": {"logStreamName": stream, "exitCode": exit_code}}


def nodes(count: int = 3, main: int = 0, **of_main: Any) -> dict[str, Any]:
    """nodeProperties with a range for all nodes and one for the main node alone inside it."""
    container = {
        "resourceRequirements": [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "2048"}],
        "logConfiguration": {"options": {"awslogs-group": "jobs"}},
        "command": ["hello"],
        "environment": [{"name": "A", "value": "1"}],
    }
    return {
        "numNodes": count,
        "mainNode": main,
        "nodeRangeProperties": [
            {"targetNodes": "0:", "container": container},
            {"targetNodes": f"{main}:{main}", "container": {**container, **of_main}},
        ],
    }


def container(stream: str | None = None, **members: Any) -> dict[str, Any]:
    """Of a job that wants 1 vCPU and 2,048 MiB."""
    needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
    logs = {"logConfiguration": {"options": {"awslogs-group": "jobs"}}}
    return {"resourceRequirements": needs, **logs, **({"logStreamName": stream} if stream else {}), **members}


def id_of(number: int) -> str:
    """A job's id; those of different numbers begin differently."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def sweep(batch: FakeBatch) -> str:
    """An array of four: a child succeeded, one failed, one runs, one waits."""
    whole = id_of(0xA55A5)
    counts = {"RUNNABLE": 1, "RUNNING": 1, "SUCCEEDED": 1, "FAILED": 1, "PENDING": 0}
    described(batch, whole, "PENDING", jobName="sweep", arrayProperties={"size": 4, "statusSummary": counts})
    ran = {"startedAt": 1_000_000, "stoppedAt": 3_000_000}
    children: list[tuple[str, dict[str, Any]]] = [
        ("SUCCEEDED", {**ran, "attempts": [attempt("c0")], "container": container("c0", exitCode=0)}),
        ("FAILED", {**ran, "attempts": [attempt("c1", 3)], "container": container("c1", exitCode=3)}),
        ("RUNNING", {"startedAt": 2_000_000, "container": container("c2")}),
        ("RUNNABLE", {"container": container()}),
    ]
    for index, (status, members) in enumerate(children):
        described(batch, f"{whole}:{index}", status, jobName="sweep", arrayProperties={"index": index}, **members)
    return whole


def hello(batch: FakeBatch, known: int = 2) -> str:
    """A job of three nodes that runs, `known` of which have started."""
    whole = id_of(0x3E110)
    described(
        batch,
        whole,
        "RUNNING",
        createdAt=500_000,
        startedAt=1_000_000,
        nodeProperties=nodes(),
        retryStrategy={"attempts": 2},
        jobDefinition=arn("job-definition", "mpi:3"),
    )
    for index in range(known):
        described(
            batch,
            f"{whole}#{index}",
            "RUNNING",
            startedAt=1_000_000 + index,
            nodeDetails={"nodeIndex": index, "isMainNode": index == 0},
            container=container(
                f"n{index}",
                containerInstanceArn=f"arn:aws:ecs:r:a:container-instance/AWSBatch-machines/i{index}",
                taskArn=f"arn:aws:ecs:r:a:task/AWSBatch-machines/t{index}",
                networkInterfaces=[{"privateIpv4Address": f"10.0.0.{index}"}],
            ),
        )
    return whole
