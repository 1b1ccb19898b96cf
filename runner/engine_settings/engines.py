"""The settings of each engine, as the file that it reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import yaml

from runner.engine_settings.place import Place


@dataclass(frozen=True)
class Engine:
    """An engine, and what it reads."""

    file: str
    """Where it looks for its settings."""
    settings: Callable[[Place], str]
    runs_on_fargate: bool
    """Whether its jobs can."""
    names_groups: bool
    """Whether it can say which group a job counts for, without which a queue that shares fairly takes none."""


def redun(place: Place) -> str:
    """An executor section. https://insitro.github.io/redun/config.html"""
    return "\n".join(
        [
            "[executors.batch]",
            "type = aws_batch",
            f"image = {place.image}",
            f"queue = {place.queue}",
            f"role = {place.job_role}",
            f"s3_scratch = {place.url('redun')}",
            f"aws_region = {place.region}",
            *([] if place.share is None else [f"share_id = {place.share}", "scheduling_priority_override = 0"]),
        ]
    )


def snakemake(place: Place) -> str:
    """A profile. https://snakemake.github.io/snakemake-plugin-catalog/plugins/executor/aws-batch.html"""
    profile: dict[str, object] = {
        "executor": "aws-batch",
        "jobs": 50,
        "aws-batch-region": place.region,
        "aws-batch-job-queue": place.queue,
        "aws-batch-job-role": place.job_role,
        "default-storage-provider": "s3",
        "default-storage-prefix": place.url("snakemake"),
    }
    if place.endpoint_url is not None:
        profile["storage-s3-endpoint-url"] = place.endpoint_url
    return yaml.safe_dump(profile, sort_keys=False).rstrip()


def metaflow(place: Place) -> str:
    """A configuration. https://docs.outerbounds.com/engineering/deployment/aws-managed/introduction/"""
    found = {
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": place.url("metaflow"),
        "METAFLOW_BATCH_JOB_QUEUE": place.queue,
        "METAFLOW_ECS_S3_ACCESS_IAM_ROLE": place.job_role,
    }
    if place.is_fargate and place.execution_role is not None:
        found["METAFLOW_ECS_FARGATE_EXECUTION_ROLE"] = place.execution_role
    return json.dumps(found, indent=2)


def nextflow(place: Place) -> str:
    """A configuration. https://nextflow.io/docs/latest/reference/config.html"""
    share = [] if place.share is None else [f"        shareIdentifier = '{place.share}'"]
    fargate = ["        platformType = 'fargate'"] if place.is_fargate else []
    execution = [f"        executionRole = '{place.execution_role}'"] if place.execution_role else []
    client = (
        []
        if place.endpoint_url is None
        else ["    client {", f"        endpoint = '{place.endpoint_url}'", "        s3PathStyleAccess = true", "    }"]
    )
    return "\n".join(
        [
            f"workDir = '{place.url('nextflow')}'",
            "process {",
            "    executor = 'awsbatch'",
            f"    queue = '{place.queue}'",
            "}",
            "aws {",
            f"    region = '{place.region}'",
            "    batch {",
            f"        jobRole = '{place.job_role}'",
            *execution,
            *fargate,
            *share,
            f"        logsGroup = '{place.log_group}'",
            "    }",
            *client,
            "}",
        ]
    )


ENGINES: Final[Mapping[str, Engine]] = MappingProxyType(
    {
        "nextflow": Engine("nextflow.config", nextflow, runs_on_fargate=True, names_groups=True),
        "snakemake": Engine("config.yaml of a profile's folder", snakemake, runs_on_fargate=False, names_groups=False),
        "redun": Engine(".redun/redun.ini", redun, runs_on_fargate=False, names_groups=True),
        "metaflow": Engine("~/.metaflowconfig/config.json", metaflow, runs_on_fargate=True, names_groups=False),
    }
)
