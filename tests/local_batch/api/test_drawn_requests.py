"""No request, whatever is in it, is a fault of ours: drawn from the service model, each is performed or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.model_check import findings
from tests.local_batch.api.front import Front, definition, ec2_definition, multinode_definition, opened
from tests.local_batch.api.schema_requests import like

# The front lives as long as the module: what one example leaves behind is there for the next, as in a server.
DRAWN = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
RANGES: dict[str, dict[str, Any]] = {"0": {"command": ["main"]}, "1:": {"command": ["Ref::a"]}}
DEFINITIONS = (
    definition("drawn", retryStrategy={"attempts": 1}),
    ec2_definition(
        "drawn",
        schedulingPriority=1,
        container={
            "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
            "volumes": [{"name": "v"}],
            "mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}],
            "linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 1}]},
            "secrets": [{"name": "S", "valueFrom": "/s"}],
            "ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}],
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/g"}},
        },
    ),
    multinode_definition("drawn", RANGES, num_nodes=3),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front with a fair-share queue, a definition of nodes, an array and a single job."""
    with opened(tmp_path_factory.mktemp("drawn") / "journal.jsonl") as front:
        front.shared_queue("fair")
        front.call("RegisterJobDefinition", **multinode_definition("nodes", RANGES, num_nodes=3))
        front.submit(arrayProperties={"size": 2})
        front.submit()
        yield front


def submissions(front: Front) -> st.SearchStrategy[dict[str, Any]]:
    """SubmitJob of a single job, of an array that waits, of nodes, and on a fair-share queue."""
    array, single = list(front.dispatcher.engine.jobs)[:2]
    command = {"command": ["Ref::a"], "environment": [{"name": "A", "value": "1"}]}
    bases: list[dict[str, Any]] = [
        {"jobQueue": "normal", "jobDefinition": "shell", "containerOverrides": command},
        {"jobQueue": "normal", "jobDefinition": "shell", "dependsOn": [{"jobId": single}, {"jobId": f"{array}:1"}]},
        {
            "jobQueue": "normal",
            "jobDefinition": "shell",
            "arrayProperties": {"size": 2},
            "dependsOn": [{"jobId": array, "type": "N_TO_N"}, {"type": "SEQUENTIAL"}],
        },
        {
            "jobQueue": "ec2",
            "jobDefinition": "nodes",
            "nodeOverrides": {
                "numNodes": 2,
                "nodePropertyOverrides": [{"targetNodes": "1:", "containerOverrides": command}],
            },
        },
        {"jobQueue": "fair", "jobDefinition": "tool", "shareIdentifier": "a", "schedulingPriorityOverride": 1},
    ]
    return st.sampled_from(bases).flatmap(lambda base: like("SubmitJob", {"jobName": "drawn", **base}))


def definitions() -> st.SearchStrategy[dict[str, Any]]:
    """RegisterJobDefinition for Fargate, for EC2 with all that a container may ask for, and of nodes."""
    return st.sampled_from(DEFINITIONS).flatmap(lambda base: like("RegisterJobDefinition", base))


def performed(front: Front, operation: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """The reply, which agrees with the service model; None where the request was refused with one sentence."""
    body = json.dumps(request).encode()
    status, _, answer = front.api.handle("POST", f"/v1/{operation.lower()}", {}, body, {})
    reply: dict[str, Any] = json.loads(answer)
    if status == 200:
        assert findings(operation, reply) == []
        return reply
    assert status == 400
    assert 1 <= len(reply["message"]) <= 2_000
    assert "\n" not in reply["message"]
    return None


@DRAWN
@given(data=st.data())
def test_submissions_are_performed_or_refused(served: Front, data: st.DataObject) -> None:
    """What was taken is described, with all of its children and nodes."""
    reply = performed(served, "SubmitJob", data.draw(submissions(served)))
    if reply is not None:
        served.job(reply["jobId"])


@DRAWN
@given(data=st.data())
def test_definitions_are_performed_or_refused(served: Front, data: st.DataObject) -> None:
    """What was taken is described, and jobs can be submitted with it."""
    reply = performed(served, "RegisterJobDefinition", data.draw(definitions()))
    if reply is None:
        return
    arn = reply["jobDefinitionArn"]
    (shown,) = served.call("DescribeJobDefinitions", jobDefinitions=[arn])["jobDefinitions"]
    queue = "normal" if shown.get("platformCapabilities") == ["FARGATE"] else "ec2"
    submitted = performed(served, "SubmitJob", {"jobName": "drawn", "jobQueue": queue, "jobDefinition": arn})
    if submitted is not None:
        served.job(submitted["jobId"])


def test_what_was_taken_survives_a_restart(served: Front) -> None:
    """Whatever the examples before have left in the journal can be read again."""
    jobs = {job_id: job.profile.key for job_id, job in served.dispatcher.engine.jobs.items()}
    served.restart()
    assert {job_id: job.profile.key for job_id, job in served.dispatcher.engine.jobs.items()} == jobs
