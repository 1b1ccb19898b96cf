"""The local cloud through its socket: SubmitJob round trips and no-op jobs a second, next to a bare posix_spawn loop.

Also the client's share: how many of the same requests are answered to a client that is not boto3.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.row import Row
from local_batch import control
from tests.contract.service import IMAGES, clients, deploy

NO_OP = "/bin/true"
SPAWNS = 1_000
SUBMISSIONS = 400
RAW_REQUESTS = 1_000
CLIENTS = 4
"""Threads that submit: boto3 takes milliseconds a call, which one thread would spend waiting."""

REQUEST = {"jobName": "no-op", "jobQueue": "ec2", "jobDefinition": "machine"}


def run() -> list[Row]:
    """Rows for the closing table; the first is what the others are shares of."""
    spawns = _per_second(SPAWNS, _spawn_and_wait)
    with _cloud() as (endpoint, batch):
        round_trips = _per_second(SUBMISSIONS, lambda: batch.submit_job(**REQUEST))
        _drain(batch)
        raw = _raw_round_trips(endpoint)
        _drain(batch)
        jobs = _jobs_per_second(batch)
    return [
        Row("bare posix_spawn and wait", spawns, "processes/s"),
        Row("SubmitJob, boto3, one thread", round_trips, "calls/s", spawns, "bare posix_spawn"),
        Row("SubmitJob, http.client, one thread", raw, "calls/s", round_trips, "the same through boto3"),
        Row("no-op jobs, submission to SUCCEEDED", jobs, "jobs/s", spawns, "bare posix_spawn"),
    ]


@contextmanager
def _cloud() -> Iterator[tuple[control.Endpoint, Any]]:
    """A local cloud with a queue on EC2 and a definition that runs the no-op."""
    with tempfile.TemporaryDirectory() as folder:
        endpoint = control.start(Path(folder), images=[IMAGES], vcpus=16, memory_mib=1 << 20)
        (batch,) = clients(endpoint, "batch")
        deploy(batch)
        properties = batch.describe_job_definitions(jobDefinitionName="shell")["jobDefinitions"][0][
            "containerProperties"
        ]
        batch.register_job_definition(
            jobDefinitionName="machine",
            type="container",
            containerProperties={
                "image": properties["image"],
                "command": [NO_OP],
                "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
            },
        )
        try:
            yield endpoint, batch
        finally:
            control.stop(Path(folder))


def _jobs_per_second(batch: Any) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda _: batch.submit_job(**REQUEST), range(SUBMISSIONS)))
    _drain(batch)
    return SUBMISSIONS / (time.perf_counter() - started)


def _drain(batch: Any) -> None:
    """Wait until nothing of the queue is on its way."""
    waiting = ("SUBMITTED", "RUNNABLE", "STARTING", "RUNNING")
    while any(batch.list_jobs(jobQueue="ec2", jobStatus=status)["jobSummaryList"] for status in waiting):
        time.sleep(0.02)


def _raw_round_trips(endpoint: control.Endpoint) -> float:
    """SubmitJob requests a second over one kept-alive connection of the standard library."""
    body = json.dumps(REQUEST)
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=local/20260101/{endpoint.region}/batch/aws4_request, "
        "SignedHeaders=host, Signature=0",
    }
    connection = HTTPConnection(endpoint.endpoint.removeprefix("http://"))

    def round_trip() -> None:
        connection.request("POST", "/v1/submitjob", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise AssertionError(f"SubmitJob is answered with 200, got {answer.status}: {text[:200]!r}")

    try:
        return _per_second(RAW_REQUESTS, round_trip)
    finally:
        connection.close()


def _spawn_and_wait() -> None:
    os.waitpid(os.posix_spawn(NO_OP, [NO_OP], {}), 0)


def _per_second(times: int, call: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return times / (time.perf_counter() - started)
