"""Types of AWS::EC2::* that MiniStack's CloudFormation lacks, made of the EC2 records that its API serves.

They are records that a stack can hold and Describe calls show: no packet is ever filtered, translated or logged here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from local_batch.host.ec2_actions import Ec2ActionError, Ec2Actions, Properties, request_of
from local_batch.host.seams import MiniStack

Created = tuple[str, dict[str, str]]

REPLACING: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "AWS::EC2::FlowLog": (
            "DeliverCrossAccountRole",
            "DeliverLogsPermissionArn",
            "DestinationOptions",
            "LogDestination",
            "LogDestinationType",
            "LogFormat",
            "LogGroupName",
            "MaxAggregationInterval",
            "ResourceId",
            "ResourceType",
            "TagFieldSpecifications",
            "TrafficType",
        ),
        "AWS::EC2::EIP": ("Address", "IpamPoolId", "NetworkBorderGroup", "TransferAddress"),
        "AWS::EC2::NatGateway": (
            "AllocationId",
            "AvailabilityMode",
            "ConnectivityType",
            "PrivateIpAddress",
            "SubnetId",
            "VpcId",
        ),
        "AWS::EC2::NetworkAcl": ("VpcId",),
        "AWS::EC2::SubnetNetworkAclAssociation": ("NetworkAclId", "SubnetId"),
    }
)
"""What makes another resource when it changes; all else is changed on the one that is there.

Source: the resource types' schemas, https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html
"""


class NetworkResources:
    """Handlers in MiniStack's shape, one pair of methods a type."""

    def __init__(self, ministack: MiniStack) -> None:
        self._ministack = ministack
        self._ec2 = ministack.ec2
        self._actions = Ec2Actions(ministack)

    def create_flow_log(self, logical_id: str, properties: Properties, stack_name: str) -> Created:  # noqa: ARG002
        """AWS::EC2::FlowLog."""
        names = ("ResourceType", "TrafficType", "LogDestinationType", "LogDestination", "LogGroupName")
        request = request_of(properties, names)
        found = self._actions.perform(
            "CreateFlowLogs", {**request, "ResourceId.1": [properties["ResourceId"]]}, "flowLogIdSet/item"
        )
        self._actions.tag(found, properties)
        return found, {"Id": found}

    def delete_flow_log(self, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        """AWS::EC2::FlowLog."""
        self._actions.perform("DeleteFlowLogs", {"FlowLogId.1": [physical_id]})

    def create_address(self, logical_id: str, properties: Properties, stack_name: str) -> Created:  # noqa: ARG002
        """AWS::EC2::EIP: its physical id is the address."""
        allocation = self._actions.perform("AllocateAddress", {"Domain": ["vpc"]}, "allocationId")
        self._actions.tag(allocation, properties)
        address = self._ec2.addresses[allocation]["PublicIp"]
        return address, {"AllocationId": allocation, "PublicIp": address}

    def delete_address(self, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        """AWS::EC2::EIP."""
        for allocation, record in list(self._ec2.addresses.items()):
            if record["PublicIp"] == physical_id:
                self._actions.perform("ReleaseAddress", {"AllocationId": [allocation]})

    def update_address(self, physical_id: str, old: Properties, new: Properties, stack_name: str) -> Created:  # noqa: ARG002
        """AWS::EC2::EIP: its tags."""
        allocation = next(key for key, record in self._ec2.addresses.items() if record["PublicIp"] == physical_id)
        self._actions.tag(allocation, new, old)
        return physical_id, {"AllocationId": allocation, "PublicIp": physical_id}

    def create_nat_gateway(self, logical_id: str, properties: Properties, stack_name: str) -> Created:  # noqa: ARG002
        """AWS::EC2::NatGateway."""
        names = ("SubnetId", "AllocationId", "ConnectivityType")
        request = request_of(properties, names)
        found = self._actions.perform("CreateNatGateway", request, "natGateway/natGatewayId")
        self._actions.tag(found, properties)
        return found, {"NatGatewayId": found}

    def delete_nat_gateway(self, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        """AWS::EC2::NatGateway."""
        if physical_id in self._ec2.nat_gateways:
            self._actions.perform("DeleteNatGateway", {"NatGatewayId": [physical_id]})

    def create_network_acl(self, logical_id: str, properties: Properties, stack_name: str) -> Created:  # noqa: ARG002
        """AWS::EC2::NetworkAcl."""
        found = self._actions.perform("CreateNetworkAcl", {"VpcId": [properties["VpcId"]]}, "networkAcl/networkAclId")
        self._actions.tag(found, properties)
        return found, {"Id": found}

    def delete_network_acl(self, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        """AWS::EC2::NetworkAcl."""
        if physical_id in self._ec2.network_acls:
            self._actions.perform("DeleteNetworkAcl", {"NetworkAclId": [physical_id]})

    def create_network_acl_entry(
        self,
        logical_id: str,
        properties: Properties,
        stack_name: str,
    ) -> Created:
        """AWS::EC2::NetworkAclEntry."""
        names = ("NetworkAclId", "RuleNumber", "Protocol", "RuleAction", "CidrBlock", "Ipv6CidrBlock")
        request = request_of(properties, names)
        self._actions.perform("CreateNetworkAclEntry", {**request, "Egress": [_lower(properties.get("Egress", False))]})
        return f"{stack_name}-{logical_id}", {}

    def delete_network_acl_entry(self, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        """AWS::EC2::NetworkAclEntry."""
        request = request_of(properties, ("NetworkAclId", "RuleNumber"))
        if properties["NetworkAclId"] in self._ec2.network_acls:
            self._actions.perform(
                "DeleteNetworkAclEntry", {**request, "Egress": [_lower(properties.get("Egress", False))]}
            )

    def create_acl_association(
        self,
        logical_id: str,  # noqa: ARG002
        properties: Properties,
        stack_name: str,  # noqa: ARG002
    ) -> Created:
        """AWS::EC2::SubnetNetworkAclAssociation."""
        acls = self._ec2.network_acls
        if properties["NetworkAclId"] not in acls:
            raise Ec2ActionError(f"The network ACL '{properties['NetworkAclId']}' does not exist")
        association_id = f"aclassoc-{secrets.token_hex(9)[:17]}"
        record = {"NetworkAclAssociationId": association_id, "SubnetId": properties["SubnetId"]}
        acls[properties["NetworkAclId"]]["Associations"].append(record)
        return association_id, {"AssociationId": association_id}

    def delete_acl_association(self, physical_id: str, properties: Properties) -> None:
        """AWS::EC2::SubnetNetworkAclAssociation."""
        acl = self._ec2.network_acls.get(properties["NetworkAclId"])
        if acl is not None:
            acl["Associations"] = [
                record for record in acl["Associations"] if record["NetworkAclAssociationId"] != physical_id
            ]

    def create_placement_group(self, logical_id: str, properties: Properties, stack_name: str) -> Created:
        """AWS::EC2::PlacementGroup."""
        name = f"{stack_name}-{logical_id}"
        self._actions.perform(
            "CreatePlacementGroup", {"GroupName": [name], "Strategy": [properties.get("Strategy", "cluster")]}
        )
        return name, {"GroupName": name}

    def delete_placement_group(self, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        """AWS::EC2::PlacementGroup."""
        if physical_id in self._ec2.placement_groups:
            self._actions.perform("DeletePlacementGroup", {"GroupName": [physical_id]})

    def retaggable(
        self, create: Callable[[str, Properties, str], Created], delete: Callable[[str, Properties], None]
    ) -> dict[str, Any]:
        """Handlers of a type of which only the tags change in place; what else does is in REPLACING."""
        attribute_of = {"fl": "Id", "nat": "NatGatewayId", "acl": "Id"}

        def update(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Created:  # noqa: ARG001
            self._actions.tag(physical_id, new, old)
            return physical_id, {attribute_of[physical_id.partition("-")[0]]: physical_id}

        return {"create": create, "update": update, "delete": delete}

    def security_group_rule(self, table: str) -> dict[str, Callable[..., Any]]:
        """AWS::EC2::SecurityGroupIngress and …Egress: a rule in `table` of its group's record."""

        def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
            (permission,) = self._ministack.provisioners.ec2_sg_permissions([dict(properties)])
            self._rules(properties, table).append(permission)
            return f"sgr-{stack_name}-{logical_id}", {}

        def delete(physical_id: str, properties: Properties) -> None:  # noqa: ARG001
            (permission,) = self._ministack.provisioners.ec2_sg_permissions([dict(properties)])
            if properties["GroupId"] in self._ec2.security_groups:
                rules = self._rules(properties, table)
                rules[:] = [rule for rule in rules if rule != permission]

        return replaceable(create, delete)

    def _rules(self, properties: Properties, table: str) -> list[dict[str, Any]]:
        group = self._ec2.security_groups.get(properties["GroupId"])
        if group is None:
            raise Ec2ActionError(f"The security group '{properties['GroupId']}' does not exist")
        rules: list[dict[str, Any]] = group[table]
        return rules


def replaceable(
    create: Callable[[str, Properties, str], Created], delete: Callable[[str, Properties], None]
) -> dict[str, Any]:
    """Handlers of a type whose physical id stays what it was: a change takes the old record away and makes the new."""

    def update(physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        delete(physical_id, old)
        return create(logical_id, new, stack_name)

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def install(ministack: MiniStack) -> None:
    """Make stacks able to hold the types of this module, and Fn::GetAtt of a VPC's CidrBlock answer."""
    resources = NetworkResources(ministack)
    handlers = ministack.provisioners.RESOURCE_HANDLERS
    handlers.update(
        {
            "AWS::EC2::FlowLog": resources.retaggable(resources.create_flow_log, resources.delete_flow_log),
            "AWS::EC2::EIP": {
                "create": resources.create_address,
                "update": resources.update_address,
                "delete": resources.delete_address,
            },
            "AWS::EC2::NatGateway": resources.retaggable(resources.create_nat_gateway, resources.delete_nat_gateway),
            "AWS::EC2::NetworkAcl": resources.retaggable(resources.create_network_acl, resources.delete_network_acl),
            "AWS::EC2::NetworkAclEntry": replaceable(
                resources.create_network_acl_entry, resources.delete_network_acl_entry
            ),
            "AWS::EC2::SubnetNetworkAclAssociation": {
                "create": resources.create_acl_association,
                "delete": resources.delete_acl_association,
            },
            "AWS::EC2::PlacementGroup": replaceable(resources.create_placement_group, resources.delete_placement_group),
            "AWS::EC2::SecurityGroupIngress": resources.security_group_rule("IpPermissions"),
            "AWS::EC2::SecurityGroupEgress": resources.security_group_rule("IpPermissionsEgress"),
        }
    )
    ministack.provisioners.REPLACING_PROPERTIES.update(REPLACING)
    _complete_vpc_attributes(handlers["AWS::EC2::VPC"])


def _complete_vpc_attributes(handlers: dict[str, Any]) -> None:
    create, update = handlers["create"], handlers["update"]

    def create_vpc(logical_id: str, properties: Properties, stack_name: str) -> Created:
        vpc_id, attributes = create(logical_id, properties, stack_name)
        return vpc_id, {**attributes, "CidrBlock": properties.get("CidrBlock", "")}

    def update_vpc(vpc_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        new_id, attributes = update(vpc_id, old, new, stack_name, logical_id)
        return new_id, {**attributes, "CidrBlock": new.get("CidrBlock", "")}

    handlers.update({"create": create_vpc, "update": update_vpc})


def _lower(value: object) -> str:
    return str(value).lower()
