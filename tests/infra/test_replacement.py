"""What no later version may replace: to CloudFormation, another logical id or physical name is another resource.

A queue or an environment that is replaced loses its jobs, a bucket, a repository or a log its content. Who changes an
id here decides that for everyone who has deployed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.infra.synthesised import Template, read_templates

PINNED: dict[str, dict[str, list[str]]] = {
    "CloudHpc-Batch": {
        "AWS::Logs::LogGroup": ["JobLogLogGroup45AF307B", "ImagesBuilderLogGroupC79C59E8"],
        "AWS::Batch::ComputeEnvironment": [
            "CapacityFargateEnvironmentE30CC87F",
            "CapacityFargateSpotEnvironment121919A9",
            "CapacityEc2Environment4F002E6B",
            "CapacityEc2SpotEnvironment57BC09D6",
            "MpiQueueComputeEnvironment39E8F129",
        ],
        "AWS::Batch::JobQueue": [
            "CapacityQueueHighQueueF8C9350E",
            "CapacityQueueNormalQueue7D673B6E",
            "CapacityQueueLowQueue4C1476C1",
            "CapacityQueueEc2Queue18C6118F",
            "CapacityQueueSpotQueueFBE0B3E4",
            "MpiQueueD16C4ED1",
        ],
        "AWS::SecretsManager::Secret": ["MpiJobBringUpSecret923DAE3D"],
    },
    "CloudHpc-Network": {"AWS::EC2::VPC": ["VpcC3027511"], "AWS::Logs::LogGroup": ["VpcFlowLogGroupBF601037"]},
    "CloudHpc-Storage": {
        "AWS::S3::Bucket": ["ResultsAccessLogs10A17094", "ResultsBucket46167C27"],
        "AWS::ECR::Repository": [
            "ImageDopiRepositoryEC738009",
            "ImageDopisecondRepositoryC0BB7AC2",
            "ImageFieldstatsRepositoryA479F54F",
            "ImageStandinRepositoryCE781445",
            "ImageBarrierRepository023520FA",
            "ImageMpiRepository646DAA89",
        ],
    },
}

NAMES = {
    "BucketName",
    "ComputeEnvironmentName",
    "FileSystemName",
    "JobDefinitionName",
    "JobQueueName",
    "LogGroupName",
    "ManagedPolicyName",
    "Name",
    "PolicyName",
    "QueueName",
    "RepositoryName",
    "RoleName",
    "TopicName",
}
"""Properties by which a template names what it makes: two such stacks could not stand beside each other."""

GENERATED = {"AWS::IAM::Policy": "PolicyName", "AWS::EC2::FlowLog": "LogGroupName"}
"""An inline policy has its name within its role, from CDK; a flow log says where it writes."""


def test_what_holds_work_keeps_its_logical_id(templates: dict[str, Template]) -> None:
    """The same ids by stack and type, no more and no fewer."""
    found: dict[str, dict[str, list[str]]] = {}
    kinds = {kind for stack in PINNED.values() for kind in stack}
    for stack, template in templates.items():
        for logical_id, body in template.document["Resources"].items():
            if body["Type"] in kinds:
                found.setdefault(stack, {}).setdefault(body["Type"], []).append(logical_id)
    assert found == PINNED


def test_a_head_node_keeps_its_logical_id(with_head_node: dict[str, Template]) -> None:
    """What people keep on its volume goes with it, and so it would where its image or its subnet were other ones."""
    batch = with_head_node["CloudHpc-Batch"]
    ((name, body),) = batch.resources("AWS::EC2::Instance").items()
    assert name == "HeadNodeInstanceB7EB2D16"
    assert body["Properties"]["LaunchTemplate"]["LaunchTemplateId"] == {"Ref": "HeadNodeImageDB14498B"}
    replacing = {"ImageId", "KeyName", "PrivateIpAddress", "AvailabilityZone", "SubnetId"}
    assert replacing.isdisjoint(body["Properties"])


def test_nothing_has_a_physical_name(templates: dict[str, Template], with_head_node: dict[str, Template]) -> None:
    """CloudFormation names everything, so that an update can replace it and another deployment can stand beside."""
    for template in [*templates.values(), *with_head_node.values()]:
        for logical_id, body in template.document["Resources"].items():
            named = NAMES & body.get("Properties", {}).keys()
            assert named <= {GENERATED.get(body["Type"], "")}, f"{logical_id}: {named}"


def test_the_policy_of_results_is_there_for_whoever_needs_it_again(assemblies: Mapping[str, Path]) -> None:
    """Grants by prefix for all programs leave it to nobody: taken away with that, it could not be while they come."""
    name = "CloudHpc-Storage:ExportsOutputRefResultsPolicy"
    for folder in assemblies.values():
        outputs = Template(read_templates(folder)["CloudHpc-Storage"]).document["Outputs"].values()
        assert [output for output in outputs if output.get("Export", {}).get("Name", "").startswith(name)]
