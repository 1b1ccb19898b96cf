"""One page about a deployment: queues, ended jobs, spend, and where to look on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from constructs_lib.ended_job_counts import EndedJobCounts
from constructs_lib.errors import PropertyError
from constructs_lib.queue_metrics import QueueMetrics

_WHOLE: Final = 24
"""Columns of a dashboard."""


class DeploymentDashboard(Construct):
    """A CloudWatch dashboard of what is measured of a deployment; of what is not, it says so."""

    dashboard: cloudwatch.Dashboard

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: str,
        queues: Sequence[str],
        queue_metrics: QueueMetrics | None,
        counts: EndedJobCounts | None,
        alarms: Sequence[cloudwatch.IAlarm],
        monthly_budget_usd: int | None,
    ) -> None:
        super().__init__(scope, construct_id)
        if queue_metrics is None and counts is None:
            problem = "a dashboard shows metrics of queues or counts of ended jobs, got neither; hand one in"
            raise PropertyError(self, "queue_metrics, counts", problem)
        self.dashboard = cloudwatch.Dashboard(
            self, "Dashboard", default_interval=cdk.Duration.days(1), period_override=cloudwatch.PeriodOverride.INHERIT
        )
        self.dashboard.add_widgets(_text(_heading(deployment), height=3))
        if alarms:
            self.dashboard.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=_WHOLE))
        if queue_metrics is not None:
            self._add_queues(deployment, queues, queue_metrics)
        if counts is not None:
            self._add_ended(deployment, counts)
        self._add_spend(deployment, monthly_budget_usd)

    def _add_queues(self, deployment: str, queues: Sequence[str], metrics: QueueMetrics) -> None:
        def graph(title: str, name: str) -> cloudwatch.GraphWidget:
            return cloudwatch.GraphWidget(
                title=title,
                left=[metrics.metric(name, queue).with_(label=queue) for queue in queues],
                left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
                width=8,
            )

        self.dashboard.add_widgets(
            graph("Jobs that wait for a place (RUNNABLE)", "RunnableJobs"),
            graph("Minutes that the first job has been the first", "FirstJobMinutes"),
            graph("vCPUs in use", "RunningVcpus"),
        )
        self.dashboard.add_widgets(
            _text(
                "A gap is a time without active jobs. Many that wait are no trouble while vCPUs are in use; a first "
                f"job that stays the first is: `hpc --deployment {deployment} stat --status RUNNABLE` lists it, "
                f"`hpc --deployment {deployment} stat JOB` says why it does not start. Counts end at 1,000 jobs or "
                "arrays a queue and state.",
                height=2,
            )
        )

    def _add_ended(self, deployment: str, counts: EndedJobCounts) -> None:
        self.dashboard.add_widgets(
            cloudwatch.GraphWidget(
                title="Jobs that ended",
                left=[
                    counts.succeeded.with_(color=cloudwatch.Color.GREEN),
                    counts.failed.with_(color=cloudwatch.Color.RED),
                ],
                left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
                stacked=True,
                width=12,
            ),
            cloudwatch.LogQueryWidget(
                title="Why jobs failed",
                log_group_names=[counts.log_group.log_group_name],
                query_lines=[
                    "filter detail.status = 'FAILED'",
                    "stats count(*) as jobs by detail.statusReason, detail.container.exitCode",
                    "sort jobs desc",
                    "limit 20",
                ],
                width=12,
            ),
        )
        self.dashboard.add_widgets(
            _text(
                f"One of them: `hpc --deployment {deployment} stat --status FAILED`, then "
                f"`hpc --deployment {deployment} out JOB` for what it printed. Of a run: `hpc status`.",
                height=1,
            )
        )

    def _add_spend(self, deployment: str, monthly_budget_usd: int | None) -> None:
        budget = f"The budget is {monthly_budget_usd} USD a month." if monthly_budget_usd else "There is no budget."
        self.dashboard.add_widgets(
            cloudwatch.GraphWidget(
                title="Estimated charges of the whole account this month, USD",
                left=[
                    cloudwatch.Metric(
                        namespace="AWS/Billing",
                        metric_name="EstimatedCharges",
                        dimensions_map={"Currency": "USD"},
                        statistic=cloudwatch.Stats.MAXIMUM,
                        period=cdk.Duration.hours(6),
                        region="us-east-1",
                        label="all services",
                    )
                ],
                region="us-east-1",
                width=12,
            ),
            _text(
                f"{budget} CloudWatch knows spend of the account alone, not of one deployment, in us-east-1 alone, "
                "some hours late, and only where *Receive CloudWatch billing alerts* is on in the billing "
                "preferences. What this deployment costs is in Cost Explorer, by the tag `cloud-hpc:deployment` = "
                f"`{deployment}`, once that tag is activated (docs/observation.md).",
                width=12,
                height=6,
            ),
        )


def _heading(deployment: str) -> str:
    return (
        f"# Cloud HPC: {deployment}\n"
        f"Runs of your directory: `hpc runs`. Jobs now: `hpc --deployment {deployment} stat`. Queues and what is "
        f"behind them: `hpc --deployment {deployment} queues --details`. Instances: `hpc --deployment {deployment} "
        "hosts`."
    )


def _text(markdown: str, *, height: int, width: int = _WHOLE) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(markdown=markdown, height=height, width=width)
