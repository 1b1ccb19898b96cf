"""A local cloud that is killed comes back with everything that it had answered."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_batch import control
from local_batch.host.state_directory import Endpoint
from tests.local_batch.host.conftest import client_for

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
TEMPLATE = json.dumps(
    {
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "Group": {"Type": "AWS::Logs::LogGroup"},
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
        },
        "Outputs": {
            "Topic": {"Value": {"Ref": "Topic"}},
            "Bucket": {"Value": {"Ref": "Bucket"}},
            "Group": {"Value": {"Ref": "Group"}},
            "Vpc": {"Value": {"Ref": "Vpc"}},
        },
    }
)


def kill(endpoint: Endpoint) -> None:
    """As the kernel does when memory is short: no chance to save anything."""
    os.kill(endpoint.pid, signal.SIGKILL)
    os.waitpid(endpoint.pid, 0)


def outputs(stack: dict[str, Any]) -> dict[str, str]:
    """A stack's outputs by key."""
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def test_what_was_answered_survives_a_kill(state: Path) -> None:
    """Killed right after the last answer: nothing has had time to be saved later."""
    endpoint = control.start(state)
    client_for(endpoint, "iam").create_role(RoleName="job", AssumeRolePolicyDocument=TRUST)
    client_for(endpoint, "ecr").create_repository(repositoryName="images")
    client_for(endpoint, "ssm").put_parameter(Name="/a", Value="b", Type="String")
    s3 = client_for(endpoint, "s3")
    s3.create_bucket(Bucket="results")
    s3.put_bucket_versioning(Bucket="results", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="results", Key="run/pi.txt", Body=b"3")
    s3.put_object(Bucket="results", Key="run/pi.txt", Body=b"3.14", Metadata={"points": "100"})
    logs = client_for(endpoint, "logs")
    logs.create_log_group(logGroupName="/jobs")
    logs.put_retention_policy(logGroupName="/jobs", retentionInDays=7)
    logs.create_log_stream(logGroupName="/jobs", logStreamName="a")
    logs.put_log_events(logGroupName="/jobs", logStreamName="a", logEvents=[{"timestamp": 1, "message": "é"}])
    kill(endpoint)

    endpoint = control.start(state)
    assert client_for(endpoint, "iam").get_role(RoleName="job")["Role"]["RoleName"] == "job"
    assert client_for(endpoint, "ecr").describe_repositories(repositoryNames=["images"])["repositories"]
    assert client_for(endpoint, "ssm").get_parameter(Name="/a")["Parameter"]["Value"] == "b"
    s3 = client_for(endpoint, "s3")
    found = s3.get_object(Bucket="results", Key="run/pi.txt")
    assert (found["Body"].read(), found["Metadata"]) == (b"3.14", {"points": "100"})
    assert len(s3.list_object_versions(Bucket="results")["Versions"]) == 2
    logs = client_for(endpoint, "logs")
    (group,) = logs.describe_log_groups()["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("/jobs", 7)
    events = logs.get_log_events(logGroupName="/jobs", logStreamName="a")["events"]
    assert [(event["timestamp"], event["message"]) for event in events] == [(1, "é")]


def test_stack_survives_a_kill_with_its_resources(state: Path) -> None:
    """A client that was told CREATE_COMPLETE can rely on every service that the stack touched."""
    endpoint = control.start(state)
    stacks = client_for(endpoint, "cloudformation")
    stacks.create_stack(StackName="s", TemplateBody=TEMPLATE)
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    made = outputs(stacks.describe_stacks(StackName="s")["Stacks"][0])
    kill(endpoint)

    endpoint = control.start(state)
    (stack,) = client_for(endpoint, "cloudformation").describe_stacks(StackName="s")["Stacks"]
    assert (stack["StackStatus"], outputs(stack)) == ("CREATE_COMPLETE", made)
    client_for(endpoint, "sns").get_topic_attributes(TopicArn=made["Topic"])
    client_for(endpoint, "s3").head_bucket(Bucket=made["Bucket"])
    assert client_for(endpoint, "ec2").describe_vpcs(VpcIds=[made["Vpc"]])["Vpcs"][0]["CidrBlock"] == "10.9.0.0/16"
    assert client_for(endpoint, "logs").describe_log_groups(logGroupNamePrefix=made["Group"])["logGroups"]


def test_deletions_survive_a_kill(state: Path) -> None:
    """What was deleted does not come back."""
    endpoint = control.start(state)
    s3, logs = client_for(endpoint, "s3"), client_for(endpoint, "logs")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=b"x")
    for group in ("/kept", "/gone"):
        logs.create_log_group(logGroupName=group)
        for stream in ("one", "two"):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
            event = {"timestamp": 5, "message": stream}
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
    s3.delete_object(Bucket="bucket", Key="k")
    logs.delete_log_stream(logGroupName="/kept", logStreamName="one")
    logs.delete_log_group(logGroupName="/gone")
    logs.create_log_group(logGroupName="/gone")
    kill(endpoint)

    endpoint = control.start(state)
    assert "Contents" not in client_for(endpoint, "s3").list_objects_v2(Bucket="bucket")
    logs = client_for(endpoint, "logs")
    streams = logs.describe_log_streams(logGroupName="/kept")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["two"]
    assert logs.describe_log_streams(logGroupName="/gone")["logStreams"] == []


def test_side_effects_are_saved_soon(state: Path) -> None:
    """What a request changes in another service (a message in a queue) is on disk a moment later."""
    endpoint = control.start(state)
    queue = client_for(endpoint, "sqs").create_queue(QueueName="q")["QueueUrl"]
    queue_arn = "arn:aws:sqs:us-east-1:123456789012:q"
    events = client_for(endpoint, "events")
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["mine"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": queue_arn}])
    events.put_events(Entries=[{"Source": "mine", "DetailType": "d", "Detail": "{}"}])
    # The documented window is 0.2 s; the rest is this machine's.
    time.sleep(1)
    kill(endpoint)
    messages = client_for(control.start(state), "sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(messages[0]["Body"])["source"] == "mine"


def test_messages_that_were_taken_are_saved_soon(state: Path) -> None:
    """What was sent is there after a kill at once; what was taken is gone a moment later, and may come again before."""
    endpoint = control.start(state)
    sqs = client_for(endpoint, "sqs")
    queue = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    for body in ("taken", "left"):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    kill(endpoint)
    endpoint = control.start(state)
    sqs = client_for(endpoint, "sqs")
    bodies = {
        message["Body"]: message["ReceiptHandle"]
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    }
    assert set(bodies) == {"taken", "left"}
    sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": "0", "ReceiptHandle": bodies["taken"]}])
    # The documented window is 0.2 s; the rest is this machine's.
    time.sleep(1)
    kill(endpoint)
    sqs = client_for(control.start(state), "sqs")
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in messages] == ["left"]


def test_half_written_log_line_is_dropped(state: Path) -> None:
    """A kill can cut the archive anywhere."""
    endpoint = control.start(state)
    logs = client_for(endpoint, "logs")
    logs.create_log_group(logGroupName="/g")
    logs.create_log_stream(logGroupName="/g", logStreamName="s")
    logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=[{"timestamp": 1, "message": "whole"}])
    kill(endpoint)
    archive = state / "ministack" / "log-events.jsonl"
    with archive.open("ab") as file:
        file.write(b'["events",["123456789012","us-')

    endpoint = control.start(state)
    logs = client_for(endpoint, "logs")
    logs.put_log_events(logGroupName="/g", logStreamName="s", logEvents=[{"timestamp": 2, "message": "after"}])
    kill(endpoint)
    events = client_for(control.start(state), "logs").get_log_events(logGroupName="/g", logStreamName="s")["events"]
    assert [event["message"] for event in events] == ["whole", "after"]


def test_archive_of_deleted_logs_is_rewritten(state: Path) -> None:
    """A local cloud that lives long does not carry the logs that it deleted."""
    endpoint = control.start(state)
    logs = client_for(endpoint, "logs")
    logs.create_log_group(logGroupName="/g")
    for stream in ("big", "small"):
        logs.create_log_stream(logGroupName="/g", logStreamName=stream)
    for number in range(6):
        events = [{"timestamp": number, "message": "x" * 100_000} for _ in range(9)]
        logs.put_log_events(logGroupName="/g", logStreamName="big", logEvents=events)
    logs.put_log_events(logGroupName="/g", logStreamName="small", logEvents=[{"timestamp": 1, "message": "kept"}])
    logs.delete_log_stream(logGroupName="/g", logStreamName="big")
    archive = state / "ministack" / "log-events.jsonl"
    assert archive.stat().st_size > 5_000_000
    control.stop(state)

    for _ in range(2):
        endpoint = control.start(state)
        assert archive.stat().st_size < 5_000
        logs = client_for(endpoint, "logs")
        streams = logs.describe_log_streams(logGroupName="/g")["logStreams"]
        assert [stream["logStreamName"] for stream in streams] == ["small"]
        events = logs.get_log_events(logGroupName="/g", logStreamName="small")["events"]
        assert [event["message"] for event in events] == ["kept"]
        kill(endpoint)


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("CREATE_IN_PROGRESS", "ROLLBACK_FAILED"),
        ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
        ("DELETE_IN_PROGRESS", "DELETE_FAILED"),
    ],
)
def test_stack_cut_short_comes_to_an_end(state: Path, status: str, ended: str) -> None:
    """A stack that stayed in progress for ever could be neither deployed nor deleted."""
    endpoint = control.start(state)
    stacks = client_for(endpoint, "cloudformation")
    stacks.create_stack(StackName="s", TemplateBody=TEMPLATE)
    stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    kill(endpoint)
    saved = state / "ministack" / "cloudformation.json"
    saved.write_text(
        saved.read_text(encoding="utf-8").replace('"StackStatus": "CREATE_COMPLETE"', f'"StackStatus": "{status}"'),
        encoding="utf-8",
    )

    stacks = client_for(control.start(state), "cloudformation")
    (stack,) = stacks.describe_stacks(StackName="s")["Stacks"]
    assert stack["StackStatus"] == ended
    assert stack["StackStatusReason"] == f"The local cloud was stopped during {status}; repeat the command"
    stacks.delete_stack(StackName="s")
    stacks.get_waiter("stack_delete_complete").wait(StackName="s", WaiterConfig={"Delay": 1})


def test_clean_stop_keeps_everything(state: Path) -> None:
    """The other way to end."""
    client_for(control.start(state), "s3").create_bucket(Bucket="kept")
    control.stop(state)
    endpoint = control.start(state)
    client_for(endpoint, "s3").head_bucket(Bucket="kept")
    with pytest.raises(ClientError, match="404"):
        client_for(endpoint, "s3").head_bucket(Bucket="never")
