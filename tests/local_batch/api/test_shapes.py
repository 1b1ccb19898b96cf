"""Requests against the service model: what is wrong is named with its place."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.api.shapes import RequestShapes

SHAPES = RequestShapes(["SubmitJob", "CreateSchedulingPolicy", "RegisterJobDefinition", "UntagResource", "TagResource"])
JOB = {"jobName": "n", "jobQueue": "q", "jobDefinition": "d"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"jobQueue": None}, "jobQueue: is required, got none"),
        ({"jobName": 7}, "jobName: is a string, got 7"),
        ({"jobColour": "red"}, "SubmitJob: has only the members .*, got 'jobColour'"),
        ({"dependsOn": {}}, r"dependsOn: is a list, got \{\}"),
        ({"dependsOn": [{"jobId": 1}]}, r"dependsOn\[0\]\.jobId: is a string, got 1"),
        ({"dependsOn": [{"jobId": "a", "type": "AFTER"}]}, r"dependsOn\[0\]\.type: is one of N_TO_N, SEQUENTIAL"),
        ({"timeout": {"attemptDurationSeconds": "60"}}, "timeout.attemptDurationSeconds: is an integer, got '60'"),
        ({"timeout": {"attemptDurationSeconds": 60.0}}, "is an integer, got 60.0"),
        ({"timeout": {"attemptDurationSeconds": True}}, "is an integer, got True"),
        ({"timeout": {"attemptDurationSeconds": 2**31}}, "is an integer from -2147483648 to 2147483647"),
        ({"propagateTags": "yes"}, "propagateTags: is true or false, got 'yes'"),
        ({"parameters": []}, r"parameters: is a map, got \[\]"),
        ({"parameters": {"a": 1}}, r"parameters\.'a': is a string, got 1"),
        ({"jobName": "\ud800"}, "jobName: is Unicode text"),
        ({"containerOverrides": []}, "containerOverrides: is a structure"),
        ({"containerOverrides": {"environment": [{"value": None, "key": "x"}]}}, r"environment\[0\]: has only the mem"),
        ({"retryStrategy": {"evaluateOnExit": [{"action": "again"}]}}, r"\[0\]\.action: is one of RETRY, EXIT"),
        ({"retryStrategy": {"evaluateOnExit": [{"onReason": "*"}]}}, r"evaluateOnExit\[0\]\.action: is required"),
    ],
)
def test_a_misfit_is_named_with_its_place(change: dict[str, Any], text: str) -> None:
    """Path, rule, what was got, where to read about it."""
    with pytest.raises(ApiError, match=text) as refusal:
        SHAPES.check("SubmitJob", {**JOB, **change})
    assert str(refusal.value).endswith("; see SubmitJob in the API reference of AWS Batch")


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 10**400, "1", True])
def test_numbers_are_finite_numbers(weight: Any) -> None:
    """JSON as Python reads it has more than JSON has."""
    share = {"shareIdentifier": "a", "weightFactor": weight}
    with pytest.raises(ApiError, match=r"weightFactor: is a number"):
        SHAPES.check("CreateSchedulingPolicy", {"name": "p", "fairsharePolicy": {"shareDistribution": [share]}})


def test_sizes_that_the_model_bounds_are_checked() -> None:
    """Tag keys and the number of tags."""
    with pytest.raises(ApiError, match=r"tagKeys: has 1 to 50 items"):
        SHAPES.check("UntagResource", {"resourceArn": "a", "tagKeys": []})
    with pytest.raises(ApiError, match=r"has 1 to 128 characters"):
        SHAPES.check("TagResource", {"resourceArn": "a", "tags": {"": "x"}})


def test_null_is_as_good_as_absent() -> None:
    """Some clients send what they do not have."""
    SHAPES.check("SubmitJob", {**JOB, "timeout": None, "containerOverrides": {"command": None}})


def test_retry_actions_are_taken_in_any_case() -> None:
    """The one enumeration for which the reference says so."""
    rules = [{"onReason": "*", "action": word} for word in ("retry", "EXIT", "Exit")]
    SHAPES.check("SubmitJob", {**JOB, "retryStrategy": {"attempts": 2, "evaluateOnExit": rules}})


def test_what_was_got_is_shown_in_part_only() -> None:
    """An error text is one sentence, whatever was sent."""
    with pytest.raises(ApiError) as refusal:
        SHAPES.check("SubmitJob", {**JOB, "timeout": "x" * 10_000})
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1/submitjob", "SubmitJob"),
        ("POST", "/v1/submitjob/", "SubmitJob"),
        ("GET", "/v1/tags/arn%3Aaws", "ListTagsForResource"),
        ("POST", "/v1/tags/arn%3Aaws", "TagResource"),
        ("DELETE", "/v1/tags/arn%3Aaws", "UntagResource"),
        ("GET", "/v1/submitjob", None),
        ("POST", "/v1/SubmitJob", None),
    ],
)
def test_paths_name_operations(method: str, path: str, operation: str | None) -> None:
    """From the model's own table."""
    assert SHAPES.operation(method, path) == operation
