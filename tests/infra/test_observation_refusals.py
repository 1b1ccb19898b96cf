"""What the constructs of observation refuse at synth.

CDK is imported inside functions: every test process reads this file, and only the one that runs it should pay for
starting CDK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aws_cdk import Stack


@pytest.fixture
def stack() -> Stack:
    """An empty stack of its own for each test."""
    import aws_cdk as cdk

    return cdk.Stack(cdk.App(analytics_reporting=False, stack_traces=False), "Lab")


def part(stack: Stack, **changed: Any) -> Any:
    """An observation part that is right in everything but what the test says."""
    from aws_cdk import aws_batch as batch
    from aws_cdk import aws_ecr as ecr

    from stacks.observation_part import ObservationPart

    values: dict[str, Any] = {
        "deployment": "Lab",
        "tag_key": "lab",
        "job_queues": {
            "normal": batch.JobQueue.from_job_queue_arn(stack, "Queue", "arn:aws:batch:eu-west-1:1:job-queue/q")
        },
        "repositories": [ecr.Repository.from_repository_name(stack, "Images", "images")],
        "alarm_email": None,
        "counts_ended_jobs": False,
        "ended_job_log_days": 30,
        "queue_metrics_interval": None,
        "stuck_alarm_after": None,
        "failure_rate_alarm": None,
        "failure_rate_jobs": 20,
        "monthly_budget_usd": None,
        "has_dashboard": False,
        **changed,
    }
    return ObservationPart(stack, "Observation", **values)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"monthly_budget_usd": 5}, "Lab/Observation alarm_email: alarms and a budget have somebody to tell"),
        ({"failure_rate_alarm": 0.5}, "Lab/Observation alarm_email: alarms and a budget have somebody to tell"),
        (
            {"alarm_email": "a@b.org", "failure_rate_alarm": 0.5},
            "Lab/Observation failure_rate_alarm: an alarm about failures looks at counts of ended jobs, got none",
        ),
        (
            {"alarm_email": "a@b.org", "counts_ended_jobs": True, "failure_rate_alarm": 1.5},
            "Lab/Observation/FailureRate share: a share of the ended jobs, above 0 and up to 1, got 1.5",
        ),
        (
            {"alarm_email": "a@b.org", "counts_ended_jobs": True, "failure_rate_alarm": 0.5, "failure_rate_jobs": 0},
            "Lab/Observation/FailureRate at_least_jobs: a share is of 1 job or more, got 0",
        ),
        ({"alarm_email": "a@b.org", "monthly_budget_usd": 0}, "Lab/Observation/Budget monthly_usd: a budget is 1 USD"),
        ({"has_dashboard": True}, "Lab/Observation/Page queue_metrics, counts: a dashboard shows metrics"),
        ({"counts_ended_jobs": True, "ended_job_log_days": 31}, "Lab/Observation/EndedJobs retention_days: "),
        ({"counts_ended_jobs": True, "job_queues": {}}, "Lab/Observation/EndedJobs job_queues: "),
        ({"alarm_email": "a@b.org", "repositories": []}, "Lab/Observation/Notices job_queues, repositories: "),
    ],
)
def test_what_cannot_work_is_refused(stack: Stack, changed: dict[str, Any], said: str) -> None:
    """By the construct that knows the rule, with its place, the value and what to do."""
    from constructs_lib.errors import PropertyError

    with pytest.raises(PropertyError) as caught:
        part(stack, **changed)
    assert str(caught.value).startswith(said)
    assert ", got " in str(caught.value)


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        ({"queue_metrics_interval": 61}, "Lab/Observation/Queues interval: metrics are reported every 1 to 60 minutes"),
        (
            {"queue_metrics_interval": 5, "stuck_alarm_after": 1441},
            "Lab/Observation/StuckJobs after: an alarm after 1 to 1440 minutes, got 1441",
        ),
        ({"stuck_alarm_after": 5}, "Lab/Observation stuck_alarm_after: an alarm about jobs that wait looks at metrics"),
    ],
)
def test_times_have_bounds(stack: Stack, minutes: dict[str, int], said: str) -> None:
    """Those of what reports and of what looks back."""
    import aws_cdk as cdk

    from constructs_lib.errors import PropertyError

    durations = {name: cdk.Duration.minutes(value) for name, value in minutes.items()}
    with pytest.raises(PropertyError) as caught:
        part(stack, alarm_email="a@b.org", **durations)
    assert str(caught.value).startswith(said)


def test_a_key_that_is_handed_in_is_used(stack: Stack) -> None:
    """No second one is made, and the services that publish may use it: for messages of topics, not for data."""
    from aws_cdk import aws_kms as kms
    from aws_cdk.assertions import Match, Template

    key = kms.Key(stack, "Key")
    part(stack, alarm_email="a@b.org", encryption_key=key)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::KMS::Key", 1)
    template.has_resource_properties(
        "AWS::KMS::Key",
        {
            "KeyPolicy": {
                "Statement": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "Principal": {"Service": "events.amazonaws.com"},
                                "Condition": {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": Match.any_value()}},
                            }
                        )
                    ],
                )
            }
        },
    )
