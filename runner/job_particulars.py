"""Everything about one job that its user may ask for, from DescribeJobs; nothing that looks like a credential."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runner import credentials
from runner.aws_clients import Answer
from runner.described_job import DescribedJob, from_detail
from runner.durations import count, duration, moment
from runner.job_document import job_document
from runner.job_notes import explain_exit_code, job_note

_LABEL_WIDTH: Final = 12
_HIDDEN: Final = "(not shown: it looks like a credential)"


@dataclass(frozen=True, kw_only=True)
class Container:
    """What one container, or each container of a range of nodes, was asked for and where it runs."""

    nodes: str | None
    """The range of nodes, as the definition writes it; None for a job that has one container."""
    image: str | None
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    """Where Batch takes the values of further variables from, by the variables' names."""
    vcpus: str | None
    memory_mib: str | None
    gpus: str | None
    instance_type: str | None
    role: str | None
    """The job role's name."""
    host: str | None
    """The container instance's id."""
    addresses: tuple[str, ...]
    task: str | None

    @property
    def resources(self) -> str:
        """`2 vCPUs, 2048 MiB, 1 GPU`."""
        told = (
            self.vcpus and f"{self.vcpus} vCPU{'' if self.vcpus == '1' else 's'}",
            self.memory_mib and f"{self.memory_mib} MiB",
            self.gpus and f"{self.gpus} GPU{'' if self.gpus == '1' else 's'}",
            self.instance_type,
        )
        return ", ".join(part for part in told if part)


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """One job in detail."""

    job: DescribedJob
    definition: str
    """Name and revision."""
    depends_on: tuple[str, ...]
    timeout_seconds: int | None
    share: str | None
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    containers: tuple[Container, ...]

    def document(self) -> dict[str, Any]:
        """For --json."""
        job = self.job
        return {
            "job_id": job.job_id,
            "job_name": job.name,
            "status": job.status,
            "note": job_note(job) or None,
            **job_document(job),
            "max_attempts": job.max_attempts,
            "job_definition": self.definition,
            "depends_on": list(self.depends_on),
            "timeout_seconds": self.timeout_seconds,
            "share_identifier": self.share,
            "parameters": dict(self.parameters),
            "tags": dict(self.tags),
            **parts_document(job),
            "containers": [_container_document(container) for container in self.containers],
        }

    def lines(self, now_ms: float) -> Iterator[str]:
        """For people: a label and a value a line, what is not known left out."""
        for label, value in (*self._head(now_ms), *self._containers(), *self._attempts(now_ms)):
            if value:
                yield f"{label:<{_LABEL_WIDTH}}" + value.replace("\n", "\n" + " " * _LABEL_WIDTH)

    def _head(self, now_ms: float) -> Iterator[tuple[str, str | None]]:
        job = self.job
        yield "job", job.job_id
        yield "name", job.name
        yield "kind", _kind(job)
        yield "status", job.status
        yield "reason", job.status_reason
        if (note := job_note(job)) != job.status_reason:
            yield "note", note
        yield "queue", job.queue
        yield "definition", self.definition
        yield "created", _moment(job.created_at)
        yield "started", _moment(job.started_at)
        yield "stopped", _moment(job.stopped_at)
        if job.started_at:
            yield "ran", duration((job.stopped_at or now_ms) - job.started_at)
        yield "exit code", explain_exit_code(job.exit_code).removeprefix("exit code ")
        yield "timeout", f"{self.timeout_seconds} s an attempt" if self.timeout_seconds else ""
        yield "depends on", ", ".join(self.depends_on)
        yield "share", self.share
        yield "parameters", _pairs(self.parameters)
        yield "tags", _pairs(self.tags)

    def _containers(self) -> Iterator[tuple[str, str | None]]:
        for container in self.containers:
            yield "nodes", container.nodes
            yield "image", container.image
            yield "command", shlex.join(container.command)
            yield "resources", container.resources
            yield "job role", container.role
            for index, (name, value) in enumerate(container.environment.items()):
                yield "" if index else "environment", f"{name}={value}"
            for index, (name, source) in enumerate(container.secrets.items()):
                yield "" if index else "secrets", f"{name} from {source}"
            yield "host", container.host
            yield "address", ", ".join(container.addresses)
            yield "task", container.task

    def _attempts(self, now_ms: float) -> Iterator[tuple[str, str | None]]:
        job = self.job
        for number, attempt in enumerate(job.attempts, start=1):
            ran = duration(attempt.stopped_at - attempt.started_at) if attempt.started_at and attempt.stopped_at else ""
            told = (
                explain_exit_code(attempt.exit_code),
                attempt.reason,
                attempt.status_reason,
                f"ran {ran}" if ran else "never ran",
                attempt.log_stream and f"log {attempt.log_stream}",
            )
            yield "attempt", f"{number} of {job.max_attempts}: " + ", ".join(part for part in told if part)
        if job.attempt > len(job.attempts):
            since = f" for {duration(now_ms - job.started_at)}" if job.status == "RUNNING" and job.started_at else ""
            yield "attempt", f"{job.attempt} of {job.max_attempts}: {job.status}{since}"
        if job.log_stream:
            yield "log", f"{job.log_group} {job.log_stream}"


def parts_document(job: DescribedJob) -> dict[str, Any]:
    """For --json: of what a job is made, null for a job that is all there is."""
    nodes = job.nodes and {"count": job.nodes.count, "main": job.nodes.main}
    array = job.array and {"size": job.array.size, "counts": dict(job.array.counts)}
    return {"nodes": nodes, "array": array}


def particulars(detail: Answer) -> Particulars:
    """A JobDetail, read."""
    job = from_detail(detail)
    ranges = detail.get("nodeProperties", {}).get("nodeRangeProperties", ())
    containers = [(entry["targetNodes"], entry.get("container", {})) for entry in ranges]
    if not containers and detail.get("container"):
        containers = [(None, detail["container"])]
    return Particulars(
        job=job,
        definition=re.sub(r"^arn:.*job-definition/", "", detail.get("jobDefinition", "")),
        depends_on=tuple(_dependency(entry) for entry in detail.get("dependsOn", ())),
        timeout_seconds=detail.get("timeout", {}).get("attemptDurationSeconds"),
        share=detail.get("shareIdentifier"),
        parameters=_without_credentials(detail.get("parameters", {})),
        tags=_without_credentials(detail.get("tags", {})),
        containers=tuple(_container(nodes, container) for nodes, container in containers),
    )


def _container(nodes: str | None, container: Mapping[str, Any]) -> Container:
    needs = {entry["type"]: entry["value"] for entry in container.get("resourceRequirements", ())}
    environment = {entry["name"]: entry.get("value", "") for entry in container.get("environment", ())}
    vcpus, memory = needs.get("VCPU", container.get("vcpus")), needs.get("MEMORY", container.get("memory"))
    interfaces = container.get("networkInterfaces", ())
    return Container(
        nodes=nodes,
        image=container.get("image"),
        command=tuple(_shown_command(container.get("command", ()))),
        environment=_without_credentials(environment),
        secrets={entry["name"]: entry["valueFrom"] for entry in container.get("secrets", ())},
        vcpus=None if vcpus is None else f"{float(vcpus):g}",
        memory_mib=None if memory is None else str(memory),
        gpus=needs.get("GPU"),
        instance_type=container.get("instanceType"),
        role=_last(container.get("jobRoleArn")),
        host=_last(container.get("containerInstanceArn")),
        addresses=tuple(entry["privateIpv4Address"] for entry in interfaces if "privateIpv4Address" in entry),
        task=_last(container.get("taskArn")),
    )


def _shown_command(command: Sequence[str]) -> Iterator[str]:
    found = {index for index, _ in credentials.in_command(command)}
    is_hidden = False
    for index, element in enumerate(command):
        option, assigned, _ = element.partition("=")
        is_value = is_hidden or credentials.kind_of_credential(element) is not None
        # What is found otherwise is an option that gives a credential: behind an equals sign, or as the next element.
        is_hidden = index in found and not is_value and not assigned
        if is_value:
            yield _HIDDEN
        else:
            yield f"{option}={_HIDDEN}" if index in found and assigned else element


def _without_credentials(values: Mapping[str, str]) -> dict[str, str]:
    hidden = {name for name, _ in credentials.in_environment(values)}
    return {name: _HIDDEN if name in hidden else value for name, value in values.items()}


def _container_document(container: Container) -> dict[str, Any]:
    return {
        "nodes": container.nodes,
        "image": container.image,
        "command": list(container.command),
        "environment": dict(container.environment),
        "secrets": dict(container.secrets),
        "vcpus": container.vcpus and float(container.vcpus),
        "memory_mib": container.memory_mib and int(container.memory_mib),
        "gpus": container.gpus and int(container.gpus),
        "instance_type": container.instance_type,
        "job_role": container.role,
        "container_instance": container.host,
        "addresses": list(container.addresses),
        "ecs_task": container.task,
    }


def _dependency(entry: Mapping[str, str]) -> str:
    return " ".join(part for part in (entry.get("jobId"), entry.get("type")) if part)


def _kind(job: DescribedJob) -> str:
    whole, _, index = job.job_id.replace("#", ":").partition(":")
    if job.nodes:
        return f"multi-node parallel, {count(job.nodes.count, 'node')}; node {job.nodes.main or 0} is the main node"
    if job.array:
        counts = ", ".join(f"{number} {status}" for status, number in job.array.counts.items())
        return f"array of {job.array.size}" + (f": {counts}" if counts else "")
    if "#" in job.job_id:
        return f"{'main ' if job.is_main_node else ''}node {index} of {whole}"
    return f"child {index} of array {whole}" if index else "one container"


def _moment(milliseconds: int | None) -> str:
    return moment(milliseconds / 1000) if milliseconds else ""


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _last(arn: str | None) -> str | None:
    return arn.rpartition("/")[2] if arn else None
