"""What a deployment tells of itself: the stacks with everything of it, really deployed, seen by one who subscribed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import deployment_outputs
from local_batch import control
from tests.contract.service import clients
from tests.e2e.conftest import Shell
from tests.e2e.test_job_events import cdk
from tests.infra.synthesised import OBSERVING_APP

NAME = "Observed"
SECONDS = 60
NAMESPACE = f"CloudHpc/{NAME}"


@dataclass(frozen=True)
class Observed:
    """A deployment with a subscriber of its topic."""

    clients: dict[str, Any]
    outputs: dict[str, str]
    queue_url: str

    def submit(self, name: str, exit_code: int, definition: str = "standin", **more: Any) -> str:
        """The id of a job that ends with that exit code."""
        job = self.clients["batch"].submit_job(
            jobName=name,
            jobQueue=self.outputs[deployment_outputs.JOB_QUEUES["normal"]],
            jobDefinition=self.outputs[deployment_outputs.JOB_DEFINITIONS[definition]],
            containerOverrides={"command": ["--exit-code", str(exit_code)]},
            retryStrategy={"attempts": 1},
            **more,
        )
        return str(job["jobId"])

    def ended(self, *job_ids: str) -> dict[str, str]:
        """Job id -> state, once all have ended."""
        deadline = time.monotonic() + SECONDS
        while True:
            jobs = self.clients["batch"].describe_jobs(jobs=list(job_ids))["jobs"]
            states = {job["jobId"]: job["status"] for job in jobs}
            if set(states.values()) <= {"SUCCEEDED", "FAILED"}:
                return states
            assert time.monotonic() < deadline, states
            time.sleep(0.05)

    def messages_until(self, text: str) -> list[str]:
        """Messages of the topic, up to the first that has this text in it."""
        found: list[str] = []
        deadline = time.monotonic() + SECONDS
        while not any(text in message for message in found):
            assert time.monotonic() < deadline, found
            # One at a time: what comes after the message that is waited for stays for who asks next.
            answer = self.clients["sqs"].receive_message(QueueUrl=self.queue_url, WaitTimeSeconds=5)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"])["Message"])
                self.clients["sqs"].delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def counted(self, metric: str) -> float:
        """The sum of a metric without dimensions."""
        now = time.time()
        data = self.clients["cloudwatch"].get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=metric,
            StartTime=now - 3600,
            EndTime=now + 60,
            Period=7200,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in data["Datapoints"]))


@pytest.fixture(scope="module")
def observed(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """The stacks, deployed, updated and taken down by the real cdk command, after which nothing of them is left."""
    folder = tmp_path_factory.mktemp("observing")
    script, assembly = folder / "observing_app.py", str(folder / "cdk.out")
    script.write_text(OBSERVING_APP, encoding="utf-8")
    app = f"{sys.executable} {script}"
    cdk(shell, "synth", "--quiet", "--output", assembly, "--app", app, "--context", f"deployment={NAME}")
    cdk(shell, "deploy", "--all", "--app", assembly, "--require-approval", "never")
    endpoint = control.status(shell.home / "local")
    assert endpoint is not None
    names = ("batch", "cloudformation", "cloudwatch", "budgets", "events", "kms", "lambda", "logs", "scheduler")
    made = dict(zip((*names, "sns", "sqs"), clients(endpoint, *names, "sns", "sqs"), strict=True))
    stack = deployment_outputs.entry_stack_name(NAME)
    (described,) = made["cloudformation"].describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    queue_url = made["sqs"].create_queue(QueueName="reader-of-alarms")["QueueUrl"]
    queue = made["sqs"].get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = outputs[deployment_outputs.ALARM_TOPIC_ARN]
    subscription = made["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]
    yield Observed(made, outputs, queue_url)
    made["sns"].unsubscribe(SubscriptionArn=subscription)
    made["sqs"].delete_queue(QueueUrl=queue_url)
    other = str(folder / "other.out")
    script.write_text(OBSERVING_APP.replace("stuck_alarm_minutes=30", "stuck_alarm_minutes=45"), encoding="utf-8")
    cdk(shell, "synth", "--quiet", "--output", other, "--app", app, "--context", f"deployment={NAME}")
    cdk(shell, "deploy", "--all", "--app", other, "--require-approval", "never")
    thresholds = {
        alarm["Threshold"] for alarm in alarms_of(made["cloudwatch"]) if alarm.get("MetricName") == "FirstJobMinutes"
    }
    assert thresholds == {45.0}
    cdk(shell, "destroy", "--all", "--force", "--app", other)
    assert left_of(made) == []


def alarms_of(cloudwatch: Any) -> list[dict[str, Any]]:
    """The deployment's alarms."""
    return [alarm for alarm in cloudwatch.describe_alarms()["MetricAlarms"] if NAME in alarm["AlarmName"]]


def left_of(made: dict[str, Any]) -> list[str]:
    """Names of what the deployment has in the services that tell of it; a key waits for its deletion."""
    found = [
        *[topic["TopicArn"] for topic in made["sns"].list_topics()["Topics"]],
        *[rule["Name"] for rule in made["events"].list_rules()["Rules"]],
        *[function["FunctionName"] for function in made["lambda"].list_functions()["Functions"]],
        *[schedule["Name"] for schedule in made["scheduler"].list_schedules()["Schedules"]],
        *[group["logGroupName"] for group in made["logs"].describe_log_groups()["logGroups"]],
        *[each["filterName"] for each in made["logs"].describe_metric_filters()["metricFilters"]],
        *[alarm["AlarmName"] for alarm in made["cloudwatch"].describe_alarms()["MetricAlarms"]],
        *[entry["DashboardName"] for entry in made["cloudwatch"].list_dashboards()["DashboardEntries"]],
        *[budget["BudgetName"] for budget in made["budgets"].describe_budgets(AccountId="123456789012")["Budgets"]],
    ]
    return [name for name in found if NAME in name]


def test_failed_jobs_are_told_once_and_others_not(observed: Observed) -> None:
    """A job that failed is a message with what, why and where to look on; so is an array, however many children."""
    before = observed.counted("JobsFailed"), observed.counted("JobsSucceeded")
    good = observed.submit("good", 0)
    array = observed.submit("array", 3, arrayProperties={"size": 3})
    assert observed.ended(good, array) == {good: "SUCCEEDED", array: "FAILED"}
    bad = observed.submit("bad", 7)
    assert observed.ended(bad) == {bad: "FAILED"}
    messages = observed.messages_until(bad)
    assert len(messages) == 2
    assert "Job array failed." in messages[0]
    assert f"hpc --deployment {NAME} stat {array}" in messages[0]
    assert messages[1].splitlines() == [
        '"Job bad failed."',
        '"Why: Essential container in task exited"',
        f'"Job id: {bad}"',
        f'"Queue: {observed.outputs[deployment_outputs.JOB_QUEUES["normal"]]}"',
        f'"All about it: hpc --deployment {NAME} stat {bad}"',
        f'"What it printed: hpc --deployment {NAME} out {bad}"',
    ]
    # Three children and one job failed; an array itself is not counted.
    assert (observed.counted("JobsFailed") - before[0], observed.counted("JobsSucceeded") - before[1]) == (4, 1)


@pytest.mark.parametrize(
    ("parts", "mails", "counts"),
    [
        ({}, True, True),
        ({"arrayProperties": {"size": 3, "statusSummary": {"FAILED": 3}}}, True, False),
        ({"arrayProperties": {"index": 0, "statusSummary": {}}}, False, True),
        ({"nodeProperties": {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": []}}, True, True),
        ({"nodeDetails": {"nodeIndex": 0, "isMainNode": True}}, False, False),
    ],
)
def test_what_is_told_and_what_is_counted(
    observed: Observed, parts: dict[str, Any], *, mails: bool, counts: bool
) -> None:
    """The rules as deployed, asked about a job, an array and a child, a multi-node parallel job and a node."""
    events, queue = observed.clients["events"], observed.outputs[deployment_outputs.JOB_QUEUES["mpi"]]
    rules = {each["Name"]: each["EventPattern"] for each in events.list_rules()["Rules"] if NAME in each["Name"]}

    def matches(construct: str, status: str) -> bool:
        (pattern,) = [text for name, text in rules.items() if construct in name]
        event = {
            "id": "c8f9c4b5-76e5-d76a-f980-7011e206042b",
            "detail-type": "Batch Job State Change",
            "source": "aws.batch",
            "account": "123456789012",
            "time": "2026-10-23T17:56:03Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {"jobQueue": queue, "jobName": "job", "status": status, **parts},
        }
        return bool(events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"])

    assert matches("NoticesFailedJobs", "FAILED") is mails
    assert matches("ObservationEndedJobsRule", "FAILED") is counts
    assert matches("ObservationEndedJobsRule", "SUCCEEDED") is counts
    assert not matches("NoticesFailedJobs", "SUCCEEDED")
    assert not matches("ObservationEndedJobsRule", "RUNNING")


def test_events_of_ended_jobs_can_be_looked_through(observed: Observed) -> None:
    """They are in a log group whose retention is the setting's."""
    bad = observed.submit("logged", 9)
    observed.ended(bad)
    observed.messages_until(bad)
    logs = observed.clients["logs"]
    (group,) = [
        each for each in logs.describe_log_groups()["logGroups"] if f"{NAME}-Batch/ObservationEnded" in str(each)
    ]
    assert group["retentionInDays"] == 30
    lines = [
        json.loads(event["message"]) for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
    ]
    (found,) = [line for line in lines if line["detail"]["jobId"] == bad]
    assert (found["detail"]["status"], found["detail"]["container"]["exitCode"]) == ("FAILED", 9)


def test_a_stuck_queue_is_told_and_measured(observed: Observed) -> None:
    """Batch says that the queue is blocked and why; the function, run by Lambda, reports for how long."""
    batch, high = observed.clients["batch"], observed.outputs[deployment_outputs.JOB_QUEUES["high"]]
    huge = [{"type": "VCPU", "value": "16"}, {"type": "MEMORY", "value": "32768"}]
    job = batch.submit_job(
        jobName="huge",
        jobQueue=high,
        jobDefinition=observed.outputs[deployment_outputs.JOB_DEFINITIONS["barrier"]],
        containerOverrides={"resourceRequirements": huge},
    )["jobId"]
    *_, message = observed.messages_until(job)
    assert "A queue is stuck: its first job, huge," in message
    assert "Why: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT" in message
    functions = observed.clients["lambda"].list_functions()["Functions"]
    (function,) = [each for each in functions if f"{NAME}-Batch-ObservationQueues" in each["FunctionName"]]
    answer = observed.clients["lambda"].invoke(FunctionName=function["FunctionName"])
    assert (answer.get("FunctionError"), json.load(answer["Payload"])) == (None, {"data": 3})
    metrics = observed.clients["cloudwatch"].list_metrics(Namespace=NAMESPACE)["Metrics"]
    of_high = {
        metric["MetricName"] for metric in metrics if metric["Dimensions"] == [{"Name": "JobQueue", "Value": "high"}]
    }
    assert of_high == {"RunnableJobs", "FirstJobMinutes", "RunningVcpus"}
    batch.terminate_job(jobId=job, reason="seen enough")
    observed.ended(job)
    observed.messages_until(f"stat {job}")


@pytest.mark.parametrize(
    ("severities", "is_told"),
    [
        ({"CRITICAL": 1, "MEDIUM": 9}, True),
        ({"HIGH": 2}, True),
        ({"MEDIUM": 9, "LOW": 3}, False),
        ({"CRITICAL": 0, "HIGH": 0}, False),
        ({}, False),
    ],
)
def test_only_grave_findings_in_images_are_told(
    observed: Observed, severities: dict[str, int], *, is_told: bool
) -> None:
    """The rule as deployed, asked about the event that ECR documents: of this deployment's images alone."""
    events = observed.clients["events"]
    (rule,) = [each for each in events.list_rules()["Rules"] if f"{NAME}-Batch-ObservationNoticesImage" in each["Name"]]
    own = json.loads(rule["EventPattern"])["detail"]["repository-name"][0]

    def matches(repository: str) -> bool:
        event = {
            "version": "0",
            "id": "85fc3613-e913-7fc4-a80c-a3753e4aa9ae",
            "detail-type": "ECR Image Scan",
            "source": "aws.ecr",
            "account": "123456789012",
            "time": "2026-10-29T02:36:48Z",
            "region": "us-east-1",
            "resources": [f"arn:aws:ecr:us-east-1:123456789012:repository/{repository}"],
            "detail": {
                "scan-status": "COMPLETE",
                "repository-name": repository,
                "finding-severity-counts": severities,
                "image-digest": "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd1234",
                "image-tags": [],
            },
        }
        answer = events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))
        return bool(answer["Result"])

    assert matches(own) is is_told
    assert matches("somebody-elses") is False


def test_alarms_and_budget_are_there(observed: Observed) -> None:
    """An alarm a queue, one of what measures them and one of failures, all with the topic; a budget by tag."""
    topic = observed.outputs[deployment_outputs.ALARM_TOPIC_ARN]
    alarms = alarms_of(observed.clients["cloudwatch"])
    assert len(alarms) == len(deployment_outputs.JOB_QUEUES) - 1 + 2  # there is no queue for GPUs
    assert all(alarm["AlarmActions"] == [topic] for alarm in alarms)
    (math,) = [alarm for alarm in alarms if alarm.get("Metrics")]
    assert [query["Id"] for query in math["Metrics"]] == ["expr_1", "failed", "succeeded"]
    budgets = observed.clients["budgets"].describe_budgets(AccountId="123456789012")["Budgets"]
    (budget,) = [each for each in budgets if NAME in each["BudgetName"]]
    assert budget["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}
    assert budget["CostFilters"] == {"TagKeyValue": [f"user:cloud-hpc:deployment${NAME}"]}
    assert observed.outputs[deployment_outputs.DASHBOARD_NAME] in {
        entry["DashboardName"] for entry in observed.clients["cloudwatch"].list_dashboards()["DashboardEntries"]
    }
