"""Requests of every kind, well and badly formed, to the server's socket: always an answer, never a fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_batch import control
from local_batch.host.state_directory import Endpoint
from tests.contract.model_check import MODEL, findings
from tests.contract.service import IMAGE, IMAGES, clients, deploy
from tests.robustness.requests_of_model import OPERATIONS, request_of

QUICK_EXAMPLES, SLOW_EXAMPLES = 400, 10_000
ANSWERS = {200: None, 400: ("ClientException", "SerializationException"), 403: ("AccessDeniedException",)}


class Door:
    """A kept-alive connection to a server, and jobs to ask about."""

    def __init__(self, endpoint: Endpoint, job_ids: list[str]) -> None:
        self.job_ids = job_ids
        self._address = endpoint.endpoint.removeprefix("http://")
        self._connection = HTTPConnection(self._address, timeout=60)
        self._signature = (
            f"AWS4-HMAC-SHA256 Credential=local/20260101/{endpoint.region}/batch/aws4_request, "
            "SignedHeaders=host, Signature=0"
        )

    def send(self, operation: str, request: dict[str, Any]) -> tuple[int, str | None, Any]:
        """Status, type of the error, body."""
        http = MODEL.operation_model(operation).http
        path, body = http["requestUri"], dict(request)
        if "{" in path:
            path = path.replace("{resourceArn}", _quoted(body.pop("resourceArn", "x")))
            keys = body.pop("tagKeys", None)
            if isinstance(keys, list):
                path += "?" + "&".join(f"tagKeys={_quoted(key)}" for key in keys)
        headers = {"Authorization": self._signature, "Content-Type": "application/json"}
        self._connection.request(http["method"], path, json.dumps(body), headers)
        answer = self._connection.getresponse()
        return answer.status, answer.headers.get("x-amzn-ErrorType"), json.loads(answer.read())


def _quoted(part: object) -> str:
    return quote(str(part).encode("utf-8", "replace"), safe="")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A server with jobs of every kind, whose environments are disabled: nothing that is drawn ever runs."""
    state = tmp_path_factory.mktemp("fuzzed")
    endpoint = control.start(state, images=[IMAGES], vcpus=4, memory_mib=16384)
    (batch,) = clients(endpoint, "batch")
    deploy(batch)
    policy = batch.create_scheduling_policy(name="fair", fairsharePolicy={"shareDecaySeconds": 600})["arn"]
    batch.create_job_queue(
        jobQueueName="shared",
        priority=1,
        schedulingPolicyArn=policy,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "fargate"}],
    )
    container = {
        "image": IMAGE,
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
    }
    batch.register_job_definition(
        jobDefinitionName="nodes",
        type="multinode",
        nodeProperties={
            "numNodes": 2,
            "mainNode": 0,
            "nodeRangeProperties": [{"targetNodes": "0:", "container": container}],
        },
    )
    for name in ("fargate", "machines"):
        batch.update_compute_environment(computeEnvironment=name, state="DISABLED")
    job = batch.submit_job(jobName="job", jobQueue="normal", jobDefinition="shell")["jobId"]
    array = batch.submit_job(jobName="array", jobQueue="normal", jobDefinition="shell", arrayProperties={"size": 2})[
        "jobId"
    ]
    nodes = batch.submit_job(jobName="nodes", jobQueue="ec2", jobDefinition="nodes")["jobId"]
    yield Door(endpoint, [job, array, f"{array}:1", nodes, f"{nodes}#0"])
    still = control.status(state)
    assert still is not None
    assert still.pid == endpoint.pid
    assert "Traceback" not in (state / "server.log").read_text(encoding="utf-8")
    control.stop(state)


def knock(door: Door, data: st.DataObject) -> None:
    """One request; its answer is one that the service could give."""
    operation = data.draw(st.sampled_from(OPERATIONS))
    request = data.draw(request_of(operation, door.job_ids))
    status, error, body = door.send(operation, request)
    assert status in ANSWERS, (status, body)
    if status == 200:
        assert findings(operation, body) == []
    else:
        allowed = ANSWERS[status]
        assert allowed is not None
        assert error in allowed
        assert body["message"]


FUZZ = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)


@settings(FUZZ, max_examples=QUICK_EXAMPLES)
@given(data=st.data())
def test_every_request_is_answered(door: Door, data: st.DataObject) -> None:
    """Of all operations that the service has."""
    knock(door, data)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(FUZZ, max_examples=SLOW_EXAMPLES)
@given(data=st.data())
def test_many_more_requests_are_answered(door: Door, data: st.DataObject) -> None:
    """The same, for long."""
    knock(door, data)
