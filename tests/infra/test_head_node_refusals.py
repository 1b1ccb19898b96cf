"""The head node's construct where an app cannot bring it: other networks, a submitters' policy, what is refused.

CDK is imported inside functions: only the process that runs these pays for starting it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.built_network import build_network

if TYPE_CHECKING:
    from aws_cdk import Stack

    from constructs_lib.head_node import HeadNode

MakeNode = Callable[..., "HeadNode"]


@pytest.fixture
def stack() -> Stack:
    """An empty stack of its own for each test."""
    import aws_cdk as cdk

    return cdk.Stack(cdk.App(analytics_reporting=False, stack_traces=False), "Lab")


@pytest.fixture
def make_node(stack: Stack) -> MakeNode:
    """Make a head node in a private subnet that is right in everything but what the test says."""
    import aws_cdk as cdk
    from aws_cdk import aws_s3 as s3

    from constructs_lib.head_node import HeadNode

    network = build_network(stack, "nat")
    bucket = s3.Bucket(stack, "Bucket")

    def make(**changed: Any) -> HeadNode:
        right: dict[str, Any] = {
            "instance_type": "t3.small",
            "root_volume": cdk.Size.gibibytes(20),
            "idle_timeout": cdk.Duration.minutes(60),
            "scripts": {"boot.sh": "true\n"},
        }
        return HeadNode(
            stack,
            "Node",
            network=network,
            deployment="Lab",
            bucket=bucket,
            bundle_key="head-node/it.tar.gz",
            **(right | changed),
        )

    return make


def resource(stack: Stack, kind: str) -> dict[str, Any]:
    """The properties of the one resource of that type in the stack's template."""
    from aws_cdk.assertions import Template

    (body,) = Template.from_stack(stack).find_resources(kind).values()
    properties: dict[str, Any] = body["Properties"]
    return properties


def test_in_a_private_subnet_it_has_no_public_address(stack: Stack, make_node: MakeNode) -> None:
    """Nor is one acknowledged: a rule that finds one there is heard."""
    node = make_node()
    (interface,) = resource(stack, "AWS::EC2::Instance")["NetworkInterfaces"]
    assert interface["AssociatePublicIpAddress"] is False
    assert "EC2InstanceNoPublicIp" not in str(node.node.find_child("Instance").node.metadata)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"instance_type": "small"}, "Lab/Node instance_type: is the full name of an instance type .*got 'small'; use"),
        (
            {"scripts": {"boot.sh": "x" * 16000}},
            r"Lab/Node scripts: with the settings have at most 15872 bytes .*got 16",
        ),
        ({"scripts": {"boot.sh": "echo ✓"}}, "Lab/Node scripts: are ASCII, as their MIME part says, got other"),
    ],
)
def test_what_ec2_would_refuse_or_cloud_init_misread_is_refused(
    make_node: MakeNode, changed: dict[str, Any], expected: str
) -> None:
    """At synth, with the construct, the property and what to do."""
    from constructs_lib.errors import PropertyError

    with pytest.raises(PropertyError, match=expected):
        make_node(**changed)


def test_a_network_without_a_way_out_needs_endpoints_for_the_agent_and_for_every_client_of_the_runner() -> None:
    """A service that `hpc` comes to call is named here, or comes through S3's gateway endpoint."""
    from constructs_lib.head_node import INTERFACE_ENDPOINTS

    called = {"batch", "ec2", "ecs", "cloudformation", "logs", "ecr.api", "sqs", "ssm"}
    assert set(INTERFACE_ENDPOINTS) == called | {"ssmmessages", "ec2messages"}
