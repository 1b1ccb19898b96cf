"""What a deployment tells of itself: nothing by default, and where it is wanted the right things."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import deployment_outputs
from tests.infra.synthesised import CHECKOUT, OBSERVING_APP, Synthesise, Template, app_with, flat, read_templates


@pytest.fixture(scope="module")
def observing(synthesise: Synthesise, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """The entry stack of a profile that tells everything; AWS's own pack of cdk-nag has nothing to say about it."""
    outdir = tmp_path_factory.mktemp("observing")
    script = outdir / "observing_app.py"
    script.write_text(OBSERVING_APP, encoding="utf-8")
    completed = synthesise(outdir, command=[sys.executable, str(script)])
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    return Template(read_templates(outdir)["CloudHpc-Batch"])


def rule(template: Template, name: str) -> dict[str, Any]:
    """The properties of the rule whose construct has this name."""
    (found,) = [
        body["Properties"]
        for body in template.resources("AWS::Events::Rule").values()
        if body["Metadata"]["aws:cdk:path"].endswith(f"/{name}/Resource")
    ]
    properties: dict[str, Any] = found
    return properties


def test_nothing_is_told_by_default(batch: Template) -> None:
    """No topic, function, alarm, budget or dashboard, and the outputs say so in a word."""
    kinds = {body["Type"] for body in batch.document["Resources"].values()}
    for service in ("SNS", "Lambda", "CloudWatch", "Budgets", "Scheduler", "KMS", "Events"):
        assert not [kind for kind in kinds if kind.startswith(f"AWS::{service}::")]
    outputs = batch.document["Outputs"]
    assert {outputs[key]["Value"] for key in ("AlarmTopicArn", "DashboardName")} == {"none"}


def test_the_outputs_are_the_same_keys_either_way(observing: Template) -> None:
    """A runner finds what it looks for whatever is deployed."""
    outputs = observing.document["Outputs"]
    assert set(outputs) == deployment_outputs.all_keys()
    (topic,) = observing.resources("AWS::SNS::Topic")
    assert outputs["AlarmTopicArn"]["Value"] == {"Ref": topic}


def test_who_may_publish(observing: Template) -> None:
    """Alarms and budgets of this account, and EventBridge, which brings nothing for conditions; nobody without TLS."""
    (policy,) = observing.resources("AWS::SNS::TopicPolicy").values()
    denial, *allowed = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (denial["Effect"], denial["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    by_service = {statement["Principal"]["Service"]: statement for statement in allowed}
    assert set(by_service) == {f"{name}.amazonaws.com" for name in ("cloudwatch", "budgets", "events")}
    assert {statement["Action"] for statement in allowed} == {"sns:Publish"}
    for service in ("cloudwatch", "budgets"):
        condition = by_service[f"{service}.amazonaws.com"]["Condition"]
        assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert "Condition" not in by_service["events.amazonaws.com"]


def test_messages_are_encrypted_with_a_key_that_publishers_may_use(observing: Template) -> None:
    """Its own, which rotates; without these statements the services' messages would be dropped in silence."""
    (key,) = observing.resources("AWS::KMS::Key")
    (topic,) = observing.resources("AWS::SNS::Topic").values()
    assert topic["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    properties = observing.resources("AWS::KMS::Key")[key]["Properties"]
    assert properties["EnableKeyRotation"] is True
    users = {
        statement["Principal"]["Service"]: statement["Action"]
        for statement in properties["KeyPolicy"]["Statement"]
        if "Service" in statement["Principal"]
    }
    assert users == {
        f"{name}.amazonaws.com": ["kms:Decrypt", "kms:GenerateDataKey*"] for name in ("cloudwatch", "budgets", "events")
    }


def test_no_service_may_use_the_key_for_anything_else(observing: Template) -> None:
    """With own_key it is that of the data: alarms and budgets of this account, and messages of its topics alone."""
    (key,) = observing.resources("AWS::KMS::Key").values()
    statements = [each for each in key["Properties"]["KeyPolicy"]["Statement"] if "Service" in each["Principal"]]
    conditions = {each["Principal"]["Service"].partition(".")[0]: each["Condition"] for each in statements}
    assert len(conditions) == len(statements)
    for service in ("cloudwatch", "budgets"):
        assert conditions[service]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    (topics,) = conditions["events"]["ArnLike"].values()
    assert flat(topics).count('":sns:"') == 1
    assert '{"Ref": "AWS::AccountId"}, ":*"' in flat(topics)


def test_rules_about_jobs_are_bound_to_the_deployments_queues(observing: Template) -> None:
    """All of them, and no other of the account."""
    for name in ("FailedJobs", "BlockedQueues", "EndedJobs/Rule"):
        pattern = rule(observing, name)["EventPattern"]
        queues = [arn["Fn::GetAtt"][0] for arn in pattern["detail"]["jobQueue"]]
        assert sorted(queues) == sorted(observing.resources("AWS::Batch::JobQueue"))
        assert pattern["source"] == ["aws.batch"]


def test_ten_thousand_children_are_one_mail_and_ten_thousand_counts(observing: Template) -> None:
    """Mails are about wholes; counts are about what ran, of which an array's whole is not one."""
    absent = [{"exists": False}]
    mails, counts = (rule(observing, name)["EventPattern"]["detail"] for name in ("FailedJobs", "EndedJobs/Rule"))
    assert (mails["status"], mails["arrayProperties"]) == (["FAILED"], {"index": absent})
    assert (counts["status"], counts["arrayProperties"]) == (["SUCCEEDED", "FAILED"], {"size": absent})
    assert mails["nodeDetails"] == counts["nodeDetails"] == {"nodeIndex": absent}


def test_every_mail_names_commands_that_there_are(observing: Template) -> None:
    """Commands of `hpc` in mails, alarms and on the dashboard, with the deployment they are about."""
    import click  # noqa: PLC0415 - the command line's tree, which only this test needs

    from runner.cli import hpc  # noqa: PLC0415

    text = observing.text.replace("\\", "")
    named = re.findall(r"hpc --deployment CloudHpc ([a-z]+)", text)
    assert len(named) > 10
    assert set(named) <= set(hpc.list_commands(click.Context(hpc)))


def test_patterns_fit_into_rules(observing: Template) -> None:
    """EventBridge takes 2,048 characters: a queue's ARN is 100 or so."""
    for body in observing.resources("AWS::Events::Rule").values():
        pattern = body["Properties"]["EventPattern"]
        texts = re.sub(r'\{"Fn::[^}]*\}', '"' + "x" * 130 + '"', json.dumps(pattern))
        assert len(texts) < 2048


def test_metrics_are_of_the_deployments_own_namespace(observing: Template) -> None:
    """Two deployments of an account do not mix, and the function can write to no other."""
    filters = observing.resources("AWS::Logs::MetricFilter").values()
    spaces = {each["Properties"]["MetricTransformations"][0]["MetricNamespace"] for each in filters}
    assert spaces == {"CloudHpc/CloudHpc"}
    assert {each["Properties"]["FilterPattern"] for each in filters} == {
        f'{{ $.detail.status = "{status}" }}' for status in ("SUCCEEDED", "FAILED")
    }
    (writing,) = [each for _, each in observing.policy_statements() if each["Action"] == "cloudwatch:PutMetricData"]
    assert writing["Condition"] == {"StringEquals": {"cloudwatch:namespace": "CloudHpc/CloudHpc"}}


def test_the_function_may_look_and_report_and_no_more(observing: Template) -> None:
    """Its code is the tested file; runs do not pile up; what it may do of Batch is to look."""
    (function,) = observing.resources("AWS::Lambda::Function").values()
    properties = function["Properties"]
    assert properties["Code"]["ZipFile"] == (CHECKOUT / "functions" / "queue_metrics.py").read_text(encoding="utf-8")
    assert (properties["ReservedConcurrentExecutions"], properties["Timeout"]) == (1, 59)
    (invocation,) = observing.resources("AWS::Lambda::EventInvokeConfig").values()
    assert invocation["Properties"]["MaximumRetryAttempts"] == 0
    (schedule,) = observing.resources("AWS::Scheduler::Schedule").values()
    assert schedule["Properties"]["ScheduleExpression"] == "rate(5 minutes)"
    assert schedule["Properties"]["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    statements = [each for name, each in observing.policy_statements() if name.startswith("ObservationQueues")]
    assert sorted(flat(each["Action"]) for each in statements) == [
        '"batch:GetJobQueueSnapshot"',
        '"cloudwatch:PutMetricData"',
        '"lambda:InvokeFunction"',
        '["batch:DescribeJobs", "batch:ListJobs"]',
        '["logs:CreateLogStream", "logs:PutLogEvents"]',
    ]


def test_no_data_is_no_alarm(observing: Template) -> None:
    """An idle deployment has no data: of every alarm that is well. Each tells the topic."""
    (topic,) = observing.resources("AWS::SNS::Topic")
    alarms = observing.resources("AWS::CloudWatch::Alarm").values()
    # One a queue, of the function and of failures; there is no queue for GPUs.
    assert len(alarms) == len(deployment_outputs.JOB_QUEUES) - 1 + 2
    for alarm in alarms:
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching"
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": topic}]


def test_the_failure_alarm_is_a_share_of_enough_jobs(observing: Template) -> None:
    """Failed of all that ended in an hour, and nothing where fewer than that ended."""
    (alarm,) = [
        body for body in observing.resources("AWS::CloudWatch::Alarm").values() if "Metrics" in body["Properties"]
    ]
    expression, *metrics = alarm["Properties"]["Metrics"]
    ended = "(FILL(failed, 0) + FILL(succeeded, 0))"
    assert expression["Expression"] == f"IF({ended} >= 20, FILL(failed, 0) / {ended}, 0)"
    assert alarm["Properties"]["Threshold"] == 0.2
    assert {query["MetricStat"]["Period"] for query in metrics} == {3600}


def test_the_budget_is_of_what_carries_the_deployments_tag(observing: Template) -> None:
    """The filter names the tag that the app puts on everything; told at 80 % spent and 100 % forecast."""
    (body,) = observing.resources("AWS::Budgets::Budget").values()
    budget = body["Properties"]["Budget"]
    (entry,) = budget["CostFilters"]["TagKeyValue"]
    key, _, value = entry.removeprefix("user:").partition("$")
    (topic,) = observing.resources("AWS::SNS::Topic").values()
    assert {"Key": key, "Value": value} in topic["Properties"]["Tags"]
    told = [each["Notification"] for each in body["Properties"]["NotificationsWithSubscribers"]]
    assert [(each["NotificationType"], each["Threshold"]) for each in told] == [("ACTUAL", 80), ("FORECASTED", 100)]
    assert [name for name in observing.resources("AWS::SNS::TopicPolicy") if name in body["DependsOn"]]


def test_the_dashboard_shows_what_is_measured(observing: Template) -> None:
    """Every metric that the deployment has, and in words what CloudWatch does not know of its spend."""
    (body,) = observing.resources("AWS::CloudWatch::Dashboard").values()
    text = flat(body["Properties"]["DashboardBody"])
    for word in ("RunnableJobs", "FirstJobMinutes", "RunningVcpus", "JobsSucceeded", "JobsFailed", "EstimatedCharges"):
        assert word in text
    assert "spend of the account alone, not of one deployment" in text


def test_container_insights_are_of_every_environment(synthesise: Synthesise, tmp_path: Path) -> None:
    """Fargate, EC2 and MPI alike, where the setting asks for it."""
    script = tmp_path / "insights_app.py"
    script.write_text(app_with("Settings(container_insights=True)"), encoding="utf-8")
    assert synthesise(tmp_path, command=[sys.executable, str(script)]).returncode == 0
    template = Template(read_templates(tmp_path)["CloudHpc-Batch"])
    environments = template.resources("AWS::Batch::ComputeEnvironment").values()
    assert len(environments) == 5
    for body in environments:
        assert body["Properties"]["EcsSettings"] == {"ContainerInsights": "enabled"}


def test_a_profile_that_contradicts_itself_is_refused_before_synth(synthesise: Synthesise, tmp_path: Path) -> None:
    """Exit code 2, each finding on a line, and no assembly."""
    script = tmp_path / "wrong_app.py"
    script.write_text(app_with("Settings(has_dashboard=True, monthly_budget_usd=5)"), encoding="utf-8")
    completed = synthesise(tmp_path, command=[sys.executable, str(script)])
    assert (completed.returncode, completed.stdout) == (2, "")
    second = (
        "has_dashboard: a dashboard shows metrics of this deployment, got True; "
        "set counts_ended_jobs or queue_metrics_minutes, or do without"
    )
    assert completed.stderr.splitlines() == [
        "error: monthly_budget_usd: what alarms has an alarm_email to tell, got 5; set alarm_email, or use None",
        second,
    ]
    assert not list(tmp_path.glob("*.template.json"))
