"""Metrics of job queues, which Batch itself has none of: a small function on a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from constructs import Construct

from constructs_lib.ended_job_counts import acknowledge_default_encryption
from constructs_lib.errors import PropertyError
from constructs_lib.rule_packs import acknowledge

_CODE: Final = Path(__file__).resolve().parents[1] / "functions" / "queue_metrics.py"

_TIMEOUT: Final = cdk.Duration.seconds(59)
"""Less than the shortest interval: two runs never overlap. A run takes seconds; what queues reported by then stays."""

_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "LambdaDLQ": "A run that failed is followed by the next within minutes, and says why in its log: there is "
        "nothing in its event to be processed later",
        "LambdaInsideVPC": "The function calls APIs of AWS alone, over TLS, and holds no data: in the VPC it would "
        "need endpoints or a NAT gateway, and be no safer",
    }
)


class QueueMetrics(Construct):
    """Of each queue by name (dimension JobQueue): RunnableJobs, FirstJobMinutes and RunningVcpus, while it has jobs."""

    interval: cdk.Duration
    errors: cloudwatch.Metric
    """Runs that failed."""
    log_group: logs.ILogGroup
    """Of what the function prints: which queue has more jobs than it counts, and why a run failed."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        namespace: str,
        job_queues: Mapping[str, batch.IJobQueue],
        interval: cdk.Duration,
    ) -> None:
        super().__init__(scope, construct_id)
        minutes = interval.to_minutes()
        if not 1 <= minutes <= 60:
            problem = f"metrics are reported every 1 to 60 minutes, got {minutes:g}; use for instance 5"
            raise PropertyError(self, "interval", problem)
        self.interval = interval
        self._namespace = namespace
        function = self._function(job_queues)
        self.errors = function.metric_errors(statistic=cloudwatch.Stats.SUM)
        scheduler.Schedule(
            self,
            "Schedule",
            description="Metrics of job queues",
            schedule=scheduler.ScheduleExpression.rate(interval),
            target=scheduler_targets.LambdaInvoke(
                function,
                role=self._role_of_schedule(function).without_policy_updates(),
                retry_attempts=0,
                max_event_age=cdk.Duration.minutes(1),
            ),
        )

    def metric(self, name: str, queue: str) -> cloudwatch.Metric:
        """RunnableJobs, FirstJobMinutes or RunningVcpus of a queue: its largest value in an interval."""
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            dimensions_map={"JobQueue": queue},
            statistic=cloudwatch.Stats.MAXIMUM,
            period=self.interval,
        )

    def _function(self, job_queues: Mapping[str, batch.IJobQueue]) -> lambda_.Function:
        log_group = logs.LogGroup(
            self, "Log", retention=logs.RetentionDays.ONE_MONTH, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        acknowledge_default_encryption(log_group)
        self.log_group = log_group
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        role.add_managed_policy(self._policy(log_group, job_queues))
        stack = cdk.Stack.of(self)
        function = lambda_.Function(
            self,
            "Function",
            description="Reports the length of job queues to CloudWatch",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler="index.handler",
            code=lambda_.Code.from_inline(_CODE.read_text(encoding="utf-8")),
            environment={
                "NAMESPACE": self._namespace,
                "QUEUES": stack.to_json_string({name: queue.job_queue_arn for name, queue in job_queues.items()}),
            },
            memory_size=256,
            timeout=_TIMEOUT,
            retry_attempts=0,
            reserved_concurrent_executions=1,
            log_group=log_group,
            role=role.without_policy_updates(),
        )
        for rule, reason in _REASONS.items():
            acknowledge(function, rule, reason)
        return function

    def _policy(self, log_group: logs.ILogGroup, job_queues: Mapping[str, batch.IJobQueue]) -> iam.ManagedPolicy:
        # By hand because Batch's L2 has no grants, and CloudWatch's grants know no namespace.
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="List jobs and report metrics of one namespace",
            statements=[
                # Neither takes a resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html
                iam.PolicyStatement(actions=["batch:ListJobs", "batch:DescribeJobs"], resources=["*"]),
                iam.PolicyStatement(
                    actions=["batch:GetJobQueueSnapshot"],
                    resources=[queue.job_queue_arn for queue in job_queues.values()],
                ),
                iam.PolicyStatement(
                    actions=["cloudwatch:PutMetricData"],
                    resources=["*"],
                    conditions={"StringEquals": {"cloudwatch:namespace": self._namespace}},
                ),
                iam.PolicyStatement(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
                ),
            ],
        )
        cdk.Validations.of(policy).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="ListJobs, DescribeJobs and PutMetricData take no resource; metrics are bound to the "
                "deployment's namespace by a condition",
            )
        )
        return policy

    def _role_of_schedule(self, function: lambda_.Function) -> iam.Role:
        """A role that may call the function itself; what LambdaInvoke grants covers its versions, too."""
        role = iam.Role(
            self,
            "ScheduleRole",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
            ),
        )
        role.add_managed_policy(
            iam.ManagedPolicy(
                self,
                "SchedulePolicy",
                description="Run the function that reports metrics of job queues",
                statements=[iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])],
            )
        )
        return role
