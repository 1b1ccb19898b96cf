"""What constructs refuse at synth because AWS would refuse it later, or run it wrongly.

CDK is imported inside functions: every test process reads this file, and only the one that runs it should pay for
starting CDK.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.built_network import build_network

if TYPE_CHECKING:
    from aws_cdk import Stack

    from constructs_lib.batch_network import BatchNetwork

INSTANCE_TYPES = ("c6i.large", "m6i.xlarge")


@pytest.fixture
def stack() -> Stack:
    """An empty stack of its own for each test."""
    import aws_cdk as cdk

    return cdk.Stack(cdk.App(analytics_reporting=False, stack_traces=False), "Lab")


@pytest.fixture
def network(stack: Stack) -> BatchNetwork:
    """A network to place compute environments in."""
    return build_network(stack)


@pytest.fixture
def container_job(stack: Stack) -> Callable[..., Any]:
    """Make a job that is right in everything but what the test says."""
    import aws_cdk as cdk
    from aws_cdk import aws_ecr, aws_logs

    from constructs_lib.container_job import ContainerJob
    from constructs_lib.job_size import JobSize

    repository = aws_ecr.Repository(stack, "Repository")
    log_group = aws_logs.LogGroup(stack, "LogGroup")

    def make(vcpus: float = 1.0, memory_mib: int = 2048, timeout_seconds: int = 60, **changed: Any) -> ContainerJob:
        right: dict[str, Any] = {"name": "dopi", "attempts": 10}
        return ContainerJob(
            stack,
            "Job",
            repository=repository,
            image_tag="0123456789abcdef",
            size=JobSize(
                vcpus=vcpus, memory=cdk.Size.mebibytes(memory_mib), timeout=cdk.Duration.seconds(timeout_seconds)
            ),
            log_group=log_group,
            **(right | changed),
        )

    return make


def refusal(make: Callable[[], object]) -> str:
    """The text of the refusal that `make` meets."""
    from constructs_lib.errors import PropertyError

    with pytest.raises(PropertyError) as caught:
        make()
    return str(caught.value)


def fargate(stack: Stack, network: BatchNetwork, construct_id: str, max_vcpus: int = 4) -> Any:
    """A Fargate compute environment."""
    from constructs_lib.fargate_compute import FargateCompute

    return FargateCompute(
        stack,
        construct_id,
        vpc=network.vpc,
        subnets=network.subnets,
        security_group=network.job_security_group,
        max_vcpus=max_vcpus,
    ).environment


def ec2(
    stack: Stack,
    network: BatchNetwork,
    *,
    instance_types: Sequence[str] = INSTANCE_TYPES,
    root_volume_gib: int = 30,
    max_vcpus: int = 4,
) -> Any:
    """An EC2 compute environment."""
    import aws_cdk as cdk

    from constructs_lib.ec2_compute import Ec2Compute

    return Ec2Compute(
        stack,
        "Ec2",
        vpc=network.vpc,
        subnets=network.subnets,
        security_group=network.job_security_group,
        max_vcpus=max_vcpus,
        instance_types=instance_types,
        root_volume=cdk.Size.gibibytes(root_volume_gib),
    ).environment


def queue(stack: Stack, environments: Sequence[Any], priority: int = 1, construct_id: str = "Queue") -> Any:
    """A job queue over those environments."""
    from constructs_lib.prioritised_queue import PrioritisedQueue

    return PrioritisedQueue(stack, construct_id, priority=priority, environments=environments)


def test_a_queue_has_at_most_three_environments(stack: Stack, network: BatchNetwork) -> None:
    """Three are taken in the order given; the fourth is refused, with AWS's limit."""
    from aws_cdk.assertions import Template

    environments = [fargate(stack, network, f"Fargate{number}") for number in range(4)]
    assert refusal(lambda: queue(stack, environments)) == (
        "Lab/Queue environments: a queue has 1 to 3 compute environments "
        "(https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html), "
        "got 4; name the ones to try, best first"
    )
    first, second, third = environments[2], environments[0], environments[1]
    queue(stack, [first, second, third], construct_id="OfThree")
    (made,) = Template.from_stack(stack).find_resources("AWS::Batch::JobQueue").values()
    assert [
        (entry["Order"], entry["ComputeEnvironment"]["Fn::GetAtt"][0][:8])
        for entry in made["Properties"]["ComputeEnvironmentOrder"]
    ] == [(1, "Fargate2"), (2, "Fargate0"), (3, "Fargate1")]


def test_a_queue_has_an_environment(stack: Stack) -> None:
    """A queue without capacity would keep its jobs for ever."""
    assert "a queue has 1 to 3 compute environments" in refusal(lambda: queue(stack, []))


def test_a_queue_does_not_mix_fargate_and_ec2(stack: Stack, network: BatchNetwork) -> None:
    """The kinds are named, environment by environment."""
    mixed = [fargate(stack, network, "Fargate"), ec2(stack, network)]
    text = refusal(lambda: queue(stack, mixed))
    assert text.startswith("Lab/Queue environments: a queue's compute environments are all Fargate or all EC2 (https:")
    assert text.endswith(
        "got Lab/Fargate/Environment (Fargate), Lab/Ec2/Environment (EC2); give each kind a queue of its own"
    )


def test_a_queue_names_an_environment_once(stack: Stack, network: BatchNetwork) -> None:
    """The same environment twice is a slip, not an order of preference."""
    environment = fargate(stack, network, "Fargate")
    text = refusal(lambda: queue(stack, [environment, environment]))
    assert "names a compute environment once, got Lab/Fargate/Environment, Lab/Fargate/Environment; drop" in text


@pytest.mark.parametrize("priority", [-1, 1001])
def test_a_priority_has_bounds(stack: Stack, network: BatchNetwork, priority: int) -> None:
    """CloudFormation's schema takes 0 to 1000."""
    environment = fargate(stack, network, "Fargate")
    text = refusal(lambda: queue(stack, [environment], priority=priority))
    assert text.startswith("Lab/Queue priority: a queue's priority is 0 to 1000, higher first")
    assert f"got {priority}; " in text


@pytest.mark.parametrize(
    ("vcpus", "memory_mib", "problem"),
    [
        (1.0, 1024, "Fargate with 1 vCPUs runs 2048 to 8192 MiB in its own steps, got 1024 MiB; use 2048 MiB"),
        (1.0, 2500, "got 2500 MiB; use 3072 MiB"),
        (3.0, 8192, "Fargate runs 0.25, 0.5, 1, 2, 4, 8, 16, 32 vCPUs, got 3; choose one of these"),
        (256.0, 2048, "got 256; choose one of these"),
    ],
)
def test_fargate_runs_fixed_sizes(
    container_job: Callable[..., Any], vcpus: float, memory_mib: int, problem: str
) -> None:
    """A pair that Fargate does not run is refused, with the nearest that it does."""
    text = refusal(lambda: container_job(vcpus=vcpus, memory_mib=memory_mib))
    assert text.startswith("Lab/Job vcpus and memory: ")
    assert problem in text


def test_a_timeout_is_at_least_a_minute(container_job: Callable[..., Any]) -> None:
    """59 seconds are refused, 60 are not."""
    assert refusal(lambda: container_job(timeout_seconds=59)) == (
        "Lab/Job timeout: a job's timeout is at least 60 seconds (API_JobTimeout), got 59; raise it"
    )


def test_the_smallest_timeout_and_the_most_attempts_are_taken(container_job: Callable[..., Any]) -> None:
    """The bounds themselves are legal."""
    assert container_job(timeout_seconds=60, attempts=10).image_uri


@pytest.mark.parametrize("attempts", [0, 11])
def test_attempts_have_bounds(container_job: Callable[..., Any], attempts: int) -> None:
    """Batch takes 1 to 10."""
    assert refusal(lambda: container_job(attempts=attempts)) == (
        f"Lab/Job attempts: a job has 1 to 10 attempts (API_RetryStrategy), got {attempts}; choose in that range"
    )


@pytest.mark.parametrize("name", ["", "do pi", "dopi.v2", "x" * 129, "größe"])
def test_a_definition_has_a_name_that_batch_takes(container_job: Callable[..., Any], name: str) -> None:
    """The name is also the first part of a log stream's."""
    text = refusal(lambda: container_job(name=name))
    assert text.startswith("Lab/Job name: a job definition's name is 1 to 128 letters, digits, hyphens and underscores")
    assert f"got {name!r}; " in text


def test_batchs_own_variables_are_not_set(container_job: Callable[..., Any]) -> None:
    """A variable that Batch would overwrite, or refuse, is named."""
    text = refusal(lambda: container_job(environment={"AWS_BATCH_JOB_ID": "x", "POINTS": "1"}))
    assert text == (
        "Lab/Job environment: names that begin with AWS_BATCH are Batch's own (API_ContainerProperties), "
        "got AWS_BATCH_JOB_ID; rename"
    )


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("on_status_reason", "Host EC2 (instance*"),
        ("on_reason", "*Error"),
        ("on_reason", ""),
        ("on_reason", "x" * 513),
        ("on_exit_code", "1-3"),
    ],
)
def test_a_retry_rule_has_a_pattern_that_batch_takes(
    container_job: Callable[..., Any], pattern: str, text: str
) -> None:
    """Parentheses, inner wildcards, empty and over-long patterns are refused by Batch only when it is deployed."""
    from aws_cdk import aws_batch

    from constructs_lib.retry_rule import RetryRule

    rules = [RetryRule(action=aws_batch.Action.RETRY, **{pattern: text})]
    message = refusal(lambda: container_job(retry_rules=rules))
    assert message.startswith("Lab/Job retry_rules: a pattern of evaluateOnExit is 1 to 512 ")
    assert f"got {text!r}; " in message


def test_a_retry_strategy_has_at_most_five_rules(container_job: Callable[..., Any]) -> None:
    """Batch takes five conditions."""
    from constructs_lib.retry_rule import RETRY_FAULTS_OF_THE_CLOUD

    rules = [*RETRY_FAULTS_OF_THE_CLOUD, RETRY_FAULTS_OF_THE_CLOUD[0]]
    assert refusal(lambda: container_job(retry_rules=rules)) == (
        "Lab/Job retry_rules: a retry strategy has up to 5 conditions (API_RetryStrategy), got 6; merge some"
    )


@pytest.mark.parametrize("name", ["optimal", "c6i", "C6i.large", "c6i.", ""])
def test_an_instance_type_is_named_in_full(stack: Stack, network: BatchNetwork, name: str) -> None:
    """A family, or "optimal", would let a job start a machine of any price."""
    text = refusal(lambda: ec2(stack, network, instance_types=["m6i.large", name]))
    assert text.startswith("Lab/Ec2 instance_types: each is the full name of an instance type")
    assert f"got {name!r}; use for instance c6i.large" in text


def test_an_environment_has_instance_types(stack: Stack, network: BatchNetwork) -> None:
    """None at all would mean "optimal" to the L2."""
    text = refusal(lambda: ec2(stack, network, instance_types=[]))
    assert text == (
        "Lab/Ec2 instance_types: an EC2 compute environment names at least one instance type, got none; "
        "add for instance c6i.large"
    )


def test_an_environment_has_one_architecture(stack: Stack, network: BatchNetwork) -> None:
    """Graviton and x86 cannot start from one machine image."""
    text = refusal(lambda: ec2(stack, network, instance_types=["c6i.large", "c6g.large"]))
    assert "got c6i.large (x86_64), c6g.large (arm64); give each architecture an environment of its own" in text


def test_a_root_volume_holds_the_machine_image(stack: Stack, network: BatchNetwork) -> None:
    """29 GiB would fail when the first instance is launched."""
    text = refusal(lambda: ec2(stack, network, root_volume_gib=29))
    assert text.startswith("Lab/Ec2 root_volume: the machine image of instances takes 30 GiB")
    assert "got 29 GiB; use 30 GiB or more" in text


def test_an_environment_can_run_a_job(stack: Stack, network: BatchNetwork) -> None:
    """Zero vCPUs would keep every job waiting, on either kind."""
    for make in (
        lambda: fargate(stack, network, "Fargate", max_vcpus=0),
        lambda: ec2(stack, network, max_vcpus=0),
    ):
        assert "max_vcpus: a compute environment that can run a job has at least 1 vCPU, got 0; raise it" in refusal(
            make
        )


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/25", "10.0.0.1/16", "10.0/16", "fd00::/64", ""])
def test_a_vpc_range_is_one_that_a_vpc_can_have(stack: Stack, cidr: str) -> None:
    """Too large, too small, with host bits, or no IPv4 range at all."""
    from constructs_lib.job_vpc import JobVpc

    text = refusal(lambda: JobVpc(stack, "Vpc", cidr=cidr, flow_log_retention_days=7))
    assert text.startswith("Lab/Vpc cidr: a VPC's IPv4 range has a prefix of /16 to /24 and no host bits (https:")
    assert f"got {cidr!r}; " in text


def test_a_log_is_kept_as_long_as_logs_can_be(stack: Stack) -> None:
    """CloudWatch Logs knows certain numbers of days only."""
    from constructs_lib.job_log import JobLog

    text = refusal(lambda: JobLog(stack, "JobLog", retention_days=31))
    assert text.startswith("Lab/JobLog retention_days: CloudWatch Logs keeps events 1, 3, 5, 7, 14, 30, 60, ")
    assert text.endswith("got 31; use one of these")


def bucket(stack: Stack, **changed: str) -> Any:
    """A bucket that is right in everything but the prefixes that the test says."""
    from constructs_lib.results_bucket import ResultsBucket

    prefixes = {"prefix": "results/", "programs_prefix": "programs/", "runs_prefix": "runs/"} | changed
    return ResultsBucket(
        stack,
        "Results",
        prefix=prefixes["prefix"],
        programs_prefix=prefixes["programs_prefix"],
        runs_prefix=prefixes["runs_prefix"],
        program_days=30,
        retain=True,
        noncurrent_version_days=1,
        access_log_days=1,
    )


@pytest.mark.parametrize("name", ["prefix", "programs_prefix", "runs_prefix"])
@pytest.mark.parametrize("prefix", ["results", "/results/", ""])
def test_a_prefix_covers_a_folder(stack: Stack, name: str, prefix: str) -> None:
    """`results` would also grant `results-of-others/`."""
    text = refusal(lambda: bucket(stack, **{name: prefix}))
    assert text.startswith(f"Lab/Results {name}: a key prefix ends with a slash and does not begin with one")
    assert f"got {prefix!r}; " in text


@pytest.mark.parametrize(
    ("name", "prefix", "other"),
    [
        ("programs_prefix", "results/", "results/"),
        ("programs_prefix", "results/programs/", "results/"),
        ("runs_prefix", "results/runs/", "results/"),
        ("runs_prefix", "programs/", "programs/"),
        ("runs_prefix", "programs/runs/", "programs/"),
    ],
)
def test_prefixes_lie_beside_each_other(stack: Stack, name: str, prefix: str, other: str) -> None:
    """Inside results, jobs could change programs and ledgers; inside programs, ledgers would expire."""
    text = refusal(lambda: bucket(stack, **{name: prefix}))
    assert text.startswith(f"Lab/Results {name}: results, programs and ledgers of runs lie beside each other")
    assert f"got {prefix!r} and {other!r}" in text


@pytest.mark.parametrize(("name", "inner"), [("programs_prefix", "all/results/"), ("runs_prefix", "all/programs/")])
def test_no_prefix_holds_another(stack: Stack, name: str, inner: str) -> None:
    """Whichever of the two is the wider one."""
    held = "prefix" if name == "programs_prefix" else "programs_prefix"
    text = refusal(lambda: bucket(stack, **{name: "all/", held: inner}))
    assert text.startswith(f"Lab/Results {name}: results, programs and ledgers of runs lie beside each other")


def test_a_repository_keeps_the_image_in_use(stack: Stack) -> None:
    """Keeping none would delete what definitions name."""
    from constructs_lib.image_repository import ImageRepository

    assert refusal(lambda: ImageRepository(stack, "Image", images_kept=0)) == (
        "Lab/Image images_kept: a repository keeps at least 1 image, the one in use, got 0; raise it"
    )


def test_a_rule_names_its_job_queues(stack: Stack) -> None:
    """Without one it would push what happens to every job of the region."""
    from constructs_lib.job_events import JobEvents

    assert refusal(lambda: JobEvents(stack, "JobEvents", job_queues=[])) == (
        "Lab/JobEvents job_queues: a rule without a job queue would push the changes of every job of the region, "
        "got none; name one"
    )
