"""What is asked before a part of a run is planned again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from runner import batch_facts, deployment
from runner.aws_clients import BatchClient, CloudFormationClient, Ec2Client, S3Client
from runner.describer import describe
from runner.errors import InputError
from runner.plan import PlannedRequest
from runner.rerun import RunPlace
from runner.run_record import RunRecord


class RunClients(Protocol):
    """Of the place that a run was submitted to."""

    @property
    def region(self) -> str:
        """Where the calls go."""

    @property
    def is_local(self) -> bool:
        """Whether it is a local cloud."""

    @property
    def batch(self) -> BatchClient:
        """Batch."""

    @property
    def ec2(self) -> Ec2Client:
        """EC2."""

    @property
    def s3(self) -> S3Client:
        """S3."""

    @property
    def cloudformation(self) -> CloudFormationClient:
        """CloudFormation."""


def run_place(
    record: RunRecord, clients: RunClients, requests: Sequence[PlannedRequest], objects: Mapping[str, bytes]
) -> RunPlace:
    """Where requests are added to a run. `objects` are those that are not in the bucket yet.

    Raises InputError for an outside job that has failed.
    """
    deployed = deployment.read(clients.cloudformation, record.target.deployment, is_local=clients.is_local)
    named = {planned.request["jobDefinition"] for planned in requests if not planned.is_barrier}
    facts = batch_facts.fetch(clients.batch, clients.ec2, queues=[], definitions=named)

    def read_object(key: str) -> bytes:
        if key in objects:
            return objects[key]
        content: bytes = clients.s3.get_object(Bucket=record.bucket, Key=key)["Body"].read()
        return content

    return RunPlace(
        run_id=record.run_id,
        submission=len(record.submissions) + 1,
        first=len(record.requests),
        deployment=deployed,
        definitions=facts.definitions,
        region=clients.region,
        read_object=read_object,
        after=_still_awaited(clients.batch, requests),
    )


def _still_awaited(batch: BatchClient, requests: Sequence[PlannedRequest]) -> set[str]:
    """Outside jobs that have not ended; Batch forgets those that have a week later."""
    wanted = {job_id for planned in requests for job_id in planned.after}
    details = describe(batch, wanted) if wanted else {}
    failed = [job_id for job_id, detail in details.items() if detail["status"] == "FAILED"]
    if failed:
        raise InputError(
            f"after: names jobs outside the workflow that can still succeed, got {', '.join(sorted(failed))}, which "
            "FAILED; leave them out of the workflow and give it as FILE"
        )
    return {job_id for job_id, detail in details.items() if detail["status"] != "SUCCEEDED"}
