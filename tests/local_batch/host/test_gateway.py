"""The gateway, with fakes behind it: what it decides itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

import pytest

from local_batch.host.asgi import Message, Receive, Reply, Scope, Send
from local_batch.host.gateway import MAX_BATCH_BODY_BYTES, Gateway
from local_batch.host.state_saver import StateSaver, is_reading, takes_messages

SIGNED = b"AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/batch/aws4_request, SignedHeaders=host, Signature=0"


class FakeBatch:
    """Answers with what it was asked, or fails."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def handle(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]
    ) -> Reply:
        """See BatchHandler."""
        if self.error is not None:
            raise self.error
        asked = {"method": method, "path": path, "size": len(body), "query": query, "agent": headers.get("user-agent")}
        return 200, {"Content-Type": "application/json"}, json.dumps(asked).encode()


class FakeRest:
    """MiniStack, the backlog and the saver: remembers in what order they were used."""

    def __init__(self) -> None:
        self.story: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As of MiniStack."""
        self.story.append("answer")

    def flush(self) -> None:
        """As of the backlog."""
        self.story.append("flush")

    async def serve(self, app: Any, service: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """As of the saver."""
        self.story.append(f"serve {service}")
        await app(scope, receive, send)


async def no_own(method: str, path: str) -> Reply:
    """Nothing of our own."""
    return 404, {}, b""


class Served:
    """A gateway over fakes, asked one request at a time."""

    def __init__(self) -> None:
        self.batch = FakeBatch()
        self.rest = FakeRest()
        self.gateway = Gateway(
            batch=self.batch,
            ministack=self.rest,
            backlog=self.rest,
            saver=cast("StateSaver", self.rest),
            own=no_own,
            account_id="123456789012",
            region="us-east-1",
            on_startup=lambda: None,
            on_shutdown=lambda: None,
        )

    def ask(
        self, path: str, parts: list[bytes], authorization: bytes = SIGNED, query: bytes = b""
    ) -> tuple[int, dict[str, Any]]:
        """Status and document of the answer; an empty document where MiniStack was to answer."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": path.replace("%2F", "/"),
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(b"authorization", authorization), (b"user-agent", b"test"), (b"host", b"127.0.0.1:80")],
        }
        incoming = [
            {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return incoming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self.gateway(scope, receive, send))
        if not sent:
            return 0, {}
        return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.fixture
def served() -> Served:
    """A gateway."""
    return Served()


def test_batch_requests_are_answered_here(served: Served) -> None:
    """With the whole body, the path as sent, and the query."""
    status, asked = served.ask("/v1/tags/arn%3Aaws%2Fx", [b"{", b"}"], query=b"tagKeys=a&tagKeys=b")
    assert status == 200
    assert asked == {
        "method": "POST",
        "path": "/v1/tags/arn%3Aaws%2Fx",
        "size": 2,
        "query": {"tagKeys": ["a", "b"]},
        "agent": "test",
    }
    assert served.rest.story == []


def test_failure_of_batch_is_batchs_own_error(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """ServerException, which SDKs know; the traceback is in the server's log."""
    served.batch.error = RuntimeError("boom")
    status, document = served.ask("/v1/submitjob", [b"{}"])
    assert (status, document["message"]) == (500, "The local cloud failed; its server.log says why")
    assert "RuntimeError: boom" in caplog.text


def test_huge_body_is_not_kept(served: Served) -> None:
    """A Batch request is never a megabyte; memory is not held for one that is."""
    piece = b"x" * (MAX_BATCH_BODY_BYTES // 2)
    _, asked = served.ask("/v1/submitjob", [piece] * 10)
    assert asked["size"] <= MAX_BATCH_BODY_BYTES


@pytest.mark.parametrize(("authorization", "service"), [(SIGNED.replace(b"batch", b"logs"), "logs"), (b"", None)])
def test_other_services_see_all_that_was_published(served: Served, authorization: bytes, service: str | None) -> None:
    """The backlog is flushed before MiniStack answers, and what it answers is saved."""
    served.ask("/", [b""], authorization)
    assert served.rest.story == ["flush", f"serve {service}", "answer"]


@pytest.mark.parametrize(
    ("method", "target", "opening", "reading"),
    [
        ("GET", b"", b"", True),
        ("HEAD", b"", b"", True),
        ("PUT", b"", b"", False),
        ("DELETE", b"", b"", False),
        ("POST", b"Logs_20140328.GetLogEvents", b"{}", True),
        ("POST", b"Logs_20140328.PutLogEvents", b"{}", False),
        ("POST", b"AmazonSQS.ReceiveMessage", b"{}", False),
        ("POST", b"", b"Action=DescribeStacks&Version=1", True),
        ("POST", b"", b"Version=1&Action=ListRoles", True),
        ("POST", b"", b"Action=CreateRole&Description=Action=Get", False),
        ("POST", b"", b"", False),
    ],
)
def test_only_what_surely_reads_is_not_saved(method: str, target: bytes, opening: bytes, *, reading: bool) -> None:
    """In doubt a request may have changed something."""
    assert is_reading(method, {b"x-amz-target": target}, opening) is reading


@pytest.mark.parametrize(
    ("target", "opening", "taking"),
    [
        (b"AmazonSQS.ReceiveMessage", b"{}", True),
        (b"AmazonSQS.DeleteMessageBatch", b"{}", True),
        (b"AmazonSQS.SendMessage", b"{}", False),
        (b"AmazonSQS.DeleteQueue", b"{}", False),
        (b"", b"Action=DeleteMessage&QueueUrl=q", True),
        (b"", b"Action=CreateQueue&QueueName=ReceiveMessage", False),
        (b"", b"", False),
    ],
)
def test_a_queue_that_is_emptied_is_not_written_with_every_message(
    target: bytes, opening: bytes, *, taking: bool
) -> None:
    """Only what takes messages waits for the sweep: what is sent is on disk before it is answered."""
    assert takes_messages({b"x-amz-target": target}, opening) is taking
