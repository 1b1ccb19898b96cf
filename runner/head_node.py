"""The deployment's head node: what becomes of it, and what it is set up with."""

from __future__ import annotations

import base64
import datetime as dt
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from botocore.exceptions import ClientError

import deployment_outputs
from runner.aws_clients import InstancesClient, S3Client, SsmClient
from runner.deployment import Deployment
from runner.errors import HpcError, InputError
from runner.program_bundle import Bundle, pack_files

POLL_SECONDS: Final = 5.0
"""Between two looks: an instance takes half a minute to start, its agent another quarter."""

START_SECONDS: Final = 300.0
"""How long to wait for Session Manager; the first boot, too, takes a minute."""

_LEFT_OUT: Final = ("tests/", "benchmarks/")
"""Folders of the checkout that the head node has no use for."""

_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_FORBIDDEN: Final = frozenset({"403", "AccessDenied"})
_NO_LONGER: Final = frozenset({"shutting-down", "terminated"})


class BundleUnseenError(HpcError):
    """Whether `hpc` was sent is not for this caller to see."""


@dataclass(frozen=True, kw_only=True)
class HeadNode:
    """The instance as AWS describes it now."""

    instance_id: str
    instance_type: str
    architecture: str
    state: str
    """Of EC2: pending, running, stopping, stopped, shutting-down, terminated."""
    is_online: bool
    """Whether Session Manager reaches it."""
    launched: dt.datetime | None
    """When it was last started."""

    def document(self) -> dict[str, object]:
        """For --json."""
        return {
            "instance": self.instance_id,
            "type": self.instance_type,
            "architecture": self.architecture,
            "state": self.state,
            "online": self.is_online,
            "launched": self.launched.isoformat() if self.launched else None,
        }


def instance_of(deployed: Deployment) -> str:
    """The id of the deployment's head node; InputError where it has none."""
    if deployed.head_node is None:
        raise InputError(
            f"--deployment {deployed.name}: has a head node, got none; set head_node_instance_type, for instance to "
            "'t4g.small', in settings.py and deploy again"
        )
    return deployed.head_node


def describe(ec2: InstancesClient, ssm: SsmClient, instance_id: str) -> HeadNode:
    """What it does now; HpcError where it is gone."""
    try:
        reservations = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidInstanceID.NotFound":
            raise
        reservations = []
    found = [instance for reservation in reservations for instance in reservation["Instances"]]
    if not found or found[0]["State"]["Name"] in _NO_LONGER:
        raise HpcError(
            f"{instance_id}: is the head node, got no such instance, or one that is being terminated; the deployment "
            "makes another when head_node_instance_type is None for one deployment and set again for the next"
        )
    (instance,) = found
    filters = [{"Key": "InstanceIds", "Values": [instance_id]}]
    agents = ssm.describe_instance_information(Filters=filters)["InstanceInformationList"]
    state = instance["State"]["Name"]
    return HeadNode(
        instance_id=instance_id,
        instance_type=instance["InstanceType"],
        architecture=instance["Architecture"],
        state=state,
        # The agent's last word stands for some minutes after it has gone.
        is_online=state == "running" and any(agent["PingStatus"] == "Online" for agent in agents),
        launched=instance.get("LaunchTime"),
    )


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How one waits: a clock, a pause, and whom to tell."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    say: Callable[[str], None]


def start(ec2: InstancesClient, ssm: SsmClient, instance_id: str, waiting: Waiting) -> HeadNode:
    """Start it where it is stopped and wait until Session Manager reaches it; HpcError where it does not."""
    deadline = waiting.now() + START_SECONDS
    told: str | None = None
    has_been_started = False
    while True:
        node = describe(ec2, ssm, instance_id)
        if node.is_online:
            return node
        if node.state == "stopped" and not has_been_started:
            ec2.start_instances(InstanceIds=[instance_id])
            has_been_started = True
        what = "waiting for Session Manager" if node.state == "running" else f"is {node.state}, starting it"
        if what != told:
            waiting.say(f"{instance_id}: {what}")
            told = what
        if waiting.now() >= deadline:
            raise HpcError(
                f"{instance_id}: is reached by Session Manager within {START_SECONDS:.0f} s, got {node.state} and no "
                "answer of its agent; has its subnet a way out, or endpoints (docs/head-node.md)? Its console says "
                f"more: aws ec2 get-console-output --latest --instance-id {instance_id}"
            )
        waiting.sleep(POLL_SECONDS)


def bundle_key(deployed: Deployment) -> str:
    """Of the object that the head node fetches at each boot."""
    return f"{deployed.builds_prefix}{deployment_outputs.HEAD_NODE_BUNDLE}"


def bundle_sent(s3: S3Client, deployed: Deployment) -> dt.datetime | None:
    """When it was last sent; None where the bucket does not have it, or not any more.

    BundleUnseenError for who may not see it, as it is for those who deploy to send.
    """
    try:
        written: dt.datetime = s3.head_object(Bucket=deployed.bucket, Key=bundle_key(deployed))["LastModified"]
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        if error.response["Error"]["Code"] in _FORBIDDEN:
            raise BundleUnseenError(f"{bundle_key(deployed)}: may be read by who sends it, got no right to") from error
        raise
    return written


def pack_checkout(checkout: Path, wheels: Path | None = None) -> Bundle:
    """What git tracks in the checkout, as it is in the working tree, without the tests; with the wheels in a folder."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=checkout, check=True, capture_output=True, text=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            f"{checkout}: is a checkout in which git lists what belongs to it, got: {error}; clone the repository, "
            "and send from there"
        ) from error
    names = [name for name in listed if name and not name.startswith(_LEFT_OUT) and (checkout / name).is_file()]
    files = {name: checkout / name for name in names}
    if wheels is not None:
        files |= {f"wheels/{path.name}": path for path in sorted(wheels.iterdir())}
    return pack_files(files)


def send(s3: S3Client, deployed: Deployment, bundle: Bundle) -> str:
    """Put the bundle where the head node looks for it; its URL."""
    key = bundle_key(deployed)
    s3.put_object(
        Bucket=deployed.bucket,
        Key=key,
        Body=bundle.content,
        ContentType="application/gzip",
        # S3 refuses bytes that changed on the way.
        ChecksumSHA256=base64.b64encode(bytes.fromhex(bundle.digest)).decode(),
    )
    return f"s3://{deployed.bucket}/{key}"


def wheels_command(checkout: Path, architecture: str, folder: Path, python: str) -> list[str]:
    """What downloads the head node's packages for its architecture, for a network without a way to PyPI."""
    machine = {"arm64": "aarch64"}.get(architecture, architecture)
    # Amazon Linux 2023 has glibc 2.34; pip takes what is built for an older one only where it is named.
    platforms = [f"manylinux{tag}_{machine}" for tag in ("_2_34", "_2_28", "_2_17", "2014")]
    return [
        *(python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"),
        *(word for platform in platforms for word in ("--platform", platform)),
        *("--implementation", "cp", "--python-version", "3.11", "--dest", str(folder)),
        *("--requirement", str(checkout / "head_node" / "requirements.txt")),
        *("--constraint", str(checkout / "constraints.txt")),
    ]
