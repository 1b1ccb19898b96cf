"""What the profiles besides the default deploy: the way out, keys, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.infra.synthesised import Synthesise, Template, flat, read_templates

ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "ecs", "ecs-agent", "ecs-telemetry")
"""Of jobs on Fargate and EC2, besides S3.

Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
"""


@pytest.fixture(scope="module")
def profiles(synthesise: Synthesise, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Template]]:
    """Templates by profile and stack, each without a finding."""
    found = {}
    for profile in ("private", "production"):
        outdir = tmp_path_factory.mktemp(profile)
        done = synthesise(outdir, extra={"CDK_CONTEXT_JSON": json.dumps({"profile": profile})})
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        found[profile] = {name.rpartition("-")[2]: Template(text) for name, text in read_templates(outdir).items()}
    return found


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


@pytest.mark.parametrize("profile", ["private", "production"])
def test_whoever_is_let_in_is_a_security_group(profiles: Mapping[str, dict[str, Template]], profile: str) -> None:
    """No inbound rule names an address: endpoints hear jobs, file systems their clients, MPI nodes each other."""
    for template in profiles[profile].values():
        for body in template.resources("AWS::EC2::SecurityGroup").values():
            assert "SecurityGroupIngress" not in body["Properties"]
        for body in template.resources("AWS::EC2::SecurityGroupIngress").values():
            assert "SourceSecurityGroupId" in body["Properties"]
            assert not {"CidrIp", "CidrIpv6", "SourcePrefixListId"} & set(body["Properties"])


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
