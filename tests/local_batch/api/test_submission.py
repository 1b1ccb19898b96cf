"""SubmitJob: what is refused, and what definition and overrides become together."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.engine.jobs import Demand, ExitRule
from local_batch.engine.jobs import Job as Record
from tests.local_batch.api.front import ARN, Front, definition, ec2_definition, size


def record(front: Front, job_id: str) -> Record:
    """The engine's own record."""
    return front.dispatcher.engine.jobs[job_id]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"jobName": "-a"}, "Job name should match valid pattern"),
        ({"jobName": "a" * 129}, "Job name should match valid pattern"),
        ({"jobName": "a\n"}, "Job name should match valid pattern"),
        ({"jobQueue": "nowhere"}, "JobQueue nowhere not found."),
        ({"jobDefinition": "nothing"}, "JobDefinition nothing not found or is not ACTIVE."),
        ({"jobDefinition": "shell:2"}, "JobDefinition shell:2 not found or is not ACTIVE."),
        ({"jobDefinition": "arn:aws:batch:here-1:999999999999:job-definition/shell:1"}, "not found or is not ACTIVE"),
        ({"jobQueue": "ec2"}, "JobDefinition shell requires FARGATE, which JobQueue ec2 does not offer."),
        ({"jobDefinition": "tool"}, "JobDefinition tool requires EC2, which JobQueue normal does not offer."),
        ({"dependsOn": [{"jobId": "nobody"}]}, "dependsOn jobId nobody does not exist."),
        ({"dependsOn": [{}]}, "dependsOn jobId None does not exist."),
        ({"dependsOn": [{"jobId": "x"}] * 21}, "Job cannot have more than 20 dependencies"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "dependsOn.type: is not played by the local cloud"),
        ({"arrayProperties": {"size": 2}}, "arrayProperties: is not played"),
        ({"nodeOverrides": {"numNodes": 2}}, "nodeOverrides: is not played"),
        ({"shareIdentifier": "a"}, "shareIdentifier: is not played"),
        ({"schedulingPriorityOverride": 5}, "schedulingPriorityOverride: is not played"),
        ({"containerOverrides": {"instanceType": "m6i.large"}}, "containerOverrides.instanceType: is not played"),
        ({"containerOverrides": {"command": ["a", ""]}}, "Container command must not contain empty strings."),
        ({"containerOverrides": {"command": ["\0"]}}, "must not contain NUL characters"),
        ({"containerOverrides": {"memory": 4096}}, "This value was submitted in a deprecated key"),
        ({"containerOverrides": {"environment": [{"name": "AWS_BATCH_JOB_ID"}]}}, "must not start with AWS_BATCH"),
        ({"containerOverrides": {"resourceRequirements": size("1", "3000")}}, "Fargate with 1 vCPUs runs"),
        ({"containerOverrides": {"resourceRequirements": size("1", "2048") * 2}}, "Cannot provide duplicates"),
        ({"containerOverrides": {"resourceRequirements": [{"type": "GPU", "value": "1"}]}}, "GPU: is not played"),
        ({"retryStrategy": {"attempts": 11}}, "RetryAttempts must be between 1 and 10, got 11."),
        ({"timeout": {"attemptDurationSeconds": 59}}, "Timeout attemptDurationSeconds must be at least 60, got 59."),
        ({"tags": {"AWS:x": "y"}}, "do not begin with aws:"),
        ({"parameters": {"a": "x" * 31_000}}, "SubmitJob payload must be at most 30 KiB."),
    ],
)
def test_submissions_that_aws_would_refuse_are_refused(front: Front, change: dict[str, Any], text: str) -> None:
    """No job is made of them."""
    with pytest.raises(ApiError, match=text):
        front.submit(**change)
    assert front.dispatcher.engine.jobs == {}


def test_a_submission_is_answered_with_arn_name_and_id(front: Front) -> None:
    """And two calls make two jobs: there is no idempotency."""
    request = {"jobName": "a_B-1", "jobQueue": f"{ARN}job-queue/normal", "jobDefinition": f"{ARN}job-definition/shell"}
    first, second = front.call("SubmitJob", **request), front.call("SubmitJob", **request)
    assert first == {"jobArn": f"{ARN}job/{first['jobId']}", "jobName": "a_B-1", "jobId": first["jobId"]}
    assert first["jobId"] != second["jobId"]


@pytest.mark.parametrize(
    ("reference", "revision"),
    [
        ("shell", 2),
        ("shell:1", 1),
        (f"{ARN}job-definition/shell", 2),
        (f"{ARN}job-definition/shell:1", 1),
    ],
)
def test_a_definition_is_named_in_four_ways(front: Front, reference: str, revision: int) -> None:
    """Without a revision the latest ACTIVE one is meant."""
    front.call("RegisterJobDefinition", **definition("shell"))
    front.call("RegisterJobDefinition", **definition("shell"))
    front.call("DeregisterJobDefinition", jobDefinition="shell:3")
    job = front.job(front.submit(jobDefinition=reference))
    assert job["jobDefinition"] == f"{ARN}job-definition/shell:{revision}"


def test_overrides_win_by_name_and_type_and_the_command_as_a_whole(front: Front) -> None:
    """Environment merges by name, requirements by type; what is not overridden stays."""
    container = {
        "command": ["run", "--slow"],
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        "jobRoleArn": "arn:aws:iam::123456789012:role/job",
    }
    front.call("RegisterJobDefinition", **definition("d", container=container))
    overrides = {
        "command": ["run", "--fast"],
        "environment": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
        "resourceRequirements": [{"type": "MEMORY", "value": "4096"}],
    }
    job_id = front.submit(jobDefinition="d", containerOverrides=overrides)
    shown = front.job(job_id)["container"]
    assert shown["command"] == ["run", "--fast"]
    assert {entry["name"]: entry["value"] for entry in shown["environment"]} == {"A": "1", "B": "3", "C": "4"}
    assert shown["resourceRequirements"] == size("1", "4096")
    assert shown["jobRoleArn"] == "arn:aws:iam::123456789012:role/job"
    assert record(front, job_id).spec.demand == Demand(vcpus=1, memory_mib=4096)


def test_deprecated_keys_override_only_deprecated_keys(front: Front) -> None:
    """On EC2, where the definition has them too; else AWS's text about the conflict."""
    old = {"vcpus": 1, "memory": 512, "resourceRequirements": []}
    front.call("RegisterJobDefinition", **ec2_definition("old", container=old))
    job_id = front.submit(jobQueue="ec2", jobDefinition="old", containerOverrides={"vcpus": 2, "memory": 1024})
    assert record(front, job_id).spec.demand == Demand(vcpus=2, memory_mib=1024)
    assert "vcpus" not in front.job(job_id)["container"]
    with pytest.raises(ApiError, match="submitted in a deprecated key"):
        front.submit(jobQueue="ec2", jobDefinition="tool", containerOverrides={"vcpus": 2})


def test_placeholders_are_filled_from_parameters(front: Front) -> None:
    """Whole words and parts; the submission's value, else the definition's; unknown ones stay."""
    container = {"command": ["Ref::a", "x=Ref::b,Ref::a-1", "Ref::missing", "Ref::", "plain"]}
    front.call("RegisterJobDefinition", **definition("d", container=container, parameters={"a": "1", "b": "2"}))
    job = front.job(front.submit(jobDefinition="d", parameters={"b": "two"}))
    assert job["container"]["command"] == ["1", "x=two,Ref::a-1", "Ref::missing", "Ref::", "plain"]
    assert job["parameters"] == {"a": "1", "b": "two"}


def test_retry_strategy_and_timeout_replace_the_definitions(front: Front) -> None:
    """As a whole, nothing is merged; and neither is shown where nobody gave one."""
    rules = [{"action": "exit", "onReason": "a*", "onExitCode": "1"}]
    front.call(
        "RegisterJobDefinition",
        **definition(
            "d",
            retryStrategy={"attempts": 5, "evaluateOnExit": rules},
            timeout={"attemptDurationSeconds": 100},
        ),
    )
    own = record(front, front.submit(jobDefinition="d")).spec
    assert (own.retry.attempts, own.timeout_seconds) == (5, 100)
    assert own.retry.rules == (ExitRule(retry=False, on_exit_code="1", on_reason="a*"),)
    replaced = front.job(
        front.submit(jobDefinition="d", retryStrategy={"attempts": 2}, timeout={"attemptDurationSeconds": 60})
    )
    assert replaced["retryStrategy"] == {"attempts": 2, "evaluateOnExit": []}
    assert replaced["timeout"] == {"attemptDurationSeconds": 60}
    assert not {"retryStrategy", "timeout"} & front.job(front.submit()).keys()


def test_logs_go_where_the_definition_says(front: Front) -> None:
    """Group and prefix of awslogs, else /aws/batch/job and 200 characters of the definition's name."""
    options = {"awslogs-group": "/mine", "awslogs-stream-prefix": "dopi"}
    front.call(
        "RegisterJobDefinition",
        **definition("d", container={"logConfiguration": {"logDriver": "awslogs", "options": options}}),
    )
    spec = record(front, front.submit(jobDefinition="d")).spec
    assert (spec.log_group, spec.log_stream_prefix) == ("/mine", "dopi/default/")
    spec = record(front, front.submit()).spec
    assert (spec.log_group, spec.log_stream_prefix) == ("/aws/batch/job", "shell/default/")


def test_job_tags_are_the_submissions(front: Front) -> None:
    """propagateTags is about the ECS task: the definition's tags do not become the job's."""
    front.call("RegisterJobDefinition", **definition("d", tags={"of": "definition"}, propagateTags=True))
    job = front.job(front.submit(jobDefinition="d", tags={"of": "job"}))
    assert (job["tags"], job["propagateTags"]) == ({"of": "job"}, True)
    assert front.job(front.submit(jobDefinition="d", propagateTags=False))["propagateTags"] is False


def test_overrides_too_long_for_ecs_fail_the_job_not_the_call(front: Front) -> None:
    """8192 characters of JSON, Batch's own variables included: found when ECS is asked, as on AWS."""
    job_id = front.submit(containerOverrides={"command": ["x" * 8_100]}, retryStrategy={"attempts": 3})
    job = front.job(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "Container Overrides length must be at most 8192")
    assert job["attempts"] == []
    dependent = front.job(front.submit(dependsOn=[{"jobId": job_id}]))
    assert dependent["statusReason"] == "Dependent Job failed"
    assert front.job(front.submit(containerOverrides={"command": ["x" * 7_800]}))["status"] == "STARTING"


def test_a_definitions_own_long_command_is_no_override(front: Front) -> None:
    """What stands in the definition is in the ECS task definition, which has no such limit."""
    front.call("RegisterJobDefinition", **definition("long", container={"command": ["x" * 10_000]}))
    assert front.job(front.submit(jobDefinition="long"))["status"] == "STARTING"


def test_too_many_tags_to_propagate_fail_the_job(front: Front) -> None:
    """Over 50 of job and definition together, same names counted once."""
    tags = {f"d{number}": "x" for number in range(30)}
    front.call("RegisterJobDefinition", **definition("d", tags=tags, propagateTags=True))
    own = {f"j{number}": "x" for number in range(21)}
    job = front.job(front.submit(jobDefinition="d", tags=own))
    assert job["status"] == "FAILED"
    assert "more than 50 tags" in job["statusReason"]
    assert front.job(front.submit(jobDefinition="d", tags=own, propagateTags=False))["status"] == "STARTING"
    assert front.job(front.submit(jobDefinition="d", tags=dict(list(own.items())[:20])))["status"] == "STARTING"
