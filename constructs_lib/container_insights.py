"""CPU, memory and network of tasks, as ECS reports them."""

from __future__ import annotations

import aws_cdk as cdk
import jsii
from aws_cdk import aws_batch as batch
from constructs import IConstruct


@jsii.implements(cdk.IAspect)
class ContainerInsights:
    """Turns on Container Insights of the ECS cluster behind every managed compute environment of a scope.

    An aspect because the L2s have no property for it: `cdk.Aspects.of(stack).add(ContainerInsights())`.
    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-batch-computeenvironment.html
    """

    def visit(self, node: IConstruct) -> None:
        """See IAspect."""
        if isinstance(node, batch.CfnComputeEnvironment):
            node.ecs_settings = batch.CfnComputeEnvironment.EcsSettingsProperty(container_insights="enabled")
