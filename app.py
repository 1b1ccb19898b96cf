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
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import aws_cdk as cdk
import cdk_nag

from constructs_lib.errors import PropertyError
from constructs_lib.job_size import JobSize
from deployment_outputs import DEFAULT_DEPLOYMENT, IMAGE_URIS, entry_stack_name
from image_tags import image_tag
from setting_groups.finding import Finding
from setting_groups.head_node import head_node_findings
from settings import DEFAULT_PROFILE, Settings, SettingsError, checked_deployment, settings_for
from stacks.batch_stack import BatchStack
from stacks.events_part import EventsPart
from stacks.head_node_part import HeadNodePart
from stacks.mpi_part import MPI, MpiPart
from stacks.network_stack import NetworkStack
from stacks.storage_stack import StorageStack

ROOT: Final = Path(__file__).resolve().parent

_PATHS_IN_TEMPLATES: Final[dict[str, object]] = {"aws:cdk:enable-path-metadata": True}
"""The cdk command's default: a finding, an event or a diff names the construct that a resource came from."""

_HEAD_NODE_SCRIPTS: Final = ("boot.sh", "set_up.sh", "idle.py")
"""Of the folder head_node/: what the instance is told at boot. All else is in the bundle that it fetches."""

_FINDINGS: Final = "ValidationFailed"
"""How CDK says that a check has findings. Under the cdk command it says nothing: that fails by the report."""


def add_stacks(app: cdk.App, deployment: str, settings: Settings, image_tags: Mapping[str, str]) -> None:
    """Declare the three stacks of a deployment, each with the single values it needs."""
    network = NetworkStack(
        app,
        f"{deployment}-Network",
        vpc_cidr=settings.vpc_cidr,
        flow_log_retention_days=settings.flow_log_retention_days,
    )
    storage = StorageStack(
        app,
        f"{deployment}-Storage",
        images=image_tags,
        images_kept=settings.images_kept,
        results_prefix=settings.results_prefix,
        programs_prefix=settings.programs_prefix,
        runs_prefix=settings.runs_prefix,
        program_days=settings.program_days,
        retain_results=settings.retain_results,
        noncurrent_version_days=settings.noncurrent_version_days,
        access_log_days=settings.access_log_days,
    )
    batch = BatchStack(
        app,
        entry_stack_name(deployment),
        network=network.network,
        results=storage.results,
        repositories=storage.repositories,
        image_tags=image_tags,
        job_sizes=_job_sizes(settings),
        barrier_size=_job_size(settings.barrier_vcpus, settings.barrier_memory_mib, settings.barrier_timeout_seconds),
        job_attempts=settings.job_attempts,
        fargate_max_vcpus=settings.fargate_max_vcpus,
        ec2_max_vcpus=settings.ec2_max_vcpus,
        ec2_instance_types=settings.ec2_instance_types,
        ec2_root_volume=cdk.Size.gibibytes(settings.ec2_root_volume_gib),
        queue_priorities={
            "high": settings.high_priority,
            "normal": settings.normal_priority,
            "ec2": settings.ec2_priority,
        },
        job_log_retention_days=settings.job_log_retention_days,
    )
    mpi = MpiPart(
        batch,
        "Mpi",
        network=network.network,
        zone=settings.mpi_zone,
        results=storage.results,
        repository=storage.repositories[MPI],
        image_tag=image_tags[MPI],
        log_group=batch.log_group,
        max_vcpus=settings.mpi_max_vcpus,
        instance_types=settings.mpi_instance_types,
        root_volume=cdk.Size.gibibytes(settings.ec2_root_volume_gib),
        priority=settings.mpi_priority,
        use_efa=settings.mpi_use_efa,
        node_vcpus=settings.mpi_node_vcpus,
        node_memory=cdk.Size.mebibytes(settings.mpi_node_memory_mib),
        shared_memory=_mebibytes(settings.mpi_shared_memory_mib),
        has_shared_file_system=settings.mpi_has_shared_file_system,
        retain_shared_file_system=settings.retain_results,
        join_timeout=cdk.Duration.seconds(settings.mpi_join_seconds),
        attempts=settings.job_attempts,
        timeout=cdk.Duration.seconds(settings.mpi_timeout_seconds),
    )
    EventsPart(batch, "Events", push_job_events=settings.push_job_events, job_queues=[*batch.job_queues, mpi.job_queue])
    HeadNodePart(
        batch,
        "HeadNode",
        instance_type=settings.head_node_instance_type,
        root_volume=cdk.Size.gibibytes(settings.head_node_root_volume_gib),
        idle_timeout=cdk.Duration.minutes(settings.head_node_idle_minutes),
        deployment=deployment,
        network=network.network,
        zone=settings.mpi_zone,
        results=storage.results,
        scripts={name: (ROOT / "head_node" / name).read_text(encoding="utf-8") for name in _HEAD_NODE_SCRIPTS},
        shared_file_system=mpi.shared_file_system,
    )


def _job_sizes(settings: Settings) -> dict[str, JobSize]:
    """Of the programs that run on Fargate, by the names of their images."""
    ordinary = _job_size(settings.job_vcpus, settings.job_memory_mib, settings.job_timeout_seconds)
    standin = _job_size(settings.standin_vcpus, settings.standin_memory_mib, settings.job_timeout_seconds)
    return {"dopi": ordinary, "dopisecond": ordinary, "fieldstats": ordinary, "standin": standin}


def _job_size(vcpus: float, memory_mib: int, timeout_seconds: int) -> JobSize:
    return JobSize(vcpus=vcpus, memory=cdk.Size.mebibytes(memory_mib), timeout=cdk.Duration.seconds(timeout_seconds))


def _mebibytes(size_mib: int | None) -> cdk.Size | None:
    return None if size_mib is None else cdk.Size.mebibytes(size_mib)


def _refuse(findings: Iterable[Finding]) -> None:
    problems = [str(finding) for finding in findings]
    if problems:
        raise SettingsError("\n".join(problems))


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
        settings = settings_for(str(app.node.try_get_context("profile") or DEFAULT_PROFILE))
        _refuse(head_node_findings(settings))
        image_tags = {image: image_tag(ROOT / "containers" / image) for image in IMAGE_URIS}
        add_stacks(app, deployment, settings, image_tags)
    except (SettingsError, PropertyError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    cdk.Tags.of(app).add("cloud-hpc:deployment", deployment)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
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
