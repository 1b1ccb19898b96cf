"""Settings for other engines: each in the form that the engine reads, with what is deployed."""

from __future__ import annotations

import configparser
import json
import re
from typing import Any

import pytest
import yaml

from runner.engine_settings.engines import ENGINES
from tests.runner.shell import Shell

ROLE = "arn:aws:iam::111122223333:role/job"
EXECUTION_ROLE = "arn:aws:iam::111122223333:role/execution"


@pytest.fixture
def deployed(shell: Shell) -> Shell:
    """With job definitions that name their roles, as the stacks' do."""
    for made in shell.clients.batch.definitions:
        if "containerProperties" in made:
            made["containerProperties"] |= {
                "jobRoleArn": ROLE,
                "executionRoleArn": EXECUTION_ROLE,
                "image": f"registry/{made['jobDefinitionName']}:tag",
            }
    return shell


def test_redun_reads_a_section_of_its_executor(deployed: Shell) -> None:
    """Scratch space lies where jobs may write."""
    parsed = configparser.ConfigParser()
    parsed.read_string(deployed("config", "redun", "--local").stdout)
    assert dict(parsed["executors.batch"]) == {
        "type": "aws_batch",
        "image": "registry/standin:tag",
        "queue": "ec2-queue",
        "role": ROLE,
        "s3_scratch": "s3://bucket/results/redun",
        "aws_region": "eu-central-1",
    }


def test_snakemake_reads_a_profile(deployed: Shell) -> None:
    """Keys are its options; the local cloud's S3 is named, as its storage plugin asks no environment."""
    profile = yaml.safe_load(deployed("config", "snakemake", "--local").stdout)
    assert profile["executor"] == "aws-batch"
    assert profile["aws-batch-job-queue"] == "ec2-queue"
    assert profile["aws-batch-job-role"] == ROLE
    assert profile["default-storage-prefix"] == "s3://bucket/results/snakemake"
    assert profile["storage-s3-endpoint-url"] == "http://127.0.0.1:1"


@pytest.mark.parametrize(("queue", "has_execution_role"), [("ec2", False), ("normal", True)])
def test_metaflow_reads_json(deployed: Shell, queue: str, *, has_execution_role: bool) -> None:
    """On Fargate it needs the role that pulls images, too."""
    settings = json.loads(deployed("config", "metaflow", "--local", "--queue", queue).stdout)
    assert settings["METAFLOW_BATCH_JOB_QUEUE"] == f"{queue}-queue"
    assert settings["METAFLOW_ECS_S3_ACCESS_IAM_ROLE"] == ROLE
    assert ("METAFLOW_ECS_FARGATE_EXECUTION_ROLE" in settings) == has_execution_role


def groovy(text: str) -> dict[str, Any]:
    """The values of a configuration in blocks, by their full names."""
    found: dict[str, Any] = {}
    scopes: list[str] = []
    for line in text.splitlines():
        if opened := re.fullmatch(r"\s*(\w+) \{", line):
            scopes.append(opened[1])
        elif line.strip() == "}":
            scopes.pop()
        else:
            said = re.fullmatch(r"\s*(\w+) = (?:'([^']*)'|(true|false))", line)
            assert said, line
            found[".".join([*scopes, said[1]])] = said[2] if said[2] is not None else said[3] == "true"
    assert not scopes
    return found


def test_nextflow_reads_blocks(deployed: Shell) -> None:
    """On EC2 and on Fargate."""
    on_ec2 = groovy(deployed("config", "nextflow", "--local").stdout.rstrip())
    assert on_ec2 == {
        "workDir": "s3://bucket/results/nextflow",
        "process.executor": "awsbatch",
        "process.queue": "ec2-queue",
        "aws.region": "eu-central-1",
        "aws.batch.jobRole": ROLE,
        "aws.batch.executionRole": EXECUTION_ROLE,
        "aws.batch.logsGroup": on_ec2["aws.batch.logsGroup"],
        "aws.client.endpoint": "http://127.0.0.1:1",
        "aws.client.s3PathStyleAccess": True,
    }
    on_fargate = groovy(deployed("config", "nextflow", "--local", "-q", "high").stdout.rstrip())
    assert on_fargate["aws.batch.platformType"] == "fargate"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_document_holds_the_same_text(deployed: Shell, engine: str) -> None:
    """And where it belongs."""
    document = deployed.document("config", engine, "--local")
    assert (document["engine"], document["file"]) == (engine, ENGINES[engine].file)
    assert document["settings"] + "\n" == deployed("config", engine, "--local").stdout


def test_engines_that_can_name_the_group_of_their_jobs(deployed: Shell) -> None:
    """On a queue that shares fairly, which takes no job without; others are told to use another queue."""
    deployed.clients.batch.queues["ec2"]["schedulingPolicyArn"] = "arn:aws:batch:eu-central-1:1:scheduling-policy/fair"
    share = ("--share", "optics")
    parsed = configparser.ConfigParser()
    parsed.read_string(deployed("config", "redun", *share).stdout)
    section = parsed["executors.batch"]
    assert (section["share_id"], section["scheduling_priority_override"]) == ("optics", "0")
    assert groovy(deployed("config", "nextflow", *share).stdout.rstrip())["aws.batch.shareIdentifier"] == "optics"
    for engine in ("snakemake", "metaflow"):
        said = deployed("config", engine, *share, code=2).stderr
        assert f"does not share fairly between groups, as {engine} names none for its jobs, got 'ec2'; use" in said
    assert "--share: names the group that jobs count for on queue 'ec2'" in deployed("config", "redun", code=2).stderr


def test_what_an_engine_cannot_use_is_refused(deployed: Shell) -> None:
    """A queue that is none, a queue on Fargate, a job definition that is no container's."""
    assert "--queue: is a queue of the deployment" in deployed("config", "redun", "-q", "nowhere", code=2).stderr
    assert (
        "where redun can run jobs, got 'high', which is on Fargate"
        in deployed("config", "redun", "-q", "high", code=2).stderr
    )
    refused = deployed("config", "metaflow", "--job-definition", "mpi", code=2).stderr
    assert "is one of the deployment's for containers, got 'mpi'; use one of: dopi" in refused
    assert "is not one of" in deployed("config", "make", code=2).stderr
