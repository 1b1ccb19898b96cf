"""Pushed changes of jobs' states: nothing of them by default, and where they are wanted no more than they need."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import deployment_outputs
from tests.infra.synthesised import PUSHING_APP, Synthesise, Template, flat, read_templates


@pytest.fixture(scope="module")
def pushing_assembly(synthesise: Synthesise, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the assembly of a profile that pushes; cdk-nag has nothing to say about it."""
    outdir = tmp_path_factory.mktemp("pushing")
    script = outdir / "pushing_app.py"
    script.write_text(PUSHING_APP, encoding="utf-8")
    completed = synthesise(outdir, command=[sys.executable, str(script)])
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    return outdir


@pytest.fixture(scope="module")
def pushing(pushing_assembly: Path) -> Template:
    """Its entry stack's template."""
    return Template(read_templates(pushing_assembly)["CloudHpc-Batch"])


def logical_id(template: Template, kind: str) -> str:
    """Of the one resource of that type."""
    (name,) = template.resources(kind)
    return name


def test_nothing_is_pushed_by_default(batch: Template) -> None:
    """No rule and no queue, and the output says so in a word."""
    for kind in ("AWS::Events::Rule", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"):
        assert batch.resources(kind) == {}
    assert batch.document["Outputs"]["JobEventsQueueUrl"]["Value"] == "none"


def test_the_outputs_are_the_same_keys_either_way(pushing: Template) -> None:
    """A runner finds what it looks for whatever is deployed; pushed, the URL is the queue's."""
    outputs = pushing.document["Outputs"]
    assert set(outputs) == deployment_outputs.all_keys()
    assert outputs["JobEventsQueueUrl"]["Value"] == {"Ref": logical_id(pushing, "AWS::SQS::Queue")}


def test_the_rule_sees_state_changes_of_this_deployments_queues(pushing: Template) -> None:
    """Of each of its job queues, and of no other of the account."""
    rule = pushing.resources("AWS::Events::Rule")[logical_id(pushing, "AWS::Events::Rule")]["Properties"]
    pattern = rule["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.batch"], ["Batch Job State Change"])
    queues = [arn["Fn::GetAtt"][0] for arn in pattern["detail"]["jobQueue"]]
    assert sorted(queues) == sorted(pushing.resources("AWS::Batch::JobQueue"))
    assert len(queues) == len(deployment_outputs.JOB_QUEUES) - 1  # there is no queue for GPUs
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [logical_id(pushing, "AWS::SQS::Queue"), "Arn"]}
    assert rule["State"] == "ENABLED"


def test_the_queue_is_encrypted_and_forgets(pushing: Template) -> None:
    """What nobody took in an hour is gone; to wait at it takes the fewest requests there can be."""
    queue = pushing.resources("AWS::SQS::Queue")[logical_id(pushing, "AWS::SQS::Queue")]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True
    assert (queue["MessageRetentionPeriod"], queue["ReceiveMessageWaitTimeSeconds"]) == (3600, 20)
    assert "RedrivePolicy" not in queue
    assert "QueueName" not in queue


def test_only_the_rule_may_send_and_nobody_without_tls(pushing: Template) -> None:
    """EventBridge on behalf of this very rule; who may take messages is the matter of IAM."""
    policy = pushing.resources("AWS::SQS::QueuePolicy")[logical_id(pushing, "AWS::SQS::QueuePolicy")]["Properties"]
    by_effect = {statement["Effect"]: statement for statement in policy["PolicyDocument"]["Statement"]}
    assert len(policy["PolicyDocument"]["Statement"]) == 2
    denial, permission = by_effect["Deny"], by_effect["Allow"]
    assert denial["Action"] == "sqs:*"
    assert denial["Principal"] == {"AWS": "*"}
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert "sqs:SendMessage" in permission["Action"]
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:*"}.isdisjoint(permission["Action"])
    assert permission["Principal"] == {"Service": "events.amazonaws.com"}
    rule = logical_id(pushing, "AWS::Events::Rule")
    assert permission["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]}}}


def test_no_role_of_the_stacks_may_touch_the_queue(pushing: Template) -> None:
    """Jobs neither send nor take; the rule needs no role. Submitters may take, by a policy that no role carries."""
    (submitter,) = [name for name, statement in pushing.policy_statements() if "sqs:" in flat(statement["Action"])]
    assert submitter.startswith("AccessSubmitterPolicy")
    assert "AccessSubmitterPolicy" not in flat(pushing.resources("AWS::IAM::Role"))
    assert "RoleArn" not in flat(pushing.resources("AWS::Events::Rule"))


def test_the_missing_dead_letter_queue_is_acknowledged_on_the_queue_alone(pushing_assembly: Path) -> None:
    """With the mechanism as the reason."""
    metadata = json.loads((pushing_assembly / "CloudHpc-Batch.metadata.json").read_text(encoding="utf-8"))
    reasons = {
        (path, rule): reason
        for path, entries in metadata.items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for rule, reason in entry["data"].items()
        if "-SQS" in rule
    }
    (((path, rule), reason),) = reasons.items()
    assert path == "/CloudHpc-Batch/Events/JobEvents/Queue"
    assert rule.endswith("AwsSolutions-SQS3")
    assert "DescribeJobs" in reason
