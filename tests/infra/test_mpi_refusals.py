"""What the constructs of MPI jobs refuse at synth because AWS would tell it late or never."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.built_network import build_network

if TYPE_CHECKING:
    from aws_cdk import Stack

    from constructs_lib.batch_network import BatchNetwork
    from constructs_lib.mpi_compute_queue import MpiComputeQueue
    from constructs_lib.mpi_job import MpiJob
    from constructs_lib.node_group import NodeGroup


@pytest.fixture
def stack() -> Stack:
    """An empty stack of its own for each test."""
    import aws_cdk as cdk

    return cdk.Stack(cdk.App(analytics_reporting=False, stack_traces=False), "Lab")


@pytest.fixture
def network(stack: Stack) -> BatchNetwork:
    """A network of two zones."""
    return build_network(stack)


@pytest.fixture
def queue(stack: Stack, network: BatchNetwork) -> Callable[..., MpiComputeQueue]:
    """Make a queue that is right in everything but what the test says."""
    import aws_cdk as cdk

    from constructs_lib.mpi_compute_queue import MpiComputeQueue

    def make(**changed: Any) -> MpiComputeQueue:
        right: dict[str, Any] = {"max_vcpus": 8, "instance_types": ["c6i.large"], "subnets": network.zone(0)}
        given = right | changed
        return MpiComputeQueue(stack, "Queue", vpc=network.vpc, root_volume=cdk.Size.gibibytes(50), priority=1, **given)

    return make


@pytest.fixture
def job(stack: Stack, queue: Callable[..., MpiComputeQueue]) -> Callable[..., MpiJob]:
    """Make a job that is right in everything but what the test says."""
    import aws_cdk as cdk
    from aws_cdk import aws_ecr, aws_logs

    from constructs_lib.mpi_job import MpiJob

    def make(environment: Any = None, timeout_seconds: int = 60, **changed: Any) -> MpiJob:
        right: dict[str, Any] = {"name": "mpi", "node_groups": [group(0, None)], "attempts": 1}
        return MpiJob(
            stack,
            "Job",
            repository=aws_ecr.Repository(stack, "Repository"),
            image_tag="0123456789abcdef",
            compute_environment=environment or queue().environment,
            timeout=cdk.Duration.seconds(timeout_seconds),
            log_group=aws_logs.LogGroup(stack, "LogGroup"),
            **(right | changed),
        )

    return make


def group(first: int, last: int | None, vcpus: float = 2, memory_mib: int = 2048) -> NodeGroup:
    """Nodes of one size."""
    import aws_cdk as cdk

    from constructs_lib.node_group import NodeGroup

    return NodeGroup(first=first, last=last, vcpus=vcpus, memory=cdk.Size.mebibytes(memory_mib))


def refusal(make: Callable[[], object]) -> str:
    """The text of the PropertyError that making something raises."""
    from constructs_lib.errors import PropertyError

    with pytest.raises(PropertyError) as refused:
        make()
    return str(refused.value)


def test_nodes_lie_in_one_zone(queue: Callable[..., MpiComputeQueue], network: BatchNetwork) -> None:
    """Two subnets would be two zones, and a cluster placement group has one."""
    text = refusal(lambda: queue(subnets=network.subnets))
    assert text.startswith("Lab/Queue subnets: a cluster placement group lies in one zone")
    assert text.endswith("got 2; choose one")


def test_a_queue_has_room_for_a_node(queue: Callable[..., MpiComputeQueue]) -> None:
    """At least one vCPU, as every environment."""
    assert "max_vcpus" in refusal(lambda: queue(max_vcpus=0))


def test_instances_have_one_architecture(queue: Callable[..., MpiComputeQueue]) -> None:
    """One image serves all."""
    assert "has one architecture, got c6i.large (x86_64), c7g.large (arm64)" in refusal(
        lambda: queue(instance_types=["c6i.large", "c7g.large"])
    )


def test_efa_needs_instances_that_have_one(queue: Callable[..., MpiComputeQueue]) -> None:
    """Named by type."""
    text = refusal(lambda: queue(use_efa=True, instance_types=["c6i.32xlarge", "c6i.large"]))
    assert "instance_types: every instance type has an Elastic Fabric Adapter" in text
    assert "got c6i.large;" in text


@pytest.mark.parametrize("rule", ["takes from", "sends to"])
def test_a_security_group_lets_its_members_talk(
    stack: Stack, network: BatchNetwork, queue: Callable[..., MpiComputeQueue], rule: str
) -> None:
    """Else ranks would wait for each other until the job's timeout; told when the app is synthesised."""
    from aws_cdk import aws_ec2 as ec2

    closed = ec2.SecurityGroup(stack, "Closed", vpc=network.vpc, allow_all_outbound=False)
    made = queue(security_group=closed)
    (problem,) = [text for text in made.node.validate() if rule in text]
    assert problem.startswith("Lab/Queue security_group: the security group of MPI nodes")
    assert "connections.allow_internally(ec2.Port.all_traffic())" in problem
    closed.connections.allow_internally(ec2.Port.all_traffic())
    assert made.node.validate() == []


@pytest.mark.parametrize("kind", ["Spot", "Fargate"])
def test_nodes_run_on_demand_only(stack: Stack, network: BatchNetwork, job: Callable[..., MpiJob], kind: str) -> None:
    """AWS takes the job and never runs it, or says so at submission."""
    from aws_cdk import aws_batch as batch

    if kind == "Spot":
        environment: Any = batch.ManagedEc2EcsComputeEnvironment(stack, "Other", vpc=network.vpc, spot=True)
    else:
        environment = batch.FargateComputeEnvironment(stack, "Other", vpc=network.vpc)
    text = refusal(lambda: job(environment=environment))
    assert text.startswith("Lab/Job compute_environment: multi-node parallel jobs run on a managed environment of on-")
    assert f"got {kind}" in text


@pytest.mark.parametrize(
    ("ranges", "problem"),
    [
        ([(0, 0), (2, 3)], "the ranges cover nodes 0 to 3 (API_NodeRangeProperty), got '0:0', '2:3' without node 1"),
        ([(0, 2), (1, 3)], "or one lies inside the other (API_NodeRangeProperty), got '0:2' and '1:3'"),
        ([(0, None), (0, None)], "got '0:' and '0:'"),
        ([(0, 4)], "a range lies within the job's nodes, 0 to 3"),
        ([(2, 1)], "a range lies within the job's nodes, 0 to 3, and does not end before it begins"),
        ([(node, node) for node in range(4)] + [(0, 1), (2, 3)], "a job has 1 to 5 node groups"),
        ([], "a job has 1 to 5 node groups"),
    ],
)
def test_node_groups_fit_together(
    job: Callable[..., MpiJob], ranges: list[tuple[int, int | None]], problem: str
) -> None:
    """Without gaps and overlaps, at most five."""
    text = refusal(lambda: job(node_groups=[group(*each) for each in ranges], default_nodes=4))
    assert text.startswith("Lab/Job node_groups: ")
    assert problem in text


def test_the_main_node_may_have_properties_of_its_own(stack: Stack, job: Callable[..., MpiJob]) -> None:
    """As a range inside the open one, which still takes any number of nodes."""
    import aws_cdk as cdk

    job(node_groups=[group(0, None), group(0, 0, vcpus=1, memory_mib=1024)])
    resources = cdk.assertions.Template.from_stack(stack).find_resources("AWS::Batch::JobDefinition")
    (definition,) = resources.values()
    ranges = definition["Properties"]["NodeProperties"]["NodeRangeProperties"]
    assert [each["TargetNodes"] for each in ranges] == ["0:", "0:0"]
    assert definition["Properties"]["NodeProperties"]["NumNodes"] == 2


@pytest.mark.parametrize("main_node", [-1, 4])
def test_the_main_node_is_one_of_them(job: Callable[..., MpiJob], main_node: int) -> None:
    """Of the smallest job that the definition makes."""
    text = refusal(lambda: job(main_node=main_node, default_nodes=4))
    assert text.startswith("Lab/Job main_node: the main node is one of the job's, 0 to 3")


@pytest.mark.parametrize("nodes", [0, 1001])
def test_a_job_has_up_to_a_thousand_nodes(job: Callable[..., MpiJob], nodes: int) -> None:
    """Batch's bound."""
    assert "a multi-node parallel job has 1 to 1000 nodes" in refusal(lambda: job(default_nodes=nodes))


def test_all_nodes_run_at_a_time(queue: Callable[..., MpiComputeQueue], job: Callable[..., MpiJob]) -> None:
    """Within what the environment may start, instance by instance."""
    text = refusal(lambda: job(environment=queue(max_vcpus=2).environment, default_nodes=4))
    assert "all nodes of a job run at a time" in text
    assert "has at most 2" in text


def test_a_timeout_is_a_minute_at_least(job: Callable[..., MpiJob]) -> None:
    """As for every job."""
    assert refusal(lambda: job(timeout_seconds=59)).startswith("Lab/Job timeout: ")


def test_a_node_has_the_vcpus_of_one_instance(job: Callable[..., MpiJob]) -> None:
    """The largest that the environment may start."""
    text = refusal(lambda: job(node_groups=[group(0, None, vcpus=4)]))
    assert text.startswith("Lab/Job vcpus: a node is one instance")
    assert "is c6i.large with 2 vCPUs, got 4 for nodes '0:'" in text


def test_a_node_has_the_memory_that_an_instance_leaves(job: Callable[..., MpiJob]) -> None:
    """Not all that its data sheet says."""
    text = refusal(lambda: job(node_groups=[group(0, None, memory_mib=4096)]))
    assert text.startswith("Lab/Job memory: a node is one instance, and of c6i.large")
    assert "got 4096 for nodes '0:'" in text


def test_efa_gives_containers_the_device_and_locked_memory(
    stack: Stack, queue: Any, job: Callable[..., MpiJob]
) -> None:
    """And instances an interface of that type in the launch template."""
    import aws_cdk as cdk

    environment = queue(use_efa=True, instance_types=["c6i.32xlarge"], max_vcpus=256).environment
    job(environment=environment, use_efa=True, node_groups=[group(0, None, vcpus=128)])
    template = cdk.assertions.Template.from_stack(stack)
    (definition,) = template.find_resources("AWS::Batch::JobDefinition").values()
    (each,) = definition["Properties"]["NodeProperties"]["NodeRangeProperties"]
    (device,) = each["Container"]["LinuxParameters"]["Devices"]
    assert device["HostPath"] == "/dev/infiniband/uverbs0"
    assert {"HardLimit": -1, "Name": "memlock", "SoftLimit": -1} in each["Container"]["Ulimits"]
    (launch,) = template.find_resources("AWS::EC2::LaunchTemplate").values()
    (interface,) = launch["Properties"]["LaunchTemplateData"]["NetworkInterfaces"]
    assert interface["InterfaceType"] == "efa"


def test_a_shared_file_system_is_mounted_over_tls_by_right_of_the_role(
    stack: Stack, network: BatchNetwork, queue: Callable[..., MpiComputeQueue], job: Callable[..., MpiJob]
) -> None:
    """At /shared, through an access point, encrypted on disk and on its way."""
    import aws_cdk as cdk

    from constructs_lib.shared_file_system import SharedFileSystem

    made = queue()
    shared = SharedFileSystem(
        stack, "Shared", vpc=network.vpc, subnets=network.zone(0), clients=made.security_group, retain=False
    )
    job(environment=made.environment, shared_file_system=shared)
    template = cdk.assertions.Template.from_stack(stack)
    template.has_resource_properties("AWS::EFS::FileSystem", {"Encrypted": True})
    (definition,) = template.find_resources("AWS::Batch::JobDefinition").values()
    (each,) = definition["Properties"]["NodeProperties"]["NodeRangeProperties"]
    (volume,) = each["Container"]["Volumes"]
    configuration = volume["EfsVolumeConfiguration"]
    assert configuration["TransitEncryption"] == "ENABLED"
    assert configuration["AuthorizationConfig"]["Iam"] == "ENABLED"
    assert "AccessPointId" in configuration["AuthorizationConfig"]
    (mount,) = each["Container"]["MountPoints"]
    assert (mount["ContainerPath"], mount.get("ReadOnly", False)) == ("/shared", False)
