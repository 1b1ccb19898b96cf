"""What the profiles besides the default deploy: the way out, keys, and what is kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.infra.synthesised import CHECKOUT, VARIANTS, Template, flat, listed, read_templates

ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "ecs", "ecs-agent", "ecs-telemetry")
"""Of jobs on Fargate and EC2, besides S3.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
"""


@pytest.fixture(scope="module")
def profiles(assemblies: Mapping[str, Path]) -> Mapping[str, dict[str, Template]]:
    """Templates by variant and stack."""
    return {
        variant: {name.rpartition("-")[2]: Template(text) for name, text in read_templates(outdir).items()}
        for variant, outdir in assemblies.items()
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_templates_are_what_cloudformation_takes(assemblies: Mapping[str, Path], variant: str) -> None:
    """No reference to what is in another stack, no property of a wrong kind, by cfn-lint's copy of the schemas."""
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "cfn-lint"),
            *("--non-zero-exit-code", "warning", "--"),
            *sorted(str(path) for path in assemblies[variant].glob("*.template.json")),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_private_jobs_reach_exactly_what_they_need(profiles: Mapping[str, dict[str, Template]]) -> None:
    """An endpoint for each service in both zones, S3 for nothing, and no gateway to anywhere."""
    network = profiles["private"]["Network"]
    endpoints = [body["Properties"] for body in network.resources("AWS::EC2::VPCEndpoint").values()]
    interfaces = [endpoint for endpoint in endpoints if endpoint["VpcEndpointType"] == "Interface"]
    for service in ENDPOINTS:
        assert sum(flat(endpoint["ServiceName"]).count(f'.{service}"') for endpoint in interfaces) == 1, service
    assert len(interfaces) == len(ENDPOINTS)
    assert all(len(endpoint["SubnetIds"]) == 2 and endpoint["PrivateDnsEnabled"] for endpoint in interfaces)
    assert len(endpoints) - len(interfaces) == 1
    for kind in ("AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"):
        assert not network.resources(kind)


@pytest.mark.parametrize("profile", ["private", "production"])
def test_jobs_in_private_subnets_have_no_public_address(
    profiles: Mapping[str, dict[str, Template]], profile: str
) -> None:
    """There is no way for one to be of use, and Fargate would not start."""
    batch = profiles[profile]["Batch"]
    told = [
        body["Properties"]["ContainerProperties"]["NetworkConfiguration"]["AssignPublicIp"]
        for body in batch.resources("AWS::Batch::JobDefinition").values()
        if body["Properties"].get("PlatformCapabilities") == ["FARGATE"]
    ]
    assert told == ["DISABLED"] * 5


@pytest.mark.parametrize("variant", VARIANTS)
def test_whoever_is_let_in_is_a_security_group(profiles: Mapping[str, dict[str, Template]], variant: str) -> None:
    """No inbound rule names an address: endpoints hear jobs, file systems their clients, MPI nodes each other."""
    ports = set()
    for template in profiles[variant].values():
        for body in template.resources("AWS::EC2::SecurityGroup").values():
            assert "SecurityGroupIngress" not in body["Properties"]
        for body in template.resources("AWS::EC2::SecurityGroupIngress").values():
            rule = body["Properties"]
            assert "SecurityGroup" in flat(rule["SourceSecurityGroupId"])
            assert not {"CidrIp", "CidrIpv6", "SourcePrefixListId"} & set(rule)
            if rule["IpProtocol"] == "-1":
                assert rule["SourceSecurityGroupId"] == rule["GroupId"]
                assert "MpiQueueSecurityGroup" in flat(rule["GroupId"])
            else:
                ports.add((rule["FromPort"], rule["ToPort"]))
    assert ports <= {(443, 443), (2049, 2049), (988, 988), (988, 1023), (1018, 1023)}


def test_production_has_a_gateway_in_each_zone(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Private subnets survive the loss of a zone; the public ones are the gateways' alone and give no address."""
    network = profiles["production"]["Network"]
    assert len(network.resources("AWS::EC2::NatGateway")) == 2
    subnets = [body["Properties"] for body in network.resources("AWS::EC2::Subnet").values()]
    assert len(subnets) == 4
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)


def test_production_is_encrypted_by_its_own_key(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Results, shared files, logs of jobs and the secret of MPI nodes; the key turns every year and is kept."""
    storage, batch = profiles["production"]["Storage"], profiles["production"]["Batch"]
    ((key, body),) = storage.resources("AWS::KMS::Key").items()
    assert body["Properties"]["EnableKeyRotation"] is True
    assert body["DeletionPolicy"] == "Retain"
    results = storage.properties("AWS::S3::Bucket", "Results/Bucket")
    assert key in flat(results["BucketEncryption"])
    (shared,) = storage.resources("AWS::EFS::FileSystem").values()
    assert key in flat(shared["Properties"]["KmsKeyId"])
    (secret,) = batch.resources("AWS::SecretsManager::Secret").values()
    assert key in flat(secret["Properties"]["KmsKeyId"])
    assert key in flat(batch.properties("AWS::Logs::LogGroup", "JobLog/LogGroup")["KmsKeyId"])


def test_production_keeps_what_was_made(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Results, shared files, images and logs of jobs outlive the stacks."""
    kept = {
        body["Type"]
        for template in profiles["production"].values()
        for body in template.document["Resources"].values()
        if body.get("DeletionPolicy") == "Retain"
    }
    assert {"AWS::S3::Bucket", "AWS::EFS::FileSystem", "AWS::ECR::Repository", "AWS::Logs::LogGroup"} <= kept


def test_every_job_finds_the_shared_file_system(profiles: Mapping[str, dict[str, Template]]) -> None:
    """At /shared, over TLS, by right of its job role; barriers have nothing to do there."""
    batch = profiles["production"]["Batch"]
    mounting = [
        body["Metadata"]["aws:cdk:path"]
        for body in batch.resources("AWS::Batch::JobDefinition").values()
        if '"/shared"' in flat(body["Properties"])
    ]
    assert len(mounting) == len(batch.resources("AWS::Batch::JobDefinition")) - 1
    assert not any("Barrier" in path for path in mounting)


def test_a_borrowed_vpc_is_left_as_it_is(profiles: Mapping[str, dict[str, Template]]) -> None:
    """The network stack has the security group of jobs and nothing else; jobs run in the subnets that were named."""
    stacks = profiles["borrowed"]
    kinds = {body["Type"] for body in stacks["Network"].document["Resources"].values()}
    assert kinds == {"AWS::EC2::SecurityGroup"}
    (group,) = stacks["Network"].resources("AWS::EC2::SecurityGroup").values()
    assert group["Properties"]["VpcId"] == "vpc-0a1b2c3d"
    for path in ("Fargate/Environment", "Ec2/Environment"):
        compute = stacks["Batch"].properties("AWS::Batch::ComputeEnvironment", path)["ComputeResources"]
        assert compute["Subnets"] == ["subnet-0a1b2c3d", "subnet-0a1b2c3e"]


def test_without_spot_all_capacity_is_on_demand(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Queues `low` and `spot` are there all the same, over what there is, with the whole of the bounds."""
    batch = profiles["borrowed"]["Batch"]
    environments = batch.resources("AWS::Batch::ComputeEnvironment").values()
    computes = [body["Properties"]["ComputeResources"] for body in environments]
    assert sorted((compute["Type"], compute["MaxvCpus"]) for compute in computes) == [
        ("EC2", 32),
        ("EC2", 64),
        ("FARGATE", 32),
    ]
    assert len(batch.resources("AWS::Batch::JobQueue")) == 6


def test_gpus_have_a_queue_of_their_own(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Over instances that start with NVIDIA's driver."""
    batch = profiles["rich"]["Batch"]
    compute = batch.properties("AWS::Batch::ComputeEnvironment", "Gpu/Environment")["ComputeResources"]
    assert compute["InstanceTypes"] == ["g5.xlarge"]
    assert compute["Ec2Configuration"] == [{"ImageType": "ECS_AL2023_NVIDIA"}]
    assert "QueueGpu" in flat(batch.document["Outputs"]["JobQueueGpuArn"]["Value"])


def test_groups_share_some_queues_and_not_the_urgent_one(profiles: Mapping[str, dict[str, Template]]) -> None:
    """One policy, with the weights of the settings, on every queue but `high`, `gpu` and `mpi`."""
    batch = profiles["rich"]["Batch"]
    ((policy, body),) = batch.resources("AWS::Batch::SchedulingPolicy").items()
    assert body["Properties"]["FairsharePolicy"]["ShareDistribution"] == [
        {"ShareIdentifier": "optics", "WeightFactor": 1},
        {"ShareIdentifier": "plasma*", "WeightFactor": 0.5},
    ]
    fair = {
        queue["Metadata"]["aws:cdk:path"].split("/")[2]
        for queue in batch.resources("AWS::Batch::JobQueue").values()
        if policy in flat(queue["Properties"].get("SchedulingPolicyArn", ""))
    }
    assert fair == {"FairQueueNormal", "FairQueueLow", "FairQueueEc2", "FairQueueSpot"}


def test_a_program_reaches_the_prefixes_it_was_granted(profiles: Mapping[str, dict[str, Template]]) -> None:
    """dopi reads reference data and cannot change it, MPI programs write elsewhere, the others have the results."""
    storage, batch = profiles["rich"]["Storage"], profiles["rich"]["Batch"]
    granted = {
        path: {
            (action, flat(statement["Resource"]).rpartition("/")[0].rpartition("/")[2])
            for name, statement in storage.policy_statements()
            if name.startswith(path)
            for action in listed(statement["Action"])
            if action in {"s3:GetObject", "s3:PutObject"}
        }
        for path in ("ResultsDopiPolicy", "ResultsMpiPolicy")
    }
    assert granted == {
        "ResultsDopiPolicy": {
            ("s3:GetObject", "results"),
            ("s3:PutObject", "results"),
            ("s3:GetObject", "reference"),
        },
        "ResultsMpiPolicy": {("s3:GetObject", "big"), ("s3:PutObject", "big")},
    }
    carried = flat(batch.properties("AWS::IAM::Role", "JobDopi/JobRole")["ManagedPolicyArns"])
    assert "ResultsDopiPolicy" in carried
    assert "ResultsPolicy" not in carried


def test_mpi_nodes_find_lustre_and_no_other_job_does(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Mounted by the instance before it joins, linked to the results, in one zone; a directory of nodes' containers."""
    storage, batch = profiles["rich"]["Storage"], profiles["rich"]["Batch"]
    (lustre,) = storage.resources("AWS::FSx::FileSystem").values()
    configuration = lustre["Properties"]["LustreConfiguration"]
    assert configuration["DeploymentType"] == "SCRATCH_2"
    assert "results" in flat(configuration["ImportPath"])
    assert lustre["DeletionPolicy"] == "Delete"
    mounting = [
        body["Metadata"]["aws:cdk:path"].split("/")[1]
        for kind in ("AWS::Batch::JobDefinition", "AWS::EC2::LaunchTemplate")
        for body in batch.resources(kind).values()
        if "/lustre" in flat(body["Properties"])
    ]
    assert mounting == ["Mpi", "Mpi"]


def test_lustre_is_made_when_its_servers_can_reach_each_other(profiles: Mapping[str, dict[str, Template]]) -> None:
    """FSx checks the rules of the security group when it makes a file system: they are there before."""
    storage = profiles["rich"]["Storage"]
    (lustre,) = storage.resources("AWS::FSx::FileSystem").values()
    rules = {
        name
        for kind in ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress")
        for name, body in storage.resources(kind).items()
        if "LustreSecurityGroup" in flat(body["Properties"]["GroupId"])
    }
    assert len(rules) >= 4
    assert rules <= set(lustre["DependsOn"])


def test_lustre_reads_and_writes_what_the_own_key_encrypts(profiles: Mapping[str, dict[str, Template]]) -> None:
    """FSx's role for the linked bucket, through S3 and of this account; where there is no Lustre, nobody like it."""
    for variant, has_lustre in (("rich", True), ("production", False)):
        (key,) = profiles[variant]["Storage"].resources("AWS::KMS::Key").values()
        found = [
            statement
            for statement in key["Properties"]["KeyPolicy"]["Statement"]
            if "AWSServiceRoleForFSxS3Access_" in flat(statement)
        ]
        assert len(found) == has_lustre
        anybody = [each for each in key["Properties"]["KeyPolicy"]["Statement"] if each["Principal"] == {"AWS": "*"}]
        assert anybody == found
        for statement in found:
            verbs = ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey*", "ReEncrypt*")
            assert sorted(statement["Action"]) == [f"kms:{verb}" for verb in verbs]
            same = statement["Condition"]["StringEquals"]
            assert same["kms:CallerAccount"] == {"Ref": "AWS::AccountId"}
            assert flat(same["kms:ViaService"]).count('"s3."') == 1
            role = flat(statement["Condition"]["ArnLike"]["aws:PrincipalArn"])
            assert (
                ":role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/AWSServiceRoleForFSxS3Access_*" in role
            )


def test_a_private_head_node_reaches_what_people_call_there(profiles: Mapping[str, dict[str, Template]]) -> None:
    """By endpoints of its own services beside those of jobs, each once, and by no address of its own."""
    network, batch = profiles["rich"]["Network"], profiles["rich"]["Batch"]
    endpoints = [body["Properties"] for body in network.resources("AWS::EC2::VPCEndpoint").values()]
    interfaces = [endpoint for endpoint in endpoints if endpoint["VpcEndpointType"] == "Interface"]
    services = (*ENDPOINTS, "ssm", "ssmmessages", "ec2messages", "batch", "cloudformation", "ec2", "sqs")
    for service in services:
        assert sum(flat(endpoint["ServiceName"]).count(f'.{service}"') for endpoint in interfaces) == 1, service
    assert len(interfaces) == len(services)
    (instance,) = batch.resources("AWS::EC2::Instance").values()
    assert instance["Properties"]["NetworkInterfaces"][0]["AssociatePublicIpAddress"] is False
    admitted = [
        (body["Properties"]["FromPort"], "Endpoints" in flat(body["Properties"]["GroupId"]))
        for body in batch.resources("AWS::EC2::SecurityGroupIngress").values()
        if "HeadNode" in flat(body["Properties"]["SourceSecurityGroupId"])
    ]
    assert sorted(admitted) == [(443, True), (2049, False)]


def test_a_head_node_decrypts_what_sets_it_up(profiles: Mapping[str, dict[str, Template]]) -> None:
    """The bundle in the bucket is encrypted by the deployment's own key, where it has one."""
    ((key, _),) = profiles["rich"]["Storage"].resources("AWS::KMS::Key").items()
    decrypting = [
        flat(statement["Resource"])
        for name, statement in profiles["rich"]["Batch"].policy_statements()
        if name.startswith("HeadNodePolicy") and "kms:Decrypt" in listed(statement["Action"])
    ]
    assert len(decrypting) == 1
    assert key in decrypting[0]


def test_the_owners_tags_and_boundary_are_on_everything(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Every role is bounded, and what takes tags has the settings' beside the deployment's own."""
    roles = 0
    for template in profiles["rich"].values():
        for body in template.resources("AWS::IAM::Role").values():
            assert body["Properties"]["PermissionsBoundary"] == "arn:aws:iam::123456789012:policy/Bound"
            tags = {tag["Key"]: tag["Value"] for tag in body["Properties"]["Tags"]}
            tags.pop("Name", None)
            assert tags == {"cloud-hpc:deployment": "CloudHpc", "cost-centre": "7"}
            roles += 1
    assert roles > 10


def test_the_owners_tags_are_where_they_replace_nothing(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Another tag of an environment, a queue or a placement group is another one; machines and volumes take theirs."""
    batch = profiles["rich"]["Batch"]
    for kind in ("ComputeEnvironment", "JobQueue", "SchedulingPolicy"):
        for body in batch.resources(f"AWS::Batch::{kind}").values():
            assert body["Properties"]["Tags"] == {"cloud-hpc:deployment": "CloudHpc"}
    (group,) = batch.resources("AWS::EC2::PlacementGroup").values()
    assert group["Properties"]["Tags"] == [{"Key": "cloud-hpc:deployment", "Value": "CloudHpc"}]
    templates = [
        body["Properties"]["LaunchTemplateData"]
        for body in batch.resources("AWS::EC2::LaunchTemplate").values()
        if not body["Metadata"]["aws:cdk:path"].startswith("CloudHpc-Batch/HeadNode/")
    ]
    assert len(templates) == 4
    for data in templates:
        carried = {kind["ResourceType"]: {tag["Key"] for tag in kind["Tags"]} for kind in data["TagSpecifications"]}
        assert carried.keys() == {"instance", "volume"}
        assert all(keys >= {"cloud-hpc:deployment", "cost-centre"} for keys in carried.values())


def test_scratch_is_as_large_as_it_was_asked_for(profiles: Mapping[str, dict[str, Template]]) -> None:
    """Of programs on Fargate; a barrier needs none."""
    sizes = [
        body["Properties"]["ContainerProperties"].get("EphemeralStorage")
        for body in profiles["rich"]["Batch"].resources("AWS::Batch::JobDefinition").values()
        if body["Properties"].get("PlatformCapabilities") == ["FARGATE"]
    ]
    assert sorted(map(str, sizes)) == [*["None"], *["{'SizeInGiB': 100}"] * 4]
