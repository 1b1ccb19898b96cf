"""The part of the entry stack that reports what happens in it, where that is wanted, and its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

import deployment_outputs
from constructs_lib.alarm_topic import AlarmTopic
from constructs_lib.deployment_budget import DeploymentBudget
from constructs_lib.deployment_dashboard import DeploymentDashboard
from constructs_lib.ended_job_counts import EndedJobCounts
from constructs_lib.errors import PropertyError
from constructs_lib.job_alarms import FailureRateAlarm, StuckJobAlarms
from constructs_lib.notices import Notices
from constructs_lib.queue_metrics import QueueMetrics


class ObservationPart(Construct):
    """Metrics, mails, alarms, budget and dashboard: each of them, or the word that there is none."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: str,
        tag_key: str,
        job_queues: Mapping[str, batch.IJobQueue],
        repositories: Sequence[ecr.IRepository],
        alarm_email: str | None,
        counts_ended_jobs: bool,
        ended_job_log_days: int,
        queue_metrics_interval: cdk.Duration | None,
        stuck_alarm_after: cdk.Duration | None,
        failure_rate_alarm: float | None,
        failure_rate_jobs: int,
        monthly_budget_usd: int | None,
        has_dashboard: bool,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Declare the part.

        Args:
            tag_key: of the tag that everything of the deployment carries, with its name as the value.
            job_queues: by their names for users; metrics and alarms say these.
            encryption_key: of the topic; left out, it has its own.
        """
        super().__init__(scope, construct_id)
        self._deployment = deployment
        self._job_queues = job_queues
        namespace = f"CloudHpc/{deployment}"
        counts = self._counts(namespace, ended_job_log_days) if counts_ended_jobs else None
        metrics = self._metrics(namespace, queue_metrics_interval)
        alarms: list[cloudwatch.IAlarm] = []
        topic = None
        if alarm_email is not None:
            topic = self._topic(alarm_email, encryption_key, repositories)
            alarms += self._stuck_alarms(stuck_alarm_after, metrics, topic)
            alarms += self._failure_alarm(failure_rate_alarm, failure_rate_jobs, counts, topic)
            if monthly_budget_usd is not None:
                DeploymentBudget(
                    self,
                    "Budget",
                    tag_key=tag_key,
                    deployment=deployment,
                    monthly_usd=monthly_budget_usd,
                    topic=topic,
                )
        elif (stuck_alarm_after, failure_rate_alarm, monthly_budget_usd) != (None, None, None):
            problem = "alarms and a budget have somebody to tell, got no address; set it, or leave them out"
            raise PropertyError(self, "alarm_email", problem)
        dashboard = None
        if has_dashboard:
            dashboard = DeploymentDashboard(
                self,
                "Page",
                deployment=deployment,
                queues=list(job_queues),
                queue_metrics=metrics,
                counts=counts,
                alarms=alarms,
                monthly_budget_usd=monthly_budget_usd,
            ).dashboard.dashboard_name
        self._output(deployment_outputs.ALARM_TOPIC_ARN, topic.topic_arn if topic else None)
        self._output(deployment_outputs.DASHBOARD_NAME, dashboard)

    def _counts(self, namespace: str, retention_days: int) -> EndedJobCounts:
        return EndedJobCounts(
            self,
            "EndedJobs",
            namespace=namespace,
            job_queues=list(self._job_queues.values()),
            retention_days=retention_days,
        )

    def _metrics(self, namespace: str, interval: cdk.Duration | None) -> QueueMetrics | None:
        if interval is None:
            return None
        return QueueMetrics(self, "Queues", namespace=namespace, job_queues=self._job_queues, interval=interval)

    def _topic(self, email: str, key: kms.IKey | None, repositories: Sequence[ecr.IRepository]) -> sns.ITopic:
        alarms = AlarmTopic(self, "Alarms", email=email, encryption_key=key)
        Notices(
            self,
            "Notices",
            deployment=self._deployment,
            topic=alarms.for_rules,
            job_queues=list(self._job_queues.values()),
            repositories=repositories,
        )
        return alarms.topic

    def _stuck_alarms(
        self, after: cdk.Duration | None, metrics: QueueMetrics | None, topic: sns.ITopic
    ) -> Sequence[cloudwatch.IAlarm]:
        if after is None:
            return ()
        if metrics is None:
            problem = "an alarm about jobs that wait looks at metrics of queues, got none; report them, too"
            raise PropertyError(self, "stuck_alarm_after", problem)
        return StuckJobAlarms(
            self,
            "StuckJobs",
            deployment=self._deployment,
            metrics=metrics,
            queues=list(self._job_queues),
            after=after,
            topic=topic,
        ).alarms

    def _failure_alarm(
        self, share: float | None, at_least_jobs: int, counts: EndedJobCounts | None, topic: sns.ITopic
    ) -> Sequence[cloudwatch.IAlarm]:
        if share is None:
            return ()
        if counts is None:
            problem = "an alarm about failures looks at counts of ended jobs, got none; count them, too"
            raise PropertyError(self, "failure_rate_alarm", problem)
        return (
            FailureRateAlarm(
                self,
                "FailureRate",
                deployment=self._deployment,
                counts=counts,
                share=share,
                at_least_jobs=at_least_jobs,
                topic=topic,
            ).alarm,
        )

    def _output(self, key: str, value: str | None) -> None:
        cdk.CfnOutput(self, key, value=value or deployment_outputs.NONE).override_logical_id(key)
