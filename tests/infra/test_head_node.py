"""The head node: nothing of it by default; where it is wanted, a machine that only Session Manager reaches."""

from __future__ import annotations

import email
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import deployment_outputs
from setting_groups.head_node import HeadNodeSettings, head_node_findings
from tests.infra.synthesised import CHECKOUT, Synthesise, Template, app_with, flat, listed, read_templates

NODE = "CloudHpc-Batch/HeadNode/Node/"


def synthesised(synthesise: Synthesise, outdir: Path, settings: str) -> subprocess.CompletedProcess[str]:
    """The finished synthesis of an app with these settings."""
    script = outdir / "app_with_head_node.py"
    script.write_text(app_with(f"Settings({settings})"), encoding="utf-8")
    return synthesise(outdir, command=[sys.executable, str(script)])


@pytest.fixture(scope="module")
def with_node(with_head_node: dict[str, Template]) -> Template:
    """The entry stack's template with a head node and a shared file system."""
    return with_head_node["CloudHpc-Batch"]


@pytest.fixture(scope="module")
def instance(with_node: Template) -> dict[str, Any]:
    """The properties of the one instance."""
    (body,) = with_node.resources("AWS::EC2::Instance").values()
    properties: dict[str, Any] = body["Properties"]
    return properties


def of_node(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> properties of the resources of that type that belong to the head node."""
    return {
        name: body["Properties"]
        for name, body in template.resources(kind).items()
        if body["Metadata"]["aws:cdk:path"].startswith(NODE)
    }


def user_data(instance: dict[str, Any]) -> str:
    """What the instance is told, with names that are only known at deployment in braces."""
    parts = instance["UserData"]["Fn::Base64"]["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else "{" + next(iter(part.values())) + "}" for part in parts)


def test_there_is_none_by_default(batch: Template) -> None:
    """No instance, no role for one, and the output says so in a word."""
    assert batch.resources("AWS::EC2::Instance") == {}
    assert "HeadNode/Node" not in batch.text
    assert batch.document["Outputs"]["HeadNodeInstanceId"]["Value"] == "none"


def test_the_outputs_are_the_same_keys_either_way(with_node: Template) -> None:
    """A runner finds what it looks for whatever is deployed."""
    outputs = with_node.document["Outputs"]
    assert set(outputs) == deployment_outputs.all_keys()
    (name,) = with_node.resources("AWS::EC2::Instance")
    assert outputs["HeadNodeInstanceId"]["Value"] == {"Ref": name}


def test_nothing_reaches_it_and_it_reaches_https_and_the_file_system(
    with_node: Template, instance: dict[str, Any]
) -> None:
    """No key, no inbound rule anywhere for its group; out to port 443, and by NFS to the one group."""
    assert "KeyName" not in instance
    ((group, properties),) = of_node(with_node, "AWS::EC2::SecurityGroup").items()
    assert instance["NetworkInterfaces"][0]["GroupSet"] == [{"Fn::GetAtt": [group, "GroupId"]}]
    assert "SecurityGroupIngress" not in properties
    assert [rule["FromPort"] for rule in properties["SecurityGroupEgress"]] == [443]
    own = {"Fn::GetAtt": [group, "GroupId"]}
    inbound = with_node.resources("AWS::EC2::SecurityGroupIngress").values()
    assert [rule for rule in inbound if rule["Properties"]["GroupId"] == own] == []
    (egress,) = of_node(with_node, "AWS::EC2::SecurityGroupEgress").values()
    assert (egress["FromPort"], egress["ToPort"], egress["IpProtocol"]) == (2049, 2049, "tcp")
    assert "SharedSecurityGroup" in flat(egress["DestinationSecurityGroupId"])


def test_it_lies_where_the_file_system_is_and_has_a_public_address_for_want_of_another_way(
    with_head_node: dict[str, Template], instance: dict[str, Any]
) -> None:
    """A zone without a mount target would not resolve the file system's name; the subnet is public."""
    (interface,) = instance["NetworkInterfaces"]
    targets = with_head_node["CloudHpc-Storage"].resources("AWS::EFS::MountTarget").values()
    assert interface["SubnetId"] in [target["Properties"]["SubnetId"] for target in targets]
    assert "PublicSubnet1" in flat(interface["SubnetId"])
    assert interface["AssociatePublicIpAddress"] is True


def test_its_image_is_amazon_linux_of_its_architecture_and_changes_by_no_deployment(
    with_node: Template, instance: dict[str, Any]
) -> None:
    """Resolved when the instance is made: a parameter of the template would replace it with every new image."""
    ((template, properties),) = of_node(with_node, "AWS::EC2::LaunchTemplate").items()
    data = properties["LaunchTemplateData"]
    assert data["ImageId"] == "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert instance["LaunchTemplate"]["LaunchTemplateId"] == {"Ref": template}
    assert "ImageId" not in instance
    assert "ami-amazon-linux" not in flat(with_node.document["Parameters"])


def test_its_volume_is_encrypted_and_stopping_itself_keeps_it(instance: dict[str, Any]) -> None:
    """Power off is a stop, not an end."""
    (volume,) = instance["BlockDeviceMappings"]
    assert volume["Ebs"] == {"Encrypted": True, "VolumeType": "gp3", "VolumeSize": 20, "DeleteOnTermination": True}
    assert instance["InstanceInitiatedShutdownBehavior"] == "stop"


def test_it_may_do_what_its_agent_its_set_up_and_its_mount_take(with_node: Template) -> None:
    """Every action by name, one object, one access point, and what submitters may; nothing that stops instances."""
    ((role, properties),) = of_node(with_node, "AWS::IAM::Role").items()
    ((policy, document),) = of_node(with_node, "AWS::IAM::ManagedPolicy").items()
    outputs = with_node.document["Outputs"]
    submitters = [outputs[key]["Value"] for key in ("SubmitterPolicyArn", "SubmitterBucketPolicyArn")]
    assert properties["ManagedPolicyArns"] == [{"Ref": policy}, *submitters]
    assert [name for name, body in with_node.resources("AWS::IAM::Policy").items() if role in flat(body)] == []
    agent, bundle, mount = document["PolicyDocument"]["Statement"]
    assert set(agent["Action"]) == {
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
        "ec2messages:AcknowledgeMessage",
        "ec2messages:DeleteMessage",
        "ec2messages:FailMessage",
        "ec2messages:GetEndpoint",
        "ec2messages:GetMessages",
        "ec2messages:SendReply",
    }
    assert bundle["Action"] == "s3:GetObject"
    assert flat(bundle["Resource"]).endswith('"/builds/head-node/cloud-hpc.tar.gz"]]}')
    assert set(mount["Action"]) == {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"}
    assert "elasticfilesystem:AccessPointArn" in flat(mount["Condition"])


def test_user_data_fits_and_runs_at_every_boot(instance: dict[str, Any]) -> None:
    """A MIME document of AWS's most bytes, whose parts are a cloud-config and one shell script that bash can read."""
    text = user_data(instance)
    assert len(text.encode()) < 16384
    config, script = [str(part.get_payload()) for part in email.message_from_string(text).walk()][1:]
    assert "- [scripts-user, always]" in config
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert script.startswith("#!/bin/bash\n")


def test_user_data_says_what_the_instance_cannot_know(instance: dict[str, Any]) -> None:
    """Deployment, region, bundle, file system and idle time, as a file of variables."""
    lines = user_data(instance).splitlines()
    assert {"HPC_DEPLOYMENT=CloudHpc", "AWS_REGION={AWS::Region}", "HEAD_NODE_IDLE_MINUTES=45"} <= set(lines)
    (bundle,) = [line for line in lines if line.startswith("BUNDLE_URL=")]
    assert bundle.startswith("BUNDLE_URL=s3://{")
    assert bundle.endswith("}/builds/head-node/cloud-hpc.tar.gz")
    (system,) = [line for line in lines if line.startswith("FILE_SYSTEM_ID=")]
    (point,) = [line for line in lines if line.startswith("ACCESS_POINT_ID=")]
    assert (system[:16], point[:17]) == ("FILE_SYSTEM_ID={", "ACCESS_POINT_ID={")


def test_user_data_is_boot_code_alone(instance: dict[str, Any]) -> None:
    """So that a change of the runner changes no instance: each line is of the three scripts, or a setting."""
    known = "\n".join((CHECKOUT / "head_node" / name).read_text() for name in ("boot.sh", "set_up.sh", "idle.py"))
    _, script = [str(part.get_payload()) for part in email.message_from_string(user_data(instance)).walk()][1:]
    others = [line for line in script.splitlines() if line and line not in known]
    settings = {"HPC_DEPLOYMENT", "AWS_REGION", "BUNDLE_URL", "FILE_SYSTEM_ID", "ACCESS_POINT_ID"}
    assert {line.partition("=")[0] for line in others if "=" in line} == settings | {"HEAD_NODE_IDLE_MINUTES"}
    assert [line.split()[0] for line in others if "=" not in line and line != "END_OF_FILE"] == ["mkdir", "cat"] * 3


def test_what_is_acknowledged_is_acknowledged_on_two_resources_with_the_mechanism(head_node_assembly: Path) -> None:
    """The policy's wildcard; of the instance, what three packs would have otherwise."""
    metadata = json.loads((head_node_assembly / "CloudHpc-Batch.metadata.json").read_text(encoding="utf-8"))
    acknowledged = {
        (path.removeprefix("/" + NODE), rule.rpartition("::")[2] if "[" not in rule else rule): reason
        for path, entries in metadata.items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules" and path.startswith("/" + NODE)
        for rule, reason in entry["data"].items()
    }
    assert {path for path, _ in acknowledged} == {"Policy", "Instance"}
    assert {rule.removeprefix("NIST.800.53.R5-") for _, rule in acknowledged if rule.startswith("NIST")} == {
        "EC2InstanceDetailedMonitoringEnabled",
        "EC2InstanceNoPublicIp",
        "EC2InstancesInVPC",
    }
    assert all(len(reason.split()) > 10 for reason in acknowledged.values())


def test_without_a_file_system_there_is_nothing_to_mount_and_an_x86_type_has_an_x86_image(
    synthesise: Synthesise, tmp_path: Path
) -> None:
    """No rule for NFS, no right to mount, empty settings."""
    completed = synthesised(synthesise, tmp_path, 'head_node_instance_type="t3.small"')
    assert (completed.returncode, completed.stderr) == (0, "")
    template = Template(read_templates(tmp_path)["CloudHpc-Batch"])
    assert of_node(template, "AWS::EC2::SecurityGroupEgress") == {}
    (policy,) = of_node(template, "AWS::IAM::ManagedPolicy").values()
    actions = [action for part in policy["PolicyDocument"]["Statement"] for action in listed(part["Action"])]
    assert [action for action in actions if action.startswith("elasticfilesystem")] == []
    (image,) = of_node(template, "AWS::EC2::LaunchTemplate").values()
    assert image["LaunchTemplateData"]["ImageId"].endswith("-x86_64")
    (body,) = template.resources("AWS::EC2::Instance").values()
    assert {"FILE_SYSTEM_ID=", "ACCESS_POINT_ID="} <= set(user_data(body["Properties"]).splitlines())


def test_a_setting_that_cannot_be_used_is_refused_by_name(synthesise: Synthesise, tmp_path: Path) -> None:
    """All of them at once, exit code 2, before anything is declared."""
    settings = 'head_node_instance_type="small", head_node_root_volume_gib=8, head_node_idle_minutes=1'
    completed = synthesised(synthesise, tmp_path, settings)
    assert completed.returncode == 2
    first, second, third = completed.stderr.splitlines()
    assert first.startswith("error: head_node_instance_type: is the full name of an instance type")
    assert first.endswith("got 'small'; use for instance t4g.small")
    assert second.startswith("head_node_root_volume_gib: ")
    assert third.startswith("head_node_idle_minutes: ")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"head_node_instance_type": "c7g.xlarge"}, []),
        ({"head_node_instance_type": ""}, ["head_node_instance_type"]),
        ({"head_node_instance_type": "t4g.small; reboot"}, ["head_node_instance_type"]),
        ({"head_node_root_volume_gib": 12, "head_node_idle_minutes": 10}, []),
        ({"head_node_root_volume_gib": 11}, ["head_node_root_volume_gib"]),
        ({"head_node_root_volume_gib": 16385}, ["head_node_root_volume_gib"]),
        ({"head_node_idle_minutes": 9}, ["head_node_idle_minutes"]),
        ({"head_node_idle_minutes": 10081}, ["head_node_idle_minutes"]),
    ],
)
def test_findings_name_the_settings_at_their_bounds(changed: dict[str, Any], expected: list[str]) -> None:
    """Neither one too early nor one too late."""
    assert [finding.setting for finding in head_node_findings(HeadNodeSettings(**changed))] == expected
