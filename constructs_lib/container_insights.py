"""What jobs use, reported by ECS."""

from __future__ import annotations

from aws_cdk import aws_batch as batch


def report_to_container_insights(environment: batch.CfnComputeEnvironment) -> None:
    """Have the ECS cluster of a compute environment report CPU, memory and network of its jobs to CloudWatch.

    By hand because the L2 has no property for it. Source:
    https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateComputeEnvironment.html (ecsSettings)
    """
    environment.ecs_settings = batch.CfnComputeEnvironment.EcsSettingsProperty(container_insights="enabled")
