"""What becomes of a job, as a client of AWS Batch sees it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.contract.service import WHOLE, Service, container, register


def test_a_job_succeeds_with_its_times_exit_code_and_log(service: Service) -> None:
    """DescribeJobs of a finished job has what a client needs to explain it."""
    job = service.wait(service.submit("echo one; echo two >&2"))
    assert (job["status"], job["statusReason"]) == ("SUCCEEDED", "Essential container in task exited")
    assert job["container"]["exitCode"] == 0
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [0]
    assert service.log(job) == ["one", "two"]
    assert job["container"]["logStreamName"].startswith("shell/default/")


def test_a_job_that_has_not_started_says_nothing_of_it(service: Service) -> None:
    """There is neither startedAt nor stoppedAt, and no attempt."""
    first = service.submit("sleep 30")
    waiting = service.job(service.submit(dependsOn=[{"jobId": first}]))
    service.batch.terminate_job(jobId=first, reason="seen enough")
    assert (waiting["status"], waiting["attempts"]) == ("PENDING", [])
    assert not {"startedAt", "stoppedAt"} & waiting.keys()
    assert "statusReason" not in waiting


def test_the_container_sees_batchs_variables_and_its_own(service: Service) -> None:
    """Overrides win over the definition; nothing of the server's environment, and no key, leaks in."""
    job_id = service.submit("env", overrides={"environment": [{"name": "COLOUR", "value": "blue"}]})
    lines = dict(line.partition("=")[::2] for line in service.log(service.wait(job_id)))
    expected = {
        "AWS_BATCH_JOB_ID": job_id,
        "AWS_BATCH_JOB_ATTEMPT": "1",
        "AWS_BATCH_JQ_NAME": "normal",
        "AWS_BATCH_CE_NAME": "fargate",
        "COLOUR": "blue",
        "AWS_REGION": service.endpoint.region,
        "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
    }
    assert {name: lines.get(name) for name in expected} == expected
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & lines.keys()
    shown = {entry["name"] for entry in service.job(job_id)["container"]["environment"]}
    assert shown == {"COLOUR"}


def test_dependents_run_after_what_they_depend_on(service: Service) -> None:
    """The second starts no earlier than the first has stopped."""
    first = service.submit("sleep 0.3")
    second = service.submit(dependsOn=[{"jobId": first}])
    after = service.wait(second)
    before = service.job(first)
    assert after["status"] == "SUCCEEDED"
    assert after["startedAt"] >= before["stoppedAt"]
    assert after["dependsOn"] == [{"jobId": first}]


def test_a_failed_dependency_fails_its_dependents_in_awss_words(service: Service) -> None:
    """`Dependent Job failed`, and no attempt was made."""
    first = service.submit("exit 3")
    job = service.wait(service.submit(dependsOn=[{"jobId": first}]))
    assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", "Dependent Job failed", [])
    assert service.job(first)["container"]["exitCode"] == 3


def test_retries_leave_a_record_each_with_a_log_stream_of_its_own(service: Service) -> None:
    """Two attempts fail, the third succeeds."""
    job_id = service.submit('test "$AWS_BATCH_JOB_ATTEMPT" = 3', retryStrategy={"attempts": 5})
    job = service.wait(job_id)
    assert job["status"] == "SUCCEEDED"
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [1, 1, 0]
    assert len({attempt["container"]["logStreamName"] for attempt in job["attempts"]}) == 3


def test_evaluate_on_exit_stops_retrying(service: Service) -> None:
    """An exit code that the rules call final is not tried again."""
    rules = [{"onExitCode": "4*", "action": "exit"}, {"onReason": "*", "action": "retry"}]
    job = service.wait(service.submit("exit 42", retryStrategy={"attempts": 5, "evaluateOnExit": rules}))
    assert (job["status"], len(job["attempts"])) == ("FAILED", 1)


def test_an_image_that_is_not_there_is_awss_pull_error(service: Service) -> None:
    """The attempt has a reason and no start; the job `Task failed to start`."""
    properties = {
        **service.call("DescribeJobDefinitions", "describe_job_definitions", jobDefinitions=["shell:1"])[
            "jobDefinitions"
        ][0]["containerProperties"]
    }
    register(service.batch, "absent", container_properties={**properties, "image": "shell:0123456789abcdef"})
    job = service.wait(service.submit(jobDefinition="absent"))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["attempts"][0]["container"]["reason"].startswith("CannotPullContainerError:")
    assert "startedAt" not in job["attempts"][0]
    assert "exitCode" not in job["container"]


def test_terminate_ends_a_running_job_with_the_reason_given(service: Service) -> None:
    """The job and its attempt carry the caller's words; SIGTERM reaches the program."""
    job_id = service.submit(
        "trap 'echo asked; exit 0' TERM; echo ready; sleep 60 & wait", retryStrategy={"attempts": 3}
    )
    service.wait(job_id, "RUNNING")
    service.until(lambda: service.log(service.job(job_id)), lambda lines: "ready" in lines)
    service.call("TerminateJob", "terminate_job", jobId=job_id, reason="wrong input")
    job = service.wait(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "wrong input")
    assert [attempt["statusReason"] for attempt in job["attempts"]] == ["wrong input"]
    assert job["isTerminated"] is True
    assert "asked" in service.log(job)


def test_cancel_takes_back_a_waiting_job_and_leaves_a_running_one(service: Service) -> None:
    """CancelJob on RUNNING answers 200 and does nothing."""
    running = service.submit("sleep 600", overrides=dict(WHOLE))
    waiting = service.submit()
    service.wait(running, "RUNNING")
    service.call("CancelJob", "cancel_job", jobId=waiting, reason="not needed")
    service.call("CancelJob", "cancel_job", jobId=running, reason="not needed")
    job = service.job(waiting)
    assert (job["status"], job["statusReason"], job["isCancelled"]) == ("FAILED", "not needed", True)
    assert service.job(running)["status"] == "RUNNING"
    service.call("TerminateJob", "terminate_job", jobId=running, reason="seen enough")
    assert service.wait(running)["statusReason"] == "seen enough"


def test_parameters_fill_the_commands_placeholders(service: Service) -> None:
    """Ref::name from the submission, else from the definition; an unknown one stays."""
    properties = service.batch.describe_job_definitions(jobDefinitions=["shell:1"])["jobDefinitions"][0]
    command = ["echo", "Ref::first", "x-Ref::second", "Ref::third"]
    register(
        service.batch,
        "parameters",
        container_properties={**properties["containerProperties"], "command": command},
        parameters={"first": "1", "second": "2"},
    )
    reply = service.call(
        "SubmitJob",
        "submit_job",
        jobName="p",
        jobQueue="normal",
        jobDefinition="parameters",
        parameters={"second": "two"},
    )
    assert service.log(service.wait(reply["jobId"])) == ["1 x-two Ref::third"]


def test_a_timeout_below_a_minute_is_refused(service: Service) -> None:
    """AWS's minimum; how a timeout ends a job is shown on the engine with a clock that can be moved."""
    with pytest.raises(ClientError, match="must be at least 60 seconds"):
        service.submit(timeout={"attemptDurationSeconds": 59})


def test_logs_go_to_the_group_and_prefix_of_the_definition(service: Service) -> None:
    """Each attempt's stream is readable under the names that the definition and the task give."""
    options = {"awslogs-group": "/contract/own", "awslogs-stream-prefix": "mine"}
    logs = {"logDriver": "awslogs", "options": options}
    register(service.batch, "logging", container_properties=container(logConfiguration=logs))
    job = service.wait(
        service.submit('echo "$AWS_BATCH_JOB_ATTEMPT"; exit 1', jobDefinition="logging", retryStrategy={"attempts": 2})
    )
    streams = [attempt["container"]["logStreamName"] for attempt in job["attempts"]]
    assert all(stream.startswith("mine/default/") for stream in streams)
    events = [
        service.logs.get_log_events(logGroupName="/contract/own", logStreamName=stream)["events"] for stream in streams
    ]
    assert [[event["message"] for event in attempt] for attempt in events] == [["1"], ["2"]]


def test_ending_a_job_that_is_not_there_succeeds(service: Service) -> None:
    """The service does not tell, whichever way it is asked."""
    service.call("CancelJob", "cancel_job", jobId="nobody", reason="r")
    service.call("TerminateJob", "terminate_job", jobId="nobody", reason="r")


def test_overrides_too_long_for_ecs_fail_the_job(service: Service) -> None:
    """SubmitJob takes them; the job fails with the words of ECS and fails its dependents."""
    job_id = service.submit("x" * 8_200)
    job = service.wait(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "Container Overrides length must be at most 8192")
    assert service.wait(service.submit(dependsOn=[{"jobId": job_id}]))["statusReason"] == "Dependent Job failed"
