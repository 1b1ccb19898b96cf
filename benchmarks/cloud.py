"""A local cloud to measure, and a client that costs it nothing: raw requests on kept-alive connections."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import takewhile
from pathlib import Path
from typing import Any

from local_batch import control
from tests.contract.service import IMAGE, IMAGES, clients, deploy

QUEUE, DEFINITION = "ec2", "machine"
POLL_SECONDS = 0.05
DESCRIBED_AT_ONCE = 100


class RawClient:
    """One kept-alive connection of the standard library: boto3 itself spends about 5 ms a call."""

    def __init__(self, endpoint: control.Endpoint) -> None:
        self._connection = HTTPConnection(endpoint.endpoint.removeprefix("http://"))
        self._headers = {
            "Content-Type": "application/json",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=local/20260101/{endpoint.region}/batch/aws4_request, "
            "SignedHeaders=host, Signature=0",
        }

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """One operation; its reply."""
        self._connection.request("POST", f"/v1/{operation.lower()}", json.dumps(request), self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise AssertionError(f"{operation} is answered with 200, got {answer.status}: {text[:200]!r}")
        reply: dict[str, Any] = json.loads(text)
        return reply

    def submit(self, **more: Any) -> str:
        """SubmitJob of the no-op, or of what `more` says; the id."""
        job_id: str = self.call("SubmitJob", jobName="job", jobQueue=QUEUE, jobDefinition=DEFINITION, **more)["jobId"]
        return job_id


@dataclass(frozen=True)
class Cloud:
    """A running local cloud with a queue on EC2 and a definition that runs a no-op."""

    endpoint: control.Endpoint
    client: RawClient

    def submit_many(self, count: int, connections: int = 2) -> list[str]:
        """Ids of `count` no-op jobs, submitted side by side."""

        def submit_some(share: int) -> list[str]:
            client = RawClient(self.endpoint)
            return [client.submit() for _ in range(share)]

        shares = [count // connections + (number < count % connections) for number in range(connections)]
        with ThreadPoolExecutor(connections) as pool:
            return [job_id for ids in pool.map(submit_some, shares) for job_id in ids]

    def ended(self, job_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The jobs' details once all have SUCCEEDED, in that order."""
        details: list[dict[str, Any]] = []
        while len(details) < len(job_ids):
            some = list(job_ids[len(details) : len(details) + DESCRIBED_AT_ONCE])
            described = self.client.call("DescribeJobs", jobs=some)["jobs"]
            failed = [job for job in described if job["status"] == "FAILED"]
            if failed:
                raise AssertionError(f"jobs of benchmarks succeed, got {failed[0]}")
            done = list(takewhile(lambda job: job["status"] == "SUCCEEDED", described))
            details += done
            if len(done) < len(some):
                time.sleep(POLL_SECONDS)
        return details

    @property
    def resident_mib(self) -> float:
        """What the server's process has in memory."""
        status = Path(f"/proc/{self.endpoint.pid}/status").read_text(encoding="ascii")
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kib) / 1024


@contextmanager
def cloud(*, vcpus: int, command: Sequence[str] = ("/bin/true",)) -> Iterator[Cloud]:
    """A local cloud with room for so many one-vCPU jobs at a time; gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        endpoint = control.start(Path(folder), images=[IMAGES], vcpus=vcpus, memory_mib=1 << 20)
        try:
            (batch,) = clients(endpoint, "batch")
            deploy(batch)
            batch.register_job_definition(
                jobDefinitionName=DEFINITION,
                type="container",
                containerProperties={
                    "image": IMAGE,
                    "command": list(command),
                    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
                },
            )
            batch.update_compute_environment(
                computeEnvironment="machines", computeResources={"maxvCpus": max(vcpus, 16)}
            )
            yield Cloud(endpoint, RawClient(endpoint))
        finally:
            control.stop(Path(folder))
