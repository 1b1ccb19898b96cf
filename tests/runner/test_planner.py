"""Requests: what is sent to SubmitJob, and what is refused instead of being sent."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from batch_limits import JOB_NAME_PATTERN
from runner.errors import InputError
from runner.names import MAX_SUBMISSIONS, MAX_TASK_NAME, MAX_WORKFLOW_NAME, job_name
from runner.planner import plan
from runner.requests import overrides_characters, payload_bytes, with_dependencies
from tests.runner.expanded import children
from tests.runner.fake_batch import arn
from tests.runner.planned import RUN_ID, definition, planned, surroundings, workflow
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
                "gpus": 3,
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
            "resourceRequirements": [
                {"type": "VCPU", "value": "0.25"},
                {"type": "MEMORY", "value": "512"},
                {"type": "GPU", "value": "3"},
            ],
        },
        "retryStrategy": {
            "attempts": 2,
            "evaluateOnExit": [
                {"onStatusReason": "Host EC2*", "action": "RETRY"},
                {"onReason": "*", "action": "EXIT"},
            ],
        },
        "timeout": {"attemptDurationSeconds": 90},
        "tags": {"cloud-hpc:deployment": "CloudHpc", "cloud-hpc:run": RUN_ID},
        "dependsOn": [{"jobId": "id-of-first"}],
    }
    check_request("batch", "SubmitJob", request)


def test_what_a_task_leaves_out_is_left_to_the_job_definition() -> None:
    """An empty override would replace what stands there."""
    assert dict(planned({"t": {}}).jobs[0].request) == {
        "jobName": f"{RUN_ID}-t",
        "jobQueue": arn("job-queue", "normal-queue"),
        "jobDefinition": arn("job-definition", "dopi:1"),
        "tags": {"cloud-hpc:deployment": "CloudHpc", "cloud-hpc:run": RUN_ID},
    }


def test_batchs_own_names_are_passed_on() -> None:
    """Not every job definition is of this deployment."""
    request = planned({"t": {"queue": "their-queue", "job_definition": "theirs:3"}}).jobs[0].request
    assert (request["jobQueue"], request["jobDefinition"]) == ("their-queue", "theirs:3")


def test_the_longest_names_make_a_job_name_that_batch_takes() -> None:
    """128 characters, all of them allowed."""
    longest = job_name("w" * MAX_WORKFLOW_NAME + RUN_ID[1:], "t" * MAX_TASK_NAME, MAX_SUBMISSIONS)
    assert len(longest) == 128
    assert re.fullmatch(JOB_NAME_PATTERN, longest)


def test_outside_jobs_and_dependencies_share_twenty_places() -> None:
    """What is needed beside 19 outside jobs is gathered into one; beside 20 there is no place."""
    others = [f"{number:08d}-0000-0000-0000-000000000000" for number in range(20)]
    tasks: dict[str, dict[str, Any]] = {f"a{i}": {"timeout_seconds": 60 + i} for i in range(5)}
    last = planned({**tasks, "sum": {"needs": list(tasks), "after": others[:19]}}).plan.requests[-1]
    assert (len(last.depends_on), len(last.after)) == (1, 19)
    with pytest.raises(InputError, match=r"tasks\.sum: a job waits for at most 19 jobs outside .* got 20; leave"):
        planned({**tasks, "sum": {"needs": list(tasks), "after": others}})


def test_overrides_of_8192_characters_pass_and_one_more_is_refused() -> None:
    """ECS would fail the job after SubmitJob had accepted it; the image has no launcher that could fetch more."""
    plain = {"job_definition": "plain:1"}
    empty = overrides_characters(planned({"t": {**plain, "command": ["x"]}}).jobs[0].request)
    fits = "x" * (8192 - empty + 1)
    assert overrides_characters(planned({"t": {**plain, "command": [fits]}}).jobs[0].request) == 8192
    with pytest.raises(InputError, match=r"at most 8192 characters of JSON .* got 8193, and its image has no launcher"):
        planned({"t": {**plain, "command": [f"{fits}x"]}})


def test_a_long_command_is_spilled_and_found_again_by_its_hash() -> None:
    """The launcher of the image fetches it from the bucket."""
    made = planned({"t": {"command": ["x" * 100_000], "environment": {"A": "b"}}})
    (request,) = made.plan.requests
    assert overrides_characters(request.request) < 1000
    assert children(made.plan, request) == [(["x" * 100_000], {"A": "b"})]
    check_request("batch", "SubmitJob", dict(request.request))


def test_children_are_told_inline_while_that_is_short() -> None:
    """A person who describes the job reads what its children do; a thousand of them are an object."""
    few = planned({"t": {"foreach": {"i": {"from": 1, "to": 3}}, "command": ["-n", "${i}", "${task}"]}})
    assert not few.plan.objects
    assert few.plan.requests[0].request["containerOverrides"] == {
        "environment": [
            {
                "name": "HPC_CHILDREN",
                "value": '{"children":[[["-n","1","t-1"],{}],[["-n","2","t-2"],{}],[["-n","3","t-3"],{}]]}',
            }
        ]
    }
    many = planned({"t": {"foreach": {"i": {"from": 1, "to": 1000}}, "command": ["-n", "${i}"]}})
    assert len(many.plan.objects) == 1
    assert children(many.plan, many.plan.requests[0])[999] == (["-n", "1000"], {})


def test_children_of_a_shell_are_told_by_a_script() -> None:
    """It does for each index what that child's own command does: run here, by a real shell."""
    command = ["sh", "-c", 'printf "%s %s %s" "$0" "$1" "$A"', "it's", "${i}"]
    tasks = {
        "t": {
            "job_definition": "plain:1",
            "foreach": {"i": ["a b", "$HOME", "c'd"]},
            "command": command,
            "environment": {"A": "<${i}>"},
        }
    }
    (request,) = planned(tasks).plan.requests
    script = request.request["containerOverrides"]["command"]
    said = [
        subprocess.run(
            script, env={"AWS_BATCH_JOB_ARRAY_INDEX": str(index)}, capture_output=True, text=True, check=True
        ).stdout
        for index in range(3)
    ]
    assert said == ["it's a b <a b>", "it's $HOME <$HOME>", "it's c'd <c'd>"]


def test_faults_of_the_cloud_are_retried_where_the_definition_says_nothing() -> None:
    """The program's own failures are not."""
    made = plan_of_a_definition_without_retries()
    assert made["retryStrategy"]["attempts"] == 3
    assert made["retryStrategy"]["evaluateOnExit"][-1] == {"onReason": "*", "action": "EXIT"}


def plan_of_a_definition_without_retries() -> Mapping[str, Any]:
    """The request of a task that says nothing of retries either."""
    made = workflow({"t": {"job_definition": "theirs:1"}})
    around = surroundings()
    theirs = dataclasses.replace(definition("theirs:1"), has_retries=False)
    around = dataclasses.replace(around, definitions={**around.definitions, "theirs:1": theirs})
    return plan("w", made.graph(), RUN_ID, made.places, around).jobs[0].request


def test_a_request_beyond_30_kib_is_refused() -> None:
    """Counted in bytes, with its dependencies."""
    assert payload_bytes({"jobName": "x"}, 20) > payload_bytes({"jobName": "x"}, 0) + 20 * 36
    with pytest.raises(InputError, match=r"a SubmitJob request has at most 30720 bytes .* got \d+"):
        planned({"t": {"job_definition": "plain:1", "command": ["ü" * 8000]}})


def test_a_credential_put_together_by_substitution_is_refused() -> None:
    """Each part looked harmless in the file."""
    with pytest.raises(InputError, match="a request carries no credential"):
        planned({"t": {"command": ["AK${x}"], "foreach": {"x": ["IAQ3EXAMPLE7EXAMPL"]}}})


def test_the_check_of_enums_finds_a_value_that_the_validator_lets_pass() -> None:
    """The check itself is checked."""
    shape = service("batch").operation_model("SubmitJob").input_shape
    request = {"containerOverrides": {"resourceRequirements": [{"type": "CPU", "value": "1"}]}}
    assert enum_problems(shape, request) == ["ResourceType: 'CPU'"]
