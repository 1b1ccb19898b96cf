"""What the templates hold for MPI jobs, sentence by sentence of docs/deploying.md."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.synthesised import Template, flat, listed

TYPE = "AWS::Batch::ComputeEnvironment"


@pytest.fixture(scope="session")
def compute(batch: Template) -> dict[str, Any]:
    """Resources of the environment of MPI jobs."""
    found: dict[str, Any] = batch.properties(TYPE, "Mpi/Queue/Compute/Environment")["ComputeResources"]
    return found


@pytest.fixture(scope="session")
def definition(batch: Template) -> dict[str, Any]:
    """The job definition `mpi`."""
    return batch.properties("AWS::Batch::JobDefinition", "Mpi/Job/Definition")


@pytest.fixture(scope="session")
def container(definition: dict[str, Any]) -> dict[str, Any]:
    """What each of its nodes runs."""
    (group,) = definition["NodeProperties"]["NodeRangeProperties"]
    found: dict[str, Any] = group["Container"]
    return found


def test_nodes_are_on_demand_instances_of_one_zone_in_a_cluster_placement_group(
    batch: Template, compute: dict[str, Any]
) -> None:
    """Close to each other, and none while no job runs."""
    assert compute["Type"] == "EC2"
    assert compute["MinvCpus"] == 0
    assert "SpotIamFleetRole" not in compute
    assert len(compute["Subnets"]) == 1
    groups = batch.resources("AWS::EC2::PlacementGroup")
    assert [group["Properties"]["Strategy"] for group in groups.values()] == ["cluster"]
    assert compute["PlacementGroup"] in [{"Ref": name} for name in groups] or next(iter(groups)) in flat(
        compute["PlacementGroup"]
    )


def test_nodes_have_a_security_group_of_their_own(compute: dict[str, Any]) -> None:
    """That of other jobs lets nobody in, their own ranks neither."""
    (group,) = compute["SecurityGroupIds"]
    assert "MpiQueueSecurityGroup" in flat(group)


def test_the_instance_type_is_a_small_one(compute: dict[str, Any]) -> None:
    """A default that costs 0.085 an hour and node; no family, no `optimal`."""
    assert compute["InstanceTypes"] == ["c6i.large"]


def test_the_queue_has_that_environment_alone(batch: Template) -> None:
    """Jobs of several nodes run on nothing else."""
    queue = batch.properties("AWS::Batch::JobQueue", "Mpi/Queue/Queue/Queue")
    (order,) = queue["ComputeEnvironmentOrder"]
    assert "MpiQueueComputeEnvironment" in flat(order["ComputeEnvironment"])


def test_a_submission_chooses_how_many_nodes(definition: dict[str, Any]) -> None:
    """One range, open at its end."""
    nodes = definition["NodeProperties"]
    assert [group["TargetNodes"] for group in nodes["NodeRangeProperties"]] == ["0:"]
    assert (nodes["NumNodes"], nodes["MainNode"]) == (2, 0)


def test_a_node_fits_its_instance_and_a_laptop(container: dict[str, Any]) -> None:
    """All vCPUs of the default instance type, and memory that three local nodes find on a machine of 8 GiB."""
    needs = {entry["Type"]: entry["Value"] for entry in container["ResourceRequirements"]}
    assert needs == {"VCPU": "2", "MEMORY": "2048"}


def test_the_secret_reaches_nodes_by_the_execution_role_alone(batch: Template, container: dict[str, Any]) -> None:
    """As a variable that is injected; neither the job role nor anybody else may read it."""
    (secret,) = container["Secrets"]
    assert secret["Name"] == "MPI_BRINGUP_SECRET"
    assert "BringUpSecret" in flat(secret["ValueFrom"])
    readers = {
        flat(body["Properties"]["Roles"])
        for body in batch.resources("AWS::IAM::Policy").values()
        for statement in body["Properties"]["PolicyDocument"]["Statement"]
        if any(action.startswith("secretsmanager:") for action in listed(statement["Action"]))
    }
    assert len(readers) == 1
    assert "MpiJobExecutionRole" in readers.pop()


def test_the_secret_is_generated_and_long(batch: Template) -> None:
    """Nobody chooses it, nobody sees it."""
    (secret,) = [body["Properties"] for body in batch.resources("AWS::SecretsManager::Secret").values()]
    assert secret["GenerateSecretString"] == {"ExcludePunctuation": True, "PasswordLength": 64}
    assert "SecretString" not in secret


def test_a_program_is_read_and_never_written_by_its_job(storage: Template, batch: Template) -> None:
    """Under `programs/` alone, by job roles alone."""
    (statement,) = [
        statement for name, statement in storage.policy_statements() if name.startswith("ResultsProgramsPolicy")
    ]
    assert statement["Action"] == "s3:GetObject"
    assert flat(statement["Resource"]).endswith('"/programs/*"]]}')
    readers = {
        body["Metadata"]["aws:cdk:path"]
        for body in batch.resources("AWS::IAM::Role").values()
        if "ProgramsPolicy" in flat(body["Properties"].get("ManagedPolicyArns", []))
    }
    jobs = ("JobDopi", "JobDopisecond", "JobFieldstats", "JobStandin", "Mpi/Job")
    assert readers == {f"CloudHpc-Batch/{job}/JobRole/Resource" for job in jobs}


def test_nodes_are_told_what_the_bring_up_needs(container: dict[str, Any]) -> None:
    """Region, bucket, prefix, how long to wait for each other, and that the image has the launcher."""
    variables = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    told = {"AWS_DEFAULT_REGION", "HPC_LAUNCHER", "RESULTS_BUCKET", "RESULTS_PREFIX", "MPI_JOIN_SECONDS"}
    assert set(variables) == told
    assert variables["HPC_LAUNCHER"] == "1"
    assert variables["MPI_JOIN_SECONDS"] == "600"


def test_containers_have_no_privileges_and_a_deep_stack(container: dict[str, Any]) -> None:
    """Fortran's arrays live there."""
    assert container.get("Privileged", False) is False
    assert container["Ulimits"] == [{"HardLimit": -1, "Name": "stack", "SoftLimit": -1}]


def test_faults_of_the_cloud_are_tried_again(definition: dict[str, Any]) -> None:
    """A lost host, a failed start, nodes that did not come, a node that was lost; not what the program did."""
    strategy = definition["RetryStrategy"]
    assert strategy["Attempts"] == 3
    assert strategy["EvaluateOnExit"] == [
        {"Action": "RETRY", "OnStatusReason": "Host EC2*"},
        {"Action": "RETRY", "OnStatusReason": "Task failed to start*"},
        {"Action": "RETRY", "OnExitCode": "69"},
        {"Action": "RETRY", "OnExitCode": "70"},
        {"Action": "EXIT", "OnReason": "*"},
    ]
    assert definition["Timeout"] == {"AttemptDurationSeconds": 3600}
