"""AWS::EC2::Instance: a record that EC2's API describes, stops, starts and terminates. No machine is ever started.

What MiniStack's RunInstances leaves out is completed on the record: the launch template, the volumes that the template
asks for, the architecture, and no public address where the subnet gives none.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-instance.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_batch.host.ec2_actions import Ec2ActionError, Ec2Actions, Properties, request_of
from local_batch.host.instance_types import INSTANCE_TYPES
from local_batch.host.seams import MiniStack

TYPE: Final = "AWS::EC2::Instance"
REPLACING: Final = (
    "AvailabilityZone",
    "BlockDeviceMappings",
    "ImageId",
    "KeyName",
    "LaunchTemplate",
    "NetworkInterfaces",
    "PrivateIpAddress",
    "SubnetId",
)
"""Of a block device only DeleteOnTermination could change in place: here any change of them replaces the instance."""

SHOWN: Final = (
    "AvailabilityZone",
    "BlockDeviceMappings",
    "IamInstanceProfile",
    "ImageId",
    "InstanceType",
    "KeyName",
    "LaunchTemplate",
    "NetworkInterfaces",
    "PrivateIpAddress",
    "SecurityGroupIds",
    "SourceDestCheck",
    "SubnetId",
    "Tags",
    "UserData",
)
"""Properties that Describe calls show, as they are or in what follows from them."""

KEPT: Final = (
    "CreditSpecification",
    "DisableApiTermination",
    "EbsOptimized",
    "InstanceInitiatedShutdownBehavior",
    "MetadataOptions",
    "Monitoring",
    "PropagateTagsToVolumeOnCreation",
)
"""Properties of the machine that is not started: taken, and without effect."""

_EBS: Final = ("VolumeSize", "VolumeType", "Encrypted", "Iops", "Throughput", "SnapshotId")
Created = tuple[str, dict[str, str]]


class InstanceResources:
    """Handlers in MiniStack's shape."""

    def __init__(self, ministack: MiniStack) -> None:
        self._ec2 = ministack.ec2
        self._actions = Ec2Actions(ministack)

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Created:  # noqa: ARG002
        """A running instance, as far as Describe calls can tell. Raises Ec2ActionError."""
        unknown = sorted(properties.keys() - {*SHOWN, *KEPT})
        if unknown:
            raise Ec2ActionError(
                f"{unknown[0]}: is not played by the local cloud (docs/local-batch-parity.md), got "
                f"{properties[unknown[0]]!r}; leave it out"
            )
        wanted = self._with_launch_template(properties)
        for name in ("ImageId", "InstanceType"):
            if not wanted.get(name):
                raise Ec2ActionError(f"The request must contain the parameter {name}")
        size = INSTANCE_TYPES.get(wanted["InstanceType"])
        if size is None:
            raise Ec2ActionError(f"The following supplied instance types do not exist: [{wanted['InstanceType']}]")
        instance_id = self._actions.perform("RunInstances", _launch_request(wanted), "instancesSet/item/instanceId")
        record = self._ec2.instances[instance_id]
        record["Architecture"] = size.architecture
        self._place(record, wanted)
        for mapping in wanted.get("BlockDeviceMappings") or ():
            self._attach(record, mapping)
        self._actions.tag(instance_id, properties)
        return instance_id, self._attributes(instance_id)

    def update(self, physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        """The instance with its other type, groups, profile, user data or tags."""
        record = self._ec2.instances.get(physical_id)
        if record is None:
            return self.create(logical_id, new, stack_name)
        wanted = self._with_launch_template(new)
        size = INSTANCE_TYPES.get(wanted["InstanceType"])
        if size is None or size.architecture != record["Architecture"]:
            raise Ec2ActionError(
                f"InstanceType: names one of architecture {record['Architecture']}, got {wanted['InstanceType']!r}"
            )
        record.update(InstanceType=size.name, UserData=wanted.get("UserData", ""))
        record["SourceDestCheck"] = _flag(wanted.get("SourceDestCheck", True))
        if old.get("SecurityGroupIds") != new.get("SecurityGroupIds"):
            record["SecurityGroups"] = [self._group(group_id) for group_id in wanted.get("SecurityGroupIds") or ()]
        if old.get("IamInstanceProfile") != new.get("IamInstanceProfile"):
            self._change_profile(physical_id, wanted.get("IamInstanceProfile"))
        self._actions.tag(physical_id, new, old)
        return physical_id, self._attributes(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        """Terminated, with the volumes that go with it."""
        record = self._ec2.instances.get(physical_id)
        if record is None or record["State"]["Name"] == "terminated":
            return
        self._actions.perform("TerminateInstances", {"InstanceId.1": [physical_id]})
        for mapping in record["BlockDeviceMappings"]:
            volume = self._ec2.volumes.get(mapping["Ebs"]["VolumeId"])
            if volume is not None and mapping["Ebs"]["DeleteOnTermination"]:
                del self._ec2.volumes[volume["VolumeId"]]
            elif volume is not None:
                self._actions.perform("DetachVolume", {"VolumeId": [volume["VolumeId"]]})

    def _with_launch_template(self, properties: Properties) -> dict[str, Any]:
        """The properties over those of the launch template that they name."""
        named = properties.get("LaunchTemplate")
        if not named:
            return dict(properties)
        key = named.get("LaunchTemplateId") or named.get("LaunchTemplateName")
        templates = self._ec2.launch_templates.values()
        found = next((one for one in templates if key in (one["LaunchTemplateId"], one["LaunchTemplateName"])), None)
        if found is None:
            raise Ec2ActionError(f"The specified launch template, with template ID {key}, does not exist.")
        number = str(named.get("Version", "$Default"))
        symbolic = {"$Latest": found["LatestVersionNumber"], "$Default": found["DefaultVersionNumber"]}
        number = str(symbolic.get(number, number))
        versions = [one for one in found["Versions"] if str(one["VersionNumber"]) == number]
        if not versions:
            raise Ec2ActionError(f"Could not find the specified version {number} for the launch template {key}.")
        data = versions[0]["LaunchTemplateData"]
        profile = data.get("IamInstanceProfile") or {}
        of_template = {
            **{name: data[name] for name in SHOWN if name in data and name != "IamInstanceProfile"},
            **({"IamInstanceProfile": profile.get("Name") or profile.get("Arn")} if profile else {}),
        }
        return {**of_template, **properties}

    def _place(self, record: dict[str, Any], wanted: Properties) -> None:
        """Zone and addresses as the subnet, or the one network interface, has them."""
        subnet = self._ec2.subnets.get(record["SubnetId"]) or {}
        if subnet.get("AvailabilityZone"):
            record["Placement"]["AvailabilityZone"] = subnet["AvailabilityZone"]
        interface = _interface(wanted)
        is_public = interface.get("AssociatePublicIpAddress", subnet.get("MapPublicIpOnLaunch", False))
        if not _flag(is_public):
            record.update(PublicIpAddress="", PublicDnsName="")
        record["SourceDestCheck"] = _flag(wanted.get("SourceDestCheck", True))

    def _attach(self, record: dict[str, Any], mapping: Properties) -> None:
        """The volume of one block device: the root's is there already."""
        device, ebs = mapping["DeviceName"], mapping.get("Ebs") or {}
        ends_with_it = _flag(ebs.get("DeleteOnTermination", True))
        by_device = {entry["DeviceName"]: entry["Ebs"] for entry in record["BlockDeviceMappings"]}
        if device in by_device:
            volume = self._ec2.volumes[by_device[device]["VolumeId"]]
            by_device[device]["DeleteOnTermination"] = ends_with_it
        else:
            zone = record["Placement"]["AvailabilityZone"]
            made = self._actions.perform("CreateVolume", {"AvailabilityZone": [zone]}, "volumeId")
            request = {"VolumeId": [made], "InstanceId": [record["InstanceId"]], "Device": [device]}
            self._actions.perform("AttachVolume", request)
            volume = self._ec2.volumes[made]
            entry = {"VolumeId": made, "Status": "attached", "DeleteOnTermination": ends_with_it}
            record["BlockDeviceMappings"].append({"DeviceName": device, "Ebs": entry})
        volume["Attachments"][0]["DeleteOnTermination"] = ends_with_it
        for name in _EBS:
            if name in ebs:
                volume["Size" if name == "VolumeSize" else name] = _of_volume(name, ebs[name])

    def _change_profile(self, instance_id: str, profile: object) -> None:
        for record in list(self._ec2.iam_instance_profile_associations.values()):
            if record["InstanceId"] == instance_id and record["State"] == "associated":
                request = {"AssociationId": [record["AssociationId"]]}
                self._actions.perform("DisassociateIamInstanceProfile", request)
        if profile:
            request = {"InstanceId": [instance_id], "IamInstanceProfile.Name": [str(profile)]}
            self._actions.perform("AssociateIamInstanceProfile", request)

    def _group(self, group_id: str) -> dict[str, str]:
        group = self._ec2.security_groups.get(group_id)
        if group is None:
            raise Ec2ActionError(f"The security group '{group_id}' does not exist")
        return {"GroupId": group_id, "GroupName": group["GroupName"]}

    def _attributes(self, instance_id: str) -> dict[str, str]:
        record = self._ec2.instances[instance_id]
        return {
            "AvailabilityZone": record["Placement"]["AvailabilityZone"],
            "InstanceId": instance_id,
            "PrivateDnsName": record["PrivateDnsName"],
            "PrivateIp": record["PrivateIpAddress"],
            "PublicDnsName": record["PublicDnsName"],
            "PublicIp": record["PublicIpAddress"],
            "VpcId": record["VpcId"],
        }


def _launch_request(wanted: Properties) -> dict[str, list[str]]:
    interface = _interface(wanted)
    request = request_of(wanted, ("ImageId", "InstanceType", "KeyName", "PrivateIpAddress", "SubnetId", "UserData"))
    request |= request_of(interface, ("SubnetId", "PrivateIpAddress"))
    groups = interface.get("GroupSet") or wanted.get("SecurityGroupIds") or ()
    request |= {f"SecurityGroupId.{number}": [group] for number, group in enumerate(groups, start=1)}
    profile = wanted.get("IamInstanceProfile")
    if profile:
        request["IamInstanceProfile.Arn" if str(profile).startswith("arn:") else "IamInstanceProfile.Name"] = [profile]
    return {**request, "MinCount": ["1"], "MaxCount": ["1"]}


def _interface(wanted: Properties) -> Properties:
    """The network interface that the instance is launched with, empty where the subnet makes it."""
    interfaces: list[Mapping[str, Any]] = wanted.get("NetworkInterfaces") or [{}]
    if len(interfaces) > 1:
        raise Ec2ActionError(f"NetworkInterfaces: is one in a local cloud, got {len(interfaces)}; leave the others out")
    return interfaces[0]


def _of_volume(name: str, value: object) -> object:
    if name == "Encrypted":
        return _flag(value)
    return str(value) if name in ("VolumeType", "SnapshotId") else int(str(value))


def _flag(value: object) -> bool:
    return str(value).lower() == "true"


def install(ministack: MiniStack) -> None:
    """Make stacks able to hold instances."""
    resources = InstanceResources(ministack)
    ministack.provisioners.RESOURCE_HANDLERS[TYPE] = {
        "create": resources.create,
        "update": resources.update,
        "update_with_logical_id": True,
        "delete": resources.delete,
    }
    ministack.provisioners.REPLACING_PROPERTIES[TYPE] = REPLACING
