"""Composition root of the infrastructure: CDK context -> settings -> stacks -> cdk-nag -> cloud assembly.

Run by the cdk command (`cdk synth`, `cdk deploy --all`); `python app.py` alone writes the same templates to
CDK_OUTDIR. Context: `-c profile=NAME` (settings.py) and `-c deployment=NAME`, which begins the stacks' names, so that
two deployments can live in one account and region.

Synth needs no account, no look-up and no network: stacks are not bound to an account or region, and one assembly
deploys anywhere. cdk.json names this Python and its Node, whatever is on the PATH: jsii runs the first `node` it finds
otherwise, which it may no longer support. Exit codes: 0 synthesised, 1 a finding of a check, 2 a bad setting.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aws_cdk as cdk
import cdk_nag
import yaml
from aws_cdk import aws_iam as iam
from aws_cdk.aws_batch import JobStateTimeLimitAction

from constructs_lib.batch_network import BatchNetwork
from constructs_lib.container_insights import ContainerInsights
from constructs_lib.errors import PropertyError
from constructs_lib.head_node import INTERFACE_ENDPOINTS
from constructs_lib.job_size import JobSize
from constructs_lib.network_mode import NetworkMode
from constructs_lib.service_endpoints import SERVICES_OF_JOBS
from constructs_lib.stuck_jobs import stuck_job_limits
from deployment_outputs import DEFAULT_DEPLOYMENT, DEFAULT_PROFILE, DEPLOYMENT_TAG, IMAGE_URIS, entry_stack_name
from image_tags import image_tag
from setting_groups.compute import spot_vcpus
from settings import Settings, SettingsError, checked_deployment, checked_settings, settings_for
from stacks.access_part import AccessPart
from stacks.batch_stack import BatchStack
from stacks.capacity_part import CapacityPart
from stacks.events_part import EventsPart
from stacks.head_node_part import HeadNodePart
from stacks.images_part import ImagesPart
from stacks.mpi_part import MPI, MpiPart
from stacks.network_stack import BorrowedNetworkStack, NetworkStack
from stacks.observation_part import ObservationPart
from stacks.storage_stack import StorageStack

ROOT: Final = Path(__file__).resolve().parent

_TAGGED_ONCE: Final = (
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobQueue",
    "AWS::Batch::SchedulingPolicy",
    "AWS::EC2::PlacementGroup",
)
"""Types without the tags of the settings, because another tag would be another environment, and end its jobs.

Of environments and placement groups CloudFormation's schemas say so, of the others its guide does. None of them costs
anything by itself; what does, instances and volumes, gets the tags from its launch template, which is updated in place.
Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-batch-computeenvironment.html
"""

_PATHS_IN_TEMPLATES: Final[dict[str, object]] = {"aws:cdk:enable-path-metadata": True}
"""The cdk command's default: a finding, an event or a diff names the construct that a resource came from."""

BUILD_SPEC: Final = "containers/builder/buildspec.yml"
"""What a build of images does."""

_HEAD_NODE_SCRIPTS: Final = ("boot.sh", "set_up.sh", "idle.py")
"""Of the folder head_node/: what the instance is told at boot. All else is in the bundle that it fetches."""

_FINDINGS: Final = "ValidationFailed"
"""How CDK says that a check has findings. Under the cdk command it says nothing: that fails by the report."""


def add_stacks(app: cdk.App, deployment: str, profile: str, settings: Settings, image_tags: Mapping[str, str]) -> None:
    """Declare the three stacks of a deployment, each with single values; `profile` is the settings' name."""
    network = _network(app, f"{deployment}-Network", settings)
    # With some settings storage needs the network. It always comes after it, so that what was deployed can be destroyed
    # in order without knowing with which settings.
    storage = StorageStack(
        app,
        f"{deployment}-Storage",
        network=network,
        images=image_tags,
        images_kept=settings.images_kept,
        retain_images=settings.retain_images,
        results_prefix=settings.results_prefix,
        programs_prefix=settings.programs_prefix,
        runs_prefix=settings.runs_prefix,
        builds_prefix=settings.builds_prefix,
        build_source_days=settings.build_source_days,
        program_days=settings.program_days,
        retain_results=settings.retain_results,
        noncurrent_version_days=settings.noncurrent_version_days,
        access_log_days=settings.access_log_days,
        own_key=settings.own_key,
        has_shared_file_system=settings.has_shared_file_system,
        lustre_gib=settings.lustre_gib,
        lustre_zone=settings.mpi_zone,
    )
    storage.add_stack_dependency(cdk.Stack.of(network))
    batch = BatchStack(
        app,
        entry_stack_name(deployment),
        profile=profile,
        results=storage.results,
        repositories=storage.repositories,
        image_tags=image_tags,
        image_pins=settings.image_digests,
        cpu_architecture=settings.cpu_architecture,
        job_sizes=_job_sizes(settings),
        barrier_size=_job_size(settings.barrier_vcpus, settings.barrier_memory_mib, settings.barrier_timeout_seconds),
        job_attempts=settings.job_attempts,
        job_log_retention_days=settings.job_log_retention_days,
        retain_logs=settings.retain_logs,
        key=storage.key,
        have_public_addresses=network.gives_public_addresses,
        scratch=_gibibytes(settings.job_scratch_gib),
        shared_file_system=storage.shared,
        prefix_grants=settings.prefix_grants,
    )
    capacity = _capacity(batch, network, settings)
    mpi = _mpi(batch, network, storage, settings, image_tags[MPI])
    job_queues = {**capacity.job_queues, MPI: mpi.job_queue}
    ImagesPart(
        batch,
        "Images",
        has_builder=settings.has_image_builder,
        results=storage.results,
        repositories=storage.repositories.values(),
        build_spec=yaml.safe_load((ROOT / BUILD_SPEC).read_text(encoding="utf-8")),
        cpu_architecture=settings.cpu_architecture,
        build_timeout=cdk.Duration.minutes(settings.image_build_minutes),
        log_retention_days=settings.image_build_log_retention_days,
    )
    events = EventsPart(batch, "Events", push_job_events=settings.push_job_events, job_queues=list(job_queues.values()))
    access = AccessPart(
        batch,
        "Access",
        deployment=deployment,
        job_queues=list(job_queues.values()),
        job_definitions=[*batch.job_definitions, mpi.job_definition],
        bucket_policy=storage.results.submitter_policy(),
        log_group=batch.log_group,
        job_events=events.queue,
        key=storage.key,
    )
    HeadNodePart(
        batch,
        "HeadNode",
        instance_type=settings.head_node_instance_type,
        root_volume=cdk.Size.gibibytes(settings.head_node_root_volume_gib),
        idle_timeout=cdk.Duration.minutes(settings.head_node_idle_minutes),
        deployment=deployment,
        network=network,
        results=storage.results,
        scripts={name: (ROOT / "head_node" / name).read_text(encoding="utf-8") for name in _HEAD_NODE_SCRIPTS},
        shared_file_system=storage.shared,
        submitter_policies=access.policies,
    )
    ObservationPart(
        batch,
        "Observation",
        deployment=deployment,
        tag_key=DEPLOYMENT_TAG,
        job_queues=job_queues,
        repositories=[storage.repositories[image].repository for image in IMAGE_URIS],
        encryption_key=storage.key,
        alarm_email=settings.alarm_email,
        counts_ended_jobs=settings.counts_ended_jobs,
        ended_job_log_days=settings.ended_job_log_days,
        queue_metrics_interval=_minutes(settings.queue_metrics_minutes),
        stuck_alarm_after=_minutes(settings.stuck_alarm_minutes),
        failure_rate_alarm=settings.failure_rate_alarm,
        failure_rate_jobs=settings.failure_rate_jobs,
        monthly_budget_usd=settings.monthly_budget_usd,
        has_dashboard=settings.has_dashboard,
    )
    if settings.container_insights:
        cdk.Aspects.of(batch).add(ContainerInsights())


def _network(app: cdk.App, stack_name: str, settings: Settings) -> BatchNetwork:
    mode, existing = NetworkMode(settings.network_mode), settings.existing_vpc
    if existing is not None:
        return BorrowedNetworkStack(
            app,
            stack_name,
            mode=mode,
            vpc_id=existing.vpc_id,
            availability_zones=existing.availability_zones,
            subnet_ids=existing.subnet_ids,
        ).network
    return NetworkStack(
        app,
        stack_name,
        mode=mode,
        zones=settings.zones,
        nat_gateways=settings.nat_gateways,
        vpc_cidr=settings.vpc_cidr,
        flow_log_retention_days=settings.flow_log_retention_days,
        further_services=_further_services(settings),
    ).network


def _further_services(settings: Settings) -> list[str]:
    """What has an interface endpoint besides the services of jobs, where these are the only way out."""
    if settings.head_node_instance_type is None:
        return []
    return [service for service in INTERFACE_ENDPOINTS if service not in SERVICES_OF_JOBS]


def _capacity(batch: BatchStack, network: BatchNetwork, settings: Settings) -> CapacityPart:
    fargate_spot = spot_vcpus(settings.fargate_max_vcpus, settings.spot_share)
    ec2_spot = spot_vcpus(settings.ec2_max_vcpus, settings.spot_share)
    return CapacityPart(
        batch,
        "Capacity",
        network=network,
        fargate_max_vcpus=settings.fargate_max_vcpus - fargate_spot,
        fargate_spot_max_vcpus=fargate_spot,
        ec2_max_vcpus=settings.ec2_max_vcpus - ec2_spot,
        ec2_spot_max_vcpus=ec2_spot,
        ec2_instance_types=settings.ec2_instance_types,
        gpu_max_vcpus=settings.gpu_max_vcpus,
        gpu_instance_types=settings.gpu_instance_types,
        root_volume=cdk.Size.gibibytes(settings.ec2_root_volume_gib),
        queue_priorities={
            "high": settings.high_priority,
            "normal": settings.normal_priority,
            "low": settings.low_priority,
            "ec2": settings.ec2_priority,
            "spot": settings.spot_priority,
            "gpu": settings.gpu_priority,
        },
        share_weights=settings.share_weights,
        share_decay=cdk.Duration.seconds(settings.share_decay_seconds),
        share_reservation_percent=settings.share_reservation_percent,
        time_limits=_time_limits(settings),
    )


def _mpi(
    batch: BatchStack, network: BatchNetwork, storage: StorageStack, settings: Settings, image_tag: str
) -> MpiPart:
    return MpiPart(
        batch,
        "Mpi",
        network=network,
        zone=settings.mpi_zone,
        results=storage.results,
        repository=storage.repositories[MPI],
        image_tag=image_tag,
        image_pin=settings.image_digests.get(MPI),
        log_group=batch.log_group,
        max_vcpus=settings.mpi_max_vcpus,
        instance_types=settings.mpi_instance_types,
        root_volume=cdk.Size.gibibytes(settings.ec2_root_volume_gib),
        priority=settings.mpi_priority,
        use_efa=settings.mpi_use_efa,
        node_vcpus=settings.mpi_node_vcpus,
        node_memory=cdk.Size.mebibytes(settings.mpi_node_memory_mib),
        shared_memory=_mebibytes(settings.mpi_shared_memory_mib),
        shared_file_system=storage.shared,
        lustre=storage.lustre,
        key=storage.key,
        prefix_grant=settings.prefix_grants.get(MPI),
        time_limits=_time_limits(settings),
        join_timeout=cdk.Duration.seconds(settings.mpi_join_seconds),
        attempts=settings.job_attempts,
        timeout=cdk.Duration.seconds(settings.mpi_timeout_seconds),
    )


def _time_limits(settings: Settings) -> list[JobStateTimeLimitAction]:
    capacity = settings.capacity_limit_seconds
    return stuck_job_limits(
        misfit=cdk.Duration.seconds(settings.misfit_limit_seconds),
        capacity=None if capacity is None else cdk.Duration.seconds(capacity),
    )


def _job_sizes(settings: Settings) -> dict[str, JobSize]:
    """Of the programs that run on Fargate, by the names of their images."""
    ordinary = _job_size(settings.job_vcpus, settings.job_memory_mib, settings.job_timeout_seconds)
    standin = _job_size(settings.standin_vcpus, settings.standin_memory_mib, settings.job_timeout_seconds)
    return {"dopi": ordinary, "dopisecond": ordinary, "fieldstats": ordinary, "standin": standin}


def _job_size(vcpus: float, memory_mib: int, timeout_seconds: int) -> JobSize:
    return JobSize(vcpus=vcpus, memory=cdk.Size.mebibytes(memory_mib), timeout=cdk.Duration.seconds(timeout_seconds))


def _minutes(minutes: int | None) -> cdk.Duration | None:
    return None if minutes is None else cdk.Duration.minutes(minutes)


def _mebibytes(size_mib: int | None) -> cdk.Size | None:
    return None if size_mib is None else cdk.Size.mebibytes(size_mib)


def _gibibytes(size_gib: int | None) -> cdk.Size | None:
    return None if size_gib is None else cdk.Size.gibibytes(size_gib)


def _checks(app: cdk.App) -> list[cdk.IPolicyValidationPlugin]:
    """AwsSolutions at every synth; with `-c checks=all` the packs for NIST 800-53 and HIPAA, too, at twice the time."""
    checks: list[cdk.IPolicyValidationPlugin] = [cdk_nag.AwsSolutionsChecks(app)]
    if app.node.try_get_context("checks") == "all":
        checks += [cdk_nag.NIST80053R5Checks(app), cdk_nag.HIPAASecurityChecks(app)]
    return checks


def main() -> int:
    """Synthesise the app; the process's exit code."""
    # The cdk command passes the context of cdk.json; read here too, so that `python app.py` writes the same bytes.
    flags: dict[str, object] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    app = cdk.App(
        context=flags | _PATHS_IN_TEMPLATES,
        analytics_reporting=False,
        # Half of synth's time, for rules that cfn-lint checks in `make check` and the constructs check here.
        builtin_cloud_formation_validation=False,
        tree_metadata=False,
        stack_traces=False,
    )
    try:
        deployment = checked_deployment(str(app.node.try_get_context("deployment") or DEFAULT_DEPLOYMENT))
        profile = str(app.node.try_get_context("profile") or DEFAULT_PROFILE)
        settings = checked_settings(settings_for(profile))
        image_tags = {image: image_tag(ROOT / "containers" / image) for image in IMAGE_URIS}
        add_stacks(app, deployment, profile, settings, image_tags)
    except (SettingsError, PropertyError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    cdk.Tags.of(app).add(DEPLOYMENT_TAG, deployment)
    for tag, value in settings.tags.items():
        cdk.Tags.of(app).add(tag, value, exclude_resource_types=list(_TAGGED_ONCE))
    if settings.permissions_boundary_arn is not None:
        boundary = iam.ManagedPolicy.from_managed_policy_arn(app, "Boundary", settings.permissions_boundary_arn)
        iam.PermissionsBoundary.of(app).apply(boundary)
    cdk.Validations.of(app).add_plugins(*_checks(app))
    try:
        app.synth()
    except RuntimeError as error:  # jsii's type for whatever goes wrong on its side
        if _FINDINGS not in str(error):
            raise
        sys.stderr.write("error: the checks above have findings; fix each, or acknowledge it where it arises\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
