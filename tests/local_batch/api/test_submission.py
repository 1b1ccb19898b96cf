"""SubmitJob: what is refused, and what definition and overrides become together."""

from __future__ import annotations

from typing import Any

import pytest

from local_batch.api.errors import ApiError
from local_batch.engine.jobs import Demand, ExitRule
from tests.local_batch.api.front import ARN, Front, definition, ec2_definition, size


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
        ({"ecsPropertiesOverride": {"taskProperties": [{}]}}, "ecsPropertiesOverride: is not played by the local"),
        ({"eksPropertiesOverride": {"podProperties": {"containers": [{}]}}}, "eksPropertiesOverride: is not played"),
        (
            {"consumableResourcePropertiesOverride": {"consumableResourceList": [{"consumableResource": "r"}]}},
            "consumableResourcePropertiesOverride: is not played",
        ),
        ({"retryStrategy": {"attempts": 11}}, r"RetryAttempts must be between 1 and 10\."),
        (
            {"timeout": {"attemptDurationSeconds": 59}},
            r"AttemptDurationSeconds in Timeout must be at least 60 seconds\.",
        ),
        ({"tags": {"AWS:x": "y"}}, "do not begin with aws:"),
        ({"parameters": {"a": "x" * 31_000}}, "Job size must be less than 30 KiB, got 31 KiB"),
        ({"parameters": {"a": "ä" * 15_400}}, "Job size must be less than 30 KiB, got 31 KiB"),
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
        "environment": [{"name": "B", "value": "3"}, {"name": "C"}],
        "resourceRequirements": [{"type": "MEMORY", "value": "4096"}],
    }
    job_id = front.submit(jobDefinition="d", containerOverrides=overrides)
    shown = front.job(job_id)["container"]
    assert shown["command"] == ["run", "--fast"]
    assert {entry["name"]: entry["value"] for entry in shown["environment"]} == {"A": "1", "B": "3", "C": ""}
    assert shown["resourceRequirements"] == size("1", "4096")
    assert shown["jobRoleArn"] == "arn:aws:iam::123456789012:role/job"
    assert front.record(job_id).container.demand == Demand(vcpus=1, memory_mib=4096)


def test_deprecated_members_are_shown_as_they_were_given(front: Front) -> None:
    """Not as resource requirements; an override of the same kind replaces them, an override in the new form removes."""
    old = {"vcpus": 1, "memory": 512, "resourceRequirements": []}
    front.call("RegisterJobDefinition", **ec2_definition("old", container=old))
    job_id = front.submit(jobQueue="ec2", jobDefinition="old", containerOverrides={"vcpus": 2, "memory": 1024})
    assert front.record(job_id).container.demand == Demand(vcpus=2, memory_mib=1024)
    shown = front.job(job_id)["container"]
    assert (shown["vcpus"], shown["memory"], shown["resourceRequirements"]) == (2, 1024, [])
    mixed = {"resourceRequirements": [{"type": "VCPU", "value": "2"}]}
    shown = front.job(front.submit(jobQueue="ec2", jobDefinition="old", containerOverrides=mixed))["container"]
    assert "vcpus" not in shown
    assert (shown["memory"], shown["resourceRequirements"]) == (512, [{"type": "VCPU", "value": "2"}])


def test_placeholders_are_filled_from_parameters(front: Front) -> None:
    """The submission's over the definition's, in the override's command too; what has no value stays."""
    front.call(
        "RegisterJobDefinition",
        **definition("d", container={"command": ["Ref::a", "b=Ref::b", "Ref::c"]}, parameters={"a": "1", "b": "2"}),
    )
    job = front.job(front.submit(jobDefinition="d", parameters={"b": "3", "metaflow.user": "me"}))
    assert job["container"]["command"] == ["1", "b=3", "Ref::c"]
    assert job["parameters"] == {"a": "1", "b": "3", "metaflow.user": "me"}
    job = front.job(front.submit(jobDefinition="d", containerOverrides={"command": ["Ref::a/Ref::b", "Ref::ab"]}))
    assert job["container"]["command"] == ["1/2", "Ref::ab"]


def test_retry_strategy_and_timeout_replace_the_definitions(front: Front) -> None:
    """As a whole: nothing of the two is merged; actions are shown in lower case, and nothing where nobody says."""
    rules = [{"action": "EXIT", "onExitCode": "1", "onReason": "a*", "onStatusReason": ""}]
    front.call(
        "RegisterJobDefinition",
        **definition(
            "d",
            retryStrategy={"attempts": 5, "evaluateOnExit": rules},
            timeout={"attemptDurationSeconds": 100},
        ),
    )
    job_id = front.submit(jobDefinition="d")
    own = front.record(job_id).profile
    assert (own.retry.attempts, own.timeout_seconds) == (5, 100)
    assert own.retry.rules == (ExitRule(retry=False, on_exit_code="1", on_reason="a*"),)
    assert front.job(job_id)["retryStrategy"]["evaluateOnExit"][0]["action"] == "exit"
    replaced = front.job(
        front.submit(jobDefinition="d", retryStrategy={"attempts": 2}, timeout={"attemptDurationSeconds": 60})
    )
    assert replaced["retryStrategy"] == {"attempts": 2, "evaluateOnExit": []}
    assert replaced["timeout"] == {"attemptDurationSeconds": 60}
    assert not {"retryStrategy", "timeout", "propagateTags"} & front.job(front.submit()).keys()


def test_logs_go_where_the_definition_says(front: Front) -> None:
    """Group and prefix of awslogs, else /aws/batch/job and 200 characters of the definition's name."""
    options = {"awslogs-group": "/mine", "awslogs-stream-prefix": "dopi"}
    front.call(
        "RegisterJobDefinition",
        **definition("d", container={"logConfiguration": {"logDriver": "awslogs", "options": options}}),
    )
    container = front.record(front.submit(jobDefinition="d")).container
    assert (container.log_group, container.log_stream_prefix) == ("/mine", "dopi/default/")
    container = front.record(front.submit()).container
    assert (container.log_group, container.log_stream_prefix) == ("/aws/batch/job", "shell/default/")


def test_job_tags_are_the_submissions(front: Front) -> None:
    """propagateTags is about the ECS task: the definition's tags do not become the job's. A value may be empty."""
    front.call("RegisterJobDefinition", **definition("d", tags={"of": "definition"}, propagateTags=True))
    job = front.job(front.submit(jobDefinition="d", tags={"of": "job", "redun_project": ""}))
    assert (job["tags"], job["propagateTags"]) == ({"of": "job", "redun_project": ""}, True)
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


def test_what_submissions_have_in_common_is_kept_once(front: Front) -> None:
    """One profile for jobs that differ in name, command, environment and tags; equal commands are one object."""
    environment = [{"name": "A", "value": "1"}]
    ids = [
        front.submit(
            jobName=f"job{number}",
            tags={"number": str(number)},
            containerOverrides={"command": ["run", str(number % 2)], "environment": environment},
        )
        for number in range(4)
    ]
    first, second, third, _ = (front.record(job_id) for job_id in ids)
    assert first.profile is second.profile
    assert first.spec.command is third.spec.command
    assert first.spec.environment is second.spec.environment
    assert first.spec.parameters is second.spec.parameters
    other = front.record(front.submit(timeout={"attemptDurationSeconds": 60}))
    assert set(front.dispatcher.engine.profiles) == {first.profile.key, other.profile.key}


@pytest.mark.parametrize(
    "member", [{"repositoryCredentials": {"credentialsParameter": "a"}}, {"enableExecuteCommand": True}]
)
def test_definitions_may_have_what_no_job_is_submitted_with(front: Front, member: dict[str, Any]) -> None:
    """A deployment can declare it, and its jobs are refused by name rather than run without it."""
    front.call("RegisterJobDefinition", **definition("declared", container=member))
    (name,) = member
    (shown,) = front.call("DescribeJobDefinitions", jobDefinitionName="declared")["jobDefinitions"]
    assert shown["containerProperties"][name] == member[name]
    with pytest.raises(ApiError, match=f"containerProperties.{name}: is not played by the local cloud"):
        front.submit(jobDefinition="declared")
