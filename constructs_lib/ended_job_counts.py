"""How many jobs ended, and how: counted from Batch's own events, without polling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_batch as batch
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk.interfaces.aws_events import IRuleRef
from constructs import Construct

from constructs_lib.errors import PropertyError
from constructs_lib.log_retention import log_retention
from constructs_lib.rule_packs import KEY_OF_LOGS, acknowledge

_PERIOD: Final = cdk.Duration.minutes(5)
_ABSENT: Final = [{"exists": False}]


class EndedJobCounts(Construct):
    """Two metrics of the namespace, JobsSucceeded and JobsFailed: a rule, a log group and a filter on it for each.

    An array counts as its children, a multi-node parallel job as one. A filter's metric has no data, and costs
    nothing, while no job ends. The namespace is the deployment's own, where filters could only take a dimension from
    the event, which does not know the deployment.
    """

    succeeded: cloudwatch.Metric
    failed: cloudwatch.Metric
    log_group: logs.ILogGroup
    """The events themselves, to be looked through."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        namespace: str,
        job_queues: Sequence[batch.IJobQueue],
        retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        if not job_queues:
            problem = "a rule without a job queue would count the jobs of the whole region, got none; name one"
            raise PropertyError(self, "job_queues", problem)
        log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=log_retention(self, retention_days),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        acknowledge_default_encryption(log_group)
        events.Rule(
            self,
            "Rule",
            description="Jobs that ended, to be counted",
            # https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={
                    "jobQueue": [queue.job_queue_arn for queue in job_queues],
                    "status": ["SUCCEEDED", "FAILED"],
                    "arrayProperties": {"size": _ABSENT},
                    "nodeDetails": {"nodeIndex": _ABSENT},
                },
            ),
            targets=[_LogTarget(log_group)],
        )
        # By hand because events_targets.CloudWatchLogGroup brings a Lambda function that writes the policy.
        log_group.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[
                    iam.ServicePrincipal("events.amazonaws.com"),
                    iam.ServicePrincipal("delivery.logs.amazonaws.com"),
                ],
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            )
        )
        self.log_group = log_group
        self.succeeded = self._count(log_group, namespace, "Succeeded")
        self.failed = self._count(log_group, namespace, "Failed")

    def _count(self, log_group: logs.LogGroup, namespace: str, ending: str) -> cloudwatch.Metric:
        return logs.MetricFilter(
            self,
            ending,
            log_group=log_group,
            filter_pattern=logs.FilterPattern.string_value("$.detail.status", "=", ending.upper()),
            metric_namespace=namespace,
            metric_name=f"Jobs{ending}",
            metric_value="1",
            unit=cloudwatch.Unit.COUNT,
        ).metric(statistic=cloudwatch.Stats.SUM, period=_PERIOD, label=ending.lower())


def acknowledge_default_encryption(log_group: logs.LogGroup) -> None:
    """Why a log group has no key of the account's own."""
    acknowledge(
        log_group,
        "CloudWatchLogGroupEncrypted",
        f"{KEY_OF_LOGS}; these events are states and names of jobs, not what jobs print or compute",
    )


@jsii.implements(events.IRuleTarget)
class _LogTarget:
    """A log group as the target of a rule, which takes its ARN without the asterisk for streams."""

    def __init__(self, log_group: logs.ILogGroup) -> None:
        self._log_group = log_group

    def bind(self, rule: IRuleRef, id: str | None = None) -> events.RuleTargetConfig:  # noqa: A002, ARG002
        """See IRuleTarget."""
        arn = cdk.Stack.of(self._log_group).format_arn(
            service="logs",
            resource="log-group",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            resource_name=self._log_group.log_group_name,
        )
        return events.RuleTargetConfig(arn=arn)
