"""The API as HTTP: paths, headers, errors on the wire, and bodies that nobody should send."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.model_check import MODEL
from tests.local_batch.api.front import ARN, Front

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PATHS = sorted(MODEL.operation_model(name).http["requestUri"] for name in MODEL.operation_names)
NOT_PLAYED = sorted(
    {
        "CreateConsumableResource",
        "CreateQuotaShare",
        "CreateServiceEnvironment",
        "DeleteConsumableResource",
        "DeleteQuotaShare",
        "DeleteServiceEnvironment",
        "DescribeConsumableResource",
        "DescribeQuotaShare",
        "DescribeServiceEnvironments",
        "DescribeServiceJob",
        "ListConsumableResources",
        "ListJobsByConsumableResource",
        "ListQuotaShares",
        "ListServiceJobs",
        "SubmitServiceJob",
        "TerminateServiceJob",
        "TerminateServiceJobs",
        "UpdateConsumableResource",
        "UpdateQuotaShare",
        "UpdateServiceEnvironment",
        "UpdateServiceJob",
    }
)


def post(front: Front, path: str, body: Any) -> tuple[int, dict[str, str], Any]:
    """One POST; the reply's body as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, headers, answer = front.api.handle("POST", path, {}, sent, {})
    return status, headers, json.loads(answer)


def test_an_answer_is_json_with_a_request_id(front: Front) -> None:
    """What botocore puts into ResponseMetadata, and the ids of the service's front."""
    status, headers, answer = post(front, "/v1/describejobs", {"jobs": ["nobody"]})
    assert (status, answer) == (200, {"jobs": []})
    assert headers["Content-Type"] == "application/json"
    assert re.fullmatch(UUID, headers["x-amzn-RequestId"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{15}=", headers["x-amz-apigw-id"])
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", headers["X-Amzn-Trace-Id"])


def test_findings_of_validation_are_wrapped_as_the_service_wraps_them(front: Front) -> None:
    """The id in the text is the one in the header."""
    status, headers, answer = post(
        front, "/v1/submitjob", {"jobName": "a b", "jobQueue": "normal", "jobDefinition": "shell"}
    )
    assert (status, headers["x-amzn-ErrorType"]) == (400, "ClientException")
    request_id = headers["x-amzn-RequestId"]
    text = f"Error executing request, Exception : Job name should match valid pattern, RequestId: {request_id}"
    assert answer == {"message": text}


def test_other_refusals_are_bare(front: Front) -> None:
    """As the service says them."""
    _, _, answer = post(front, "/v1/deletecomputeenvironment", {"computeEnvironment": "fargate"})
    assert answer == {"message": "Cannot delete, found existing JobQueue relationship"}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/nothing"), ("GET", "/v1/submitjob"), ("POST", "/"), ("PUT", "/v1/tags/x")]
)
def test_what_is_no_operation_is_answered_as_the_service_does(front: Front, method: str, path: str) -> None:
    """403, since the front of the service cannot tell what to authorise; its body begins with a capital."""
    status, headers, body = front.api.handle(method, path, {}, b"{}", {})
    assert (status, headers["x-amzn-ErrorType"]) == (403, "AccessDeniedException")
    assert json.loads(body) == {"Message": "Unable to determine service/operation name to be authorized"}


@pytest.mark.parametrize("operation", NOT_PLAYED)
def test_operations_that_are_not_played_are_refused_by_name(front: Front, operation: str) -> None:
    """Each of the model's that we have no handler for; never a silent success."""
    status, headers, answer = post(front, MODEL.operation_model(operation).http["requestUri"], {})
    assert (status, headers["x-amzn-ErrorType"]) == (400, "ClientException")
    assert answer["message"] == f"{operation}: is not played by the local cloud (docs/local-batch-parity.md)"


def test_every_operation_of_the_model_is_played_or_refused(front: Front) -> None:
    """A new botocore with new operations fails here, not at a user's."""
    played = set(MODEL.operation_names) - set(NOT_PLAYED)
    for operation in played:
        with pytest.raises(Exception, match=r".") as refusal:
            front.api.call(operation, {"no such member": 1})
        assert "has only the members" in str(refusal.value) or "is required" in str(refusal.value), operation
    assert len(played) == 27


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe{", b"[]", b"null", b"[" * 100_000],
    ids=["cut short", "no text", "list", "null", "deep"],
)
def test_bodies_that_are_no_json_object_are_serialization_errors(front: Front, body: bytes) -> None:
    """400 with the error's name in the body, as recorded; and the server goes on."""
    status, headers, answer = post(front, "/v1/describejobs", body)
    assert (status, "x-amzn-ErrorType" in headers) == (400, False)
    assert answer == {"message": "An error occurred during JSON parsing", "__type": "ClientException"}
    assert post(front, "/v1/describejobs", {"jobs": ["nobody"]})[0] == 200


def test_members_that_are_null_are_absent(front: Front) -> None:
    """At any depth: nothing of them is kept or shown; a null in a list is still wrong."""
    request = {
        "jobName": "job",
        "jobQueue": "normal",
        "jobDefinition": "shell",
        "timeout": None,
        "containerOverrides": {"environment": [{"name": "A", "value": None}], "command": None},
        "retryStrategy": {"attempts": 2, "evaluateOnExit": [{"action": "EXIT", "onReason": None, "onExitCode": "1"}]},
    }
    status, _, answer = post(front, "/v1/submitjob", request)
    assert status == 200
    job = front.job(answer["jobId"])
    assert job["container"]["environment"] == [{"name": "A", "value": ""}]
    assert job["retryStrategy"]["evaluateOnExit"] == [{"action": "exit", "onExitCode": "1"}]
    status, _, answer = post(front, "/v1/describejobs", {"jobs": [None]})
    assert (status, answer["message"][:27]) == (400, "jobs[0]: is a string, got n")


def test_a_fault_of_ours_is_a_server_exception(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    """500, logged with its story; the caller is not blamed and the server stays up."""
    front.dispatcher._journal.close()
    status, headers, answer = post(front, "/v1/deletejobqueue", {"jobQueue": "normal"})
    assert status == 400
    status, headers, answer = post(front, "/v1/createschedulingpolicy", {"name": "p"})
    assert (status, headers["x-amzn-ErrorType"]) == (500, "ServerException")
    assert answer["message"].startswith("Internal Failure: CreateSchedulingPolicy failed with JournalBrokenError")
    assert "Bad file descriptor" in caplog.text
    front.dispatcher._journal = type(front.dispatcher._journal)(front.path)


def test_tags_have_paths_with_an_encoded_arn(front: Front) -> None:
    """GET, POST and DELETE with repeated tagKeys."""
    path = f"/v1/tags/{quote(ARN + 'job-queue/normal', safe='')}"
    assert front.api.handle("POST", path, {}, b'{"tags":{"a":"1","b":"2","c":"3"}}', {})[0] == 200
    assert front.api.handle("DELETE", path, {}, b"", {"tagKeys": ["a", "b"]})[0] == 200
    status, _, body = front.api.handle("GET", path, {}, b"", {})
    assert (status, json.loads(body)) == (200, {"tags": {"c": "3"}})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["normal", "shell", "fargate", "tool:1", "MANAGED", "container", "*", "arn:", "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A path of the service with a body that has its members, and anything in them."""
    operation = draw(st.sampled_from(MODEL.operation_names))
    members = sorted(MODEL.operation_model(operation).input_shape.members)
    chosen = draw(st.lists(st.sampled_from(members), max_size=6)) if members else []
    return MODEL.operation_model(operation).http["requestUri"], {name: draw(JSON) for name in chosen}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=requests())
def test_no_body_is_a_fault_of_ours(front: Front, request: tuple[str, dict[str, Any]]) -> None:
    """Whatever is sent: an answer or a refusal with a text, never a 500."""
    path, body = request
    status, _, answer = post(front, path.replace("{resourceArn}", quote(f"{ARN}job-queue/normal", safe="")), body)
    assert status in (200, 400), answer
    assert status == 200 or answer["message"]
