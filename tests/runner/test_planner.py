"""Requests: what is sent to SubmitJob, and what is refused instead of being sent."""

from __future__ import annotations

import re

import pytest

from batch_limits import JOB_NAME_PATTERN
from runner.errors import InputError
from runner.names import MAX_TASK_NAME, MAX_WORKFLOW_NAME, job_name
from runner.requests import overrides_characters, payload_bytes, with_dependencies
from tests.runner.fake_batch import arn
from tests.runner.planned import RUN_ID, planned
from tests.runner.service_model import check_request, enum_problems, service


def test_a_task_with_every_key_becomes_exactly_this_request() -> None:
    """And the service's model allows it."""
    made = planned(
        {
            "first": {},
            "full": {
                "needs": ["first"],
                "queue": "high",
                "command": ["--out", "${prefix}${job_name}", "${jobs.first}", "$$x", 7],
                "environment": {"RUN": "${run_id}", "B": "${bucket}", "T": "${task}"},
                "vcpus": 0.25,
                "memory_mib": 512,
                "retries": {"attempts": 2, "on": ["host_lost"]},
                "timeout_seconds": 90,
            },
        }
    )
    request = with_dependencies(made.jobs[1].request, ["id-of-first"])
    assert request == {
        "jobName": f"{RUN_ID}-full",
        "jobQueue": arn("job-queue", "high-queue"),
        "jobDefinition": arn("job-definition", "dopi:1"),
        "containerOverrides": {
            "command": ["--out", f"results/{RUN_ID}/{RUN_ID}-full", f"{RUN_ID}-first", "$x", "7"],
            "environment": [
                {"name": "RUN", "value": RUN_ID},
                {"name": "B", "value": "bucket"},
                {"name": "T", "value": "full"},
            ],
            "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}],
        },
        "retryStrategy": {
            "attempts": 2,
            "evaluateOnExit": [
                {"onStatusReason": "Host EC2*", "action": "RETRY"},
                {"onReason": "*", "action": "EXIT"},
            ],
        },
        "timeout": {"attemptDurationSeconds": 90},
        "dependsOn": [{"jobId": "id-of-first"}],
    }
    check_request("batch", "SubmitJob", request)


def test_what_a_task_leaves_out_is_left_to_the_job_definition() -> None:
    """An empty override would replace what stands there."""
    assert dict(planned({"t": {}}).jobs[0].request) == {
        "jobName": f"{RUN_ID}-t",
        "jobQueue": arn("job-queue", "normal-queue"),
        "jobDefinition": arn("job-definition", "dopi:1"),
    }


def test_batchs_own_names_are_passed_on() -> None:
    """Not every job definition is of this deployment."""
    request = planned({"t": {"queue": "their-queue", "job_definition": "theirs:3"}}).jobs[0].request
    assert (request["jobQueue"], request["jobDefinition"]) == ("their-queue", "theirs:3")


def test_the_longest_names_make_a_job_name_that_batch_takes() -> None:
    """128 characters, all of them allowed."""
    longest = job_name("w" * MAX_WORKFLOW_NAME + RUN_ID[1:], "t" * MAX_TASK_NAME)
    assert len(longest) == 128
    assert re.fullmatch(JOB_NAME_PATTERN, longest)


def test_twenty_dependencies_pass_and_one_more_is_refused() -> None:
    """Batch would refuse the job after its dependencies had been submitted."""
    group = {"foreach": {"n": list(range(20))}}
    assert len(planned({"m": group, "sum": {"needs": ["m"]}}).jobs[-1].task.needs) == 20
    with pytest.raises(InputError, match=r"tasks\.sum: a job depends on at most 20 others .* 'sum' got 21; gather"):
        planned({"m": group, "one": {}, "sum": {"needs": ["m", "one"]}})


def test_overrides_of_8192_characters_pass_and_one_more_is_refused() -> None:
    """ECS would fail the job after SubmitJob had accepted it."""
    empty = overrides_characters(planned({"t": {"command": ["x"]}}).jobs[0].request)
    fits = "x" * (8192 - empty + 1)
    assert overrides_characters(planned({"t": {"command": [fits]}}).jobs[0].request) == 8192
    with pytest.raises(InputError, match=r"at most 8192 characters of JSON .* got 8193; put long values into"):
        planned({"t": {"command": [f"{fits}x"]}})


def test_a_request_beyond_30_kib_is_refused() -> None:
    """Counted in bytes, with its dependencies."""
    assert payload_bytes({"jobName": "x"}, 20) > payload_bytes({"jobName": "x"}, 0) + 20 * 36
    with pytest.raises(InputError, match=r"a SubmitJob request has at most 30720 bytes .* got \d+"):
        planned({"t": {"command": ["ü" * 8000]}})


def test_a_credential_put_together_by_substitution_is_refused() -> None:
    """Each part looked harmless in the file."""
    with pytest.raises(InputError, match="a request carries no credential"):
        planned({"t": {"command": ["AK${x}"], "foreach": {"x": ["IAQ3EXAMPLE7EXAMPL"]}}})


def test_the_check_of_enums_finds_a_value_that_the_validator_lets_pass() -> None:
    """The check itself is checked."""
    shape = service("batch").operation_model("SubmitJob").input_shape
    request = {"containerOverrides": {"resourceRequirements": [{"type": "CPU", "value": "1"}]}}
    assert enum_problems(shape, request) == ["ResourceType: 'CPU'"]
