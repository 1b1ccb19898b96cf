"""The client of the engine's API, against answers made up byte by byte."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from local_batch.executors.docker_api import DockerApi, DockerApiError, EngineLostError

Result = TypeVar("Result")


def against(
    directory: Path, answer: bytes, use: Callable[[DockerApi], Coroutine[Any, Any, Result]], *, reads: bool = True
) -> tuple[bytes, Result]:
    """What a server that answers so was asked, and what `use` made of it."""
    asked = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reads:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            asked.extend(head + await reader.readexactly(length))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def play() -> Result:
        server = await asyncio.start_unix_server(serve, directory / "s")
        async with server:
            return await use(DockerApi(directory / "s"))

    result = asyncio.run(play())
    return bytes(asked), result


def http(status: str, body: bytes, *headers: str) -> bytes:
    """An answer."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if not headers:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_a_call_sends_and_takes_json(tmp_path: Path) -> None:
    """With its query encoded."""
    asked, answer = against(
        tmp_path,
        http("201 Created", b'{"Id": "x"}\n'),
        lambda api: api.call("POST", "/containers/create", query={"name": "a b"}, body={"Image": "i"}),
    )
    assert asked.startswith(b"POST /v1.41/containers/create?name=a+b HTTP/1.1\r\n")
    assert asked.endswith(b'\r\n\r\n{"Image": "i"}')
    assert answer == {"Id": "x"}


def test_an_answer_without_a_body_is_none(tmp_path: Path) -> None:
    """Such as that to a removal."""
    assert against(tmp_path, http("204 No Content", b""), lambda api: api.call("DELETE", "/x"))[1] is None


def test_an_answer_may_come_in_chunks(tmp_path: Path) -> None:
    """As podman sends what is long."""
    answer = http("200 OK", b'4\r\n{"a"\r\n6\r\n: [1]}\r\n0\r\n\r\n', "Transfer-Encoding: chunked")
    assert against(tmp_path, answer, lambda api: api.call("GET", "/x"))[1] == {"a": [1]}


def test_a_stream_ends_with_the_connection(tmp_path: Path) -> None:
    """As the output of a container does."""

    async def read(api: DockerApi) -> bytes:
        async with api.stream("POST", "/attach") as chunks:
            return b"".join([chunk async for chunk in chunks])

    answer = http("200 OK", b"x" * 300_000, "Content-Type: application/vnd.docker.raw-stream")
    assert against(tmp_path, answer, read)[1] == b"x" * 300_000


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"message": "no such image", "cause": "x"}', "no such image"),
        (b"page not found\n", "page not found"),
        (b"[1]", "[1]"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_refusal_has_the_engines_words(tmp_path: Path, body: bytes, text: str) -> None:
    """Whether they come as JSON or not."""
    with pytest.raises(DockerApiError) as refusal:
        against(tmp_path, http("404 Not Found", body), lambda api: api.call("GET", "/x"))
    assert (refusal.value.status, str(refusal.value)) == (404, text)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n"],
    ids=["nothing", "half a body", "not HTTP", "half a head"],
)
def test_an_engine_that_stops_in_the_middle_is_lost(tmp_path: Path, answer: bytes) -> None:
    """Whatever it stops in the middle of."""
    with pytest.raises(EngineLostError, match="in the middle of an answer"):
        against(tmp_path, answer, lambda api: api.call("GET", "/x"))


def test_an_engine_with_a_full_backlog_is_waited_for(tmp_path: Path) -> None:
    """It is busy, not lost."""
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(str(tmp_path / "s"))
        listener.listen(1)

        def serve() -> None:
            time.sleep(0.3)
            for _ in range(6):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(http("200 OK", b"{}"))

        async def play() -> list[Any]:
            return await asyncio.gather(*(DockerApi(tmp_path / "s").call("GET", "/info") for _ in range(6)))

        served = pool.submit(serve)
        assert asyncio.run(play()) == [{}] * 6
        served.result()


def test_an_engine_that_is_not_there_is_lost(tmp_path: Path) -> None:
    """The socket is named."""
    with pytest.raises(EngineLostError, match=f"{tmp_path}/absent: "):
        asyncio.run(DockerApi(tmp_path / "absent").call("GET", "/x"))


def test_a_refusal_before_all_was_sent_is_read(tmp_path: Path) -> None:
    """An engine need not take a long build context in order to refuse it."""

    async def send(api: DockerApi) -> None:
        async with api.stream("POST", "/build", content=b"x" * 10_000_000):
            pass

    with pytest.raises((DockerApiError, EngineLostError)):
        against(tmp_path, http("400 Bad Request", b'{"message": "no"}'), send, reads=False)
