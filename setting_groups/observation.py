"""Who is told what of a deployment: mails, metrics, alarms, a dashboard, a budget. All of it is off by default."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Final

from setting_groups.finding import Finding

_EMAIL: Final = r"[^\s@<>\"]+@[^\s@<>\"]+\.[^\s@<>\".]{2,}"
"""Near enough: SNS sends a confirmation to it, and nothing else before that was answered."""

_MOST_METRICS_MINUTES: Final = 60
_MOST_STUCK_MINUTES: Final = 1440
"""Period times periods of an alarm, a day at most where the period is an hour or less.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObservationSettings:
    """What is reported, and to whom."""

    alarm_email: str | None = None
    """Address that gets a mail for every failed job, stuck queue and image with grave findings, and for alarms and
    budget: 1.00 a month for the topic's key; 1,000 mails a month are free, then 0.02 per 1,000.

    An array or multi-node job is one mail however many children fail, but 1,000 single jobs that fail are 1,000 mails.
    SNS asks the address to confirm first.
    """

    counts_ended_jobs: bool = False
    """Whether jobs that succeeded and failed are counted in CloudWatch: 0.60 a month for two metrics, of which only
    hours with ended jobs are billed, and 0.50 per GB of log, about 3 KB a job: 10,000 jobs for 0.02.
    """

    ended_job_log_days: int = 30
    """How long the events that are counted are kept, to be looked through: 0.03 per GB-month."""

    queue_metrics_minutes: int | None = None
    """How often, 1 to 60, a small function reports each queue's length, its first job's waiting and its vCPUs in use.

    Three metrics a queue at 0.30 a month, of which only hours with active jobs are billed: 0.005 an hour for four busy
    queues. Runs and calls at every 5 minutes are 8,640 a month: 0.09 when busy, nothing to speak of when idle. The
    function reserves one of the account's concurrent executions: an account whose quota is still 10 has none to give
    (aws service-quotas request-service-quota-increase raises it).
    """

    stuck_alarm_minutes: int | None = None
    """After how long as the first of its queue, up to 1440, a job that does not start alarms: 0.10 a month a queue,
    and 0.10 for an alarm on the function that measures it.
    """

    failure_rate_alarm: float | None = None
    """From which share of the last hour's ended jobs, above 0 and up to 1, failures alarm: 0.20 a month."""

    failure_rate_jobs: int = 20
    """How many jobs must have ended in the hour for a share to mean anything."""

    monthly_budget_usd: int | None = None
    """What the deployment may cost a month: told at 80 % spent and when 100 % is forecast. Two budgets are free, each
    further 0.62 a month. It stops nothing. Its cost allocation tag must be activated once (docs/observation.md).
    """

    has_dashboard: bool = False
    """Whether all this is on one CloudWatch dashboard: three are free, each further 3.00 a month."""

    container_insights: bool = False
    """Whether ECS reports CPU, memory and network of tasks: a dozen metrics a cluster, of which there are three, and
    some ten a job definition, at 0.30 a month each for the hours in which they report, and 0.50 per GB of log, some KB
    per task and minute. The local cloud refuses it.
    """


def observation_findings(settings: ObservationSettings) -> Iterator[Finding]:
    """Every rule of observation that the settings break."""
    yield from _address_findings(settings)
    yield from _metric_findings(settings)
    yield from _alarm_findings(settings)
    if settings.monthly_budget_usd is not None and settings.monthly_budget_usd < 1:
        yield Finding(
            "monthly_budget_usd",
            "a budget is 1 USD a month or more",
            settings.monthly_budget_usd,
            "raise it, or use None for no budget",
        )


def _address_findings(settings: ObservationSettings) -> Iterator[Finding]:
    address = settings.alarm_email
    if address is not None:
        if not re.fullmatch(_EMAIL, address):
            yield Finding(
                "alarm_email", "an e-mail address, one", address, "use for instance 'lab@example.org', or None"
            )
        return
    for name in ("stuck_alarm_minutes", "failure_rate_alarm", "monthly_budget_usd"):
        value = getattr(settings, name)
        if value is not None:
            yield Finding(name, "what alarms has an alarm_email to tell", value, "set alarm_email, or use None")


def _metric_findings(settings: ObservationSettings) -> Iterator[Finding]:
    minutes = settings.queue_metrics_minutes
    if minutes is not None and not 1 <= minutes <= _MOST_METRICS_MINUTES:
        yield Finding(
            "queue_metrics_minutes",
            f"1 to {_MOST_METRICS_MINUTES} minutes, since alarms look back an hour",
            minutes,
            "use for instance 5, or None for no metrics of queues",
        )
    if settings.has_dashboard and minutes is None and not settings.counts_ended_jobs:
        yield Finding(
            "has_dashboard",
            "a dashboard shows metrics of this deployment",
            settings.has_dashboard,
            "set counts_ended_jobs or queue_metrics_minutes, or do without",
        )


def _alarm_findings(settings: ObservationSettings) -> Iterator[Finding]:
    stuck, rate = settings.stuck_alarm_minutes, settings.failure_rate_alarm
    if stuck is not None and not 1 <= stuck <= _MOST_STUCK_MINUTES:
        rule = f"1 to {_MOST_STUCK_MINUTES} minutes"
        yield Finding("stuck_alarm_minutes", rule, stuck, "use for instance 30, or None for no alarm")
    if stuck is not None and settings.queue_metrics_minutes is None:
        rule = "the alarm looks at what queue_metrics_minutes reports"
        yield Finding("stuck_alarm_minutes", rule, stuck, "set queue_metrics_minutes to 5, or use None")
    if rate is not None and not 0 < rate <= 1:
        rule = "a share of the ended jobs, above 0 and up to 1"
        yield Finding("failure_rate_alarm", rule, rate, "use for instance 0.2 for 20 %, or None for no alarm")
    if rate is not None and not settings.counts_ended_jobs:
        rule = "the alarm looks at what counts_ended_jobs counts"
        yield Finding("failure_rate_alarm", rule, rate, "set counts_ended_jobs, or use None")
    if settings.failure_rate_jobs < 1:
        rule = "a share is of 1 job or more"
        yield Finding("failure_rate_jobs", rule, settings.failure_rate_jobs, "use for instance 20")
