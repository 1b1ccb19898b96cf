"""Alarms about a deployment's jobs: one that does not start, many that fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from constructs_lib.ended_job_counts import EndedJobCounts
from constructs_lib.errors import PropertyError
from constructs_lib.queue_metrics import QueueMetrics

_RATE_PERIOD: Final = cdk.Duration.hours(1)

_MOST_MINUTES: Final = 1440
"""Of an alarm's periods together: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""


class StuckJobAlarms(Construct):
    """An alarm a queue: its first job has been the first for that long and still does not start.

    And one on what they look at: where nothing is measured, nothing would ever alarm.
    """

    alarms: Sequence[cloudwatch.IAlarm]

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: str,
        metrics: QueueMetrics,
        queues: Sequence[str],
        after: cdk.Duration,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        minutes = after.to_minutes()
        if not 1 <= minutes <= _MOST_MINUTES:
            problem = f"an alarm after 1 to {_MOST_MINUTES} minutes, got {minutes:g}; use for instance 30"
            raise PropertyError(self, "after", problem)
        # Two intervals: a run that comes a second late must not look like a queue that moves again.
        self._period = cdk.Duration.minutes(2 * metrics.interval.to_minutes())
        self.alarms = [
            *(self._alarm(deployment, metrics, queue, minutes, topic) for queue in queues),
            self._alarm_about_metrics(metrics, topic),
        ]

    def _alarm(
        self, deployment: str, metrics: QueueMetrics, queue: str, minutes: float, topic: sns.ITopic
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            queue.capitalize(),
            alarm_description=(
                f"The first job of queue {queue} has been the first for {minutes:g} minutes and has not started: too "
                f"large for its environment, no capacity, or no way to the image. Which and why: "
                f"hpc --deployment {deployment} stat --status RUNNABLE, then stat JOB"
            ),
            metric=metrics.metric("FirstJobMinutes", queue).with_(period=self._period),
            threshold=minutes,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(topic))
        return alarm

    def _alarm_about_metrics(self, metrics: QueueMetrics, topic: sns.ITopic) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            "Metrics",
            alarm_description=(
                "The function that measures job queues fails, so that stuck jobs are not seen. Why: aws logs tail "
                f"{metrics.log_group.log_group_name}"
            ),
            metric=metrics.errors.with_(period=self._period),
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            # One failure is a moment of trouble at AWS; the next run makes up for it.
            evaluation_periods=2,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(topic))
        return alarm


class FailureRateAlarm(Construct):
    """An alarm on the share of the last hour's ended jobs that failed, where enough ended to speak of a share."""

    alarm: cloudwatch.IAlarm

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: str,
        counts: EndedJobCounts,
        share: float,
        at_least_jobs: int,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        if not (math.isfinite(share) and 0 < share <= 1):
            problem = f"a share of the ended jobs, above 0 and up to 1, got {share!r}; use for instance 0.2"
            raise PropertyError(self, "share", problem)
        if at_least_jobs < 1:
            problem = f"a share is of 1 job or more, got {at_least_jobs!r}; use for instance 20"
            raise PropertyError(self, "at_least_jobs", problem)
        ended = "(FILL(failed, 0) + FILL(succeeded, 0))"
        self.alarm = cloudwatch.Alarm(
            self,
            "Alarm",
            alarm_description=(
                f"{share:.0%} or more of the jobs that ended in the last hour failed, of {at_least_jobs} or more. "
                f"Which: hpc --deployment {deployment} stat --status FAILED; of a run: hpc status"
            ),
            metric=cloudwatch.MathExpression(
                # An hour in which nothing failed has no data of failures, and the other way round.
                expression=f"IF({ended} >= {at_least_jobs}, FILL(failed, 0) / {ended}, 0)",
                using_metrics={"failed": counts.failed, "succeeded": counts.succeeded},
                period=_RATE_PERIOD,
                label="share of failed jobs",
            ),
            threshold=share,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        self.alarm.add_alarm_action(actions.SnsAction(topic))
