"""The network: two zones, nothing inbound, HTTPS out, nothing that is billed by the hour."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.infra.synthesised import Template, flat, read_templates

BILLED_WHILE_IDLE = {
    "AWS::EC2::EIP",
    "AWS::EC2::Instance",
    "AWS::EC2::NatGateway",
    "AWS::EC2::VPNGateway",
    "AWS::KMS::Key",
}


def test_no_stack_has_a_resource_that_is_billed_by_the_hour(templates: dict[str, Template]) -> None:
    """Idle costs stored bytes only: no NAT gateway, address, instance or key, and no interface endpoint."""
    for template in templates.values():
        kinds = {body["Type"] for body in template.document["Resources"].values()}
        assert kinds & BILLED_WHILE_IDLE == set()
        for endpoint in template.resources("AWS::EC2::VPCEndpoint").values():
            assert endpoint["Properties"]["VpcEndpointType"] == "Gateway"


def test_one_secret_is_all_that_costs_while_nothing_is_stored(templates: dict[str, Template]) -> None:
    """That of MPI's nodes, 0.40 USD a month."""
    secrets = [name for template in templates.values() for name in template.resources("AWS::SecretsManager::Secret")]
    assert len(secrets) == 1
    assert "BringUpSecret" in secrets[0]


def test_no_stack_needs_a_lambda_function(templates: dict[str, Template]) -> None:
    """No custom resource: nothing runs during a deployment but CloudFormation itself."""
    for template in templates.values():
        kinds = {body["Type"] for body in template.document["Resources"].values()}
        assert not {kind for kind in kinds if kind.startswith(("Custom::", "AWS::Lambda::", "AWS::CloudFormation::"))}


def test_the_vpc_spans_two_zones_with_a_public_subnet_each(network: Template) -> None:
    """Jobs survive the loss of a zone, and instances get the public address that lets them join."""
    subnets = [body["Properties"] for body in network.resources("AWS::EC2::Subnet").values()]
    assert [subnet["AvailabilityZone"] for subnet in subnets] == [
        {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
        {"Fn::Select": [1, {"Fn::GetAZs": ""}]},
    ]
    assert all(subnet["MapPublicIpOnLaunch"] is True for subnet in subnets)
    assert len({subnet["CidrBlock"] for subnet in subnets}) == 2
    routes = [body["Properties"] for body in network.resources("AWS::EC2::Route").values()]
    assert [route["DestinationCidrBlock"] for route in routes] == ["0.0.0.0/0", "0.0.0.0/0"]
    assert all("GatewayId" in route for route in routes)


def test_another_zone_leaves_the_subnets_that_there_are(assemblies: Mapping[str, Path]) -> None:
    """A range that were shared out among the zones in use would make each of them anew, with jobs in it."""
    blocks = {}
    for variant in ("private", "rich"):
        network = Template(read_templates(assemblies[variant])["CloudHpc-Network"])
        blocks[variant] = {
            name: body["Properties"]["CidrBlock"] for name, body in network.resources("AWS::EC2::Subnet").items()
        }
    assert blocks["private"].items() < blocks["rich"].items()
    assert (len(blocks["private"]), len(blocks["rich"])) == (2, 3)


def test_nothing_is_let_in_and_only_https_out(templates: dict[str, Template]) -> None:
    """No group lets strangers in, and HTTPS goes out; only MPI's nodes hear and tell each other anything."""
    groups = [
        body["Properties"]
        for template in templates.values()
        for body in template.resources("AWS::EC2::SecurityGroup").values()
    ]
    assert len(groups) == 2
    for group in groups:
        assert "SecurityGroupIngress" not in group
        assert group["SecurityGroupEgress"] == [
            {
                "CidrIp": "0.0.0.0/0",
                "Description": "AWS APIs, image registries, S3",
                "FromPort": 443,
                "IpProtocol": "tcp",
                "ToPort": 443,
            }
        ]
    for kind, peer in (("Ingress", "SourceSecurityGroupId"), ("Egress", "DestinationSecurityGroupId")):
        (rule,) = [
            body["Properties"]
            for template in templates.values()
            for body in template.resources(f"AWS::EC2::SecurityGroup{kind}").values()
        ]
        assert rule[peer] == rule["GroupId"]
        assert "MpiQueueSecurityGroup" in flat(rule["GroupId"])
        assert rule["IpProtocol"] == "-1"


def test_s3_is_reached_without_the_internet(network: Template) -> None:
    """A gateway endpoint, on the route table of each subnet, carries S3 at no cost."""
    (endpoint,) = network.resources("AWS::EC2::VPCEndpoint").values()
    assert ".s3" in flat(endpoint["Properties"]["ServiceName"])
    tables = {flat({"Ref": name}) for name in network.resources("AWS::EC2::RouteTable")}
    assert {flat(table) for table in endpoint["Properties"]["RouteTableIds"]} == tables
    assert len(tables) == 2


def test_traffic_is_logged_and_the_log_expires(network: Template) -> None:
    """All traffic of the VPC goes to a log group with a retention."""
    (flow_log,) = network.resources("AWS::EC2::FlowLog").values()
    ((log_group, body),) = network.resources("AWS::Logs::LogGroup").items()
    assert flow_log["Properties"]["TrafficType"] == "ALL"
    assert flow_log["Properties"]["ResourceType"] == "VPC"
    assert flow_log["Properties"]["LogGroupName"] == {"Ref": log_group}
    assert body["Properties"]["RetentionInDays"] == 30
