"""The server under many clients at once, and under what is no request."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import socket
from collections.abc import Iterator, Mapping

import pytest

from local_batch import control
from local_batch.host.state_directory import Endpoint
from tests.contract.service import IMAGES, clients, deploy

CLIENTS = 1_000
REQUESTS_EACH = 3
TIMEOUT_SECONDS = 240
GARBAGE = 60


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A server that the tests of this file abuse; it must be there afterwards, under the same pid."""
    state = tmp_path_factory.mktemp("crowded")
    started = control.start(state, images=[IMAGES], vcpus=4, memory_mib=16384)
    (batch,) = clients(started, "batch")
    deploy(batch)
    yield started
    still = control.status(state)
    assert still is not None
    assert still.pid == started.pid
    control.stop(state)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """A soft limit of open files that lets this process be a thousand clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CLIENTS + 256
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"a thousand clients need {wanted} descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def http_request(endpoint: Endpoint, operation: str, request: Mapping[str, object]) -> bytes:
    """A request as SDKs send it, on a connection that stays open."""
    body = json.dumps(request).encode()
    head = (
        f"POST /v1/{operation} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/{endpoint.region}/batch/aws4_request, "
        f"SignedHeaders=host, Signature=0\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_clients_at_once_are_all_answered(endpoint: Endpoint) -> None:
    """Each on a connection of its own, all open together: every request is answered, every job is another one."""

    async def one_client(number: int, may_go: asyncio.Event) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(endpoint))
        await may_go.wait()
        ids = []
        for _ in range(REQUESTS_EACH):
            job = {"jobName": f"crowd-{number}", "jobQueue": "normal", "jobDefinition": "shell", "tags": {"a": "b"}}
            writer.write(http_request(endpoint, "submitjob", job))
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            ids.append(json.loads(await reader.readexactly(content_length(head)))["jobId"])
        writer.close()
        return ids

    async def everybody() -> list[str]:
        may_go = asyncio.Event()
        crowd = [asyncio.create_task(one_client(number, may_go)) for number in range(CLIENTS)]
        await asyncio.sleep(0)
        may_go.set()
        return [job_id for ids in await asyncio.gather(*crowd) for job_id in ids]

    ids = asyncio.run(asyncio.wait_for(everybody(), TIMEOUT_SECONDS))
    assert len(set(ids)) == CLIENTS * REQUESTS_EACH
    (batch,) = clients(endpoint, "batch")
    for start in (0, len(ids) - 100):
        assert len(batch.describe_jobs(jobs=ids[start : start + 100])["jobs"]) == 100
    batch.update_job_queue(jobQueue="normal", state="DISABLED")
    for start in range(0, len(ids), 50):
        batch.terminate_jobs(jobs=ids[start : start + 50], reason="the crowd has gone home")


def port_of(endpoint: Endpoint) -> int:
    """The port it listens on."""
    return int(endpoint.endpoint.rpartition(":")[2])


def content_length(head: bytes) -> int:
    """Of an answer."""
    lines = head.decode("latin-1").lower().split("\r\n")
    return int(next(line.split(":")[1] for line in lines if line.startswith("content-length:")))


def test_what_is_no_http_harms_nobody(endpoint: Endpoint) -> None:
    """Bytes at random, requests cut short, headers without end: the next client is served."""
    chance = random.Random(20261126)
    whole = http_request(endpoint, "describejobqueues", {})
    for number in range(GARBAGE):
        kinds = [
            chance.randbytes(chance.randint(1, 2_000)),
            whole[: chance.randint(1, len(whole) - 1)],
            whole.replace(b"Content-Length: ", b"Content-Length: -"),
            b"POST /v1/submitjob HTTP/1.1\r\n" + b"X: " + b"a" * 70_000,
            whole.replace(b"application/json", chance.randbytes(40).replace(b"\n", b"")),
        ]
        with socket.create_connection(("127.0.0.1", port_of(endpoint)), timeout=30) as connection:
            connection.sendall(kinds[number % len(kinds)])
    (batch,) = clients(endpoint, "batch")
    assert batch.describe_job_queues(jobQueues=["normal"])["jobQueues"]
