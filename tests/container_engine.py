"""The container engine that tests use, with a base image made of this machine's own files."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from local_batch.executors.docker_api import DockerApi, DockerApiError
from local_batch.executors.engine_service import EngineService
from local_batch.executors.engine_socket import engine_socket
from local_batch.executors.errors import EngineError

BASE_IMAGE_SCRIPT = Path(__file__).resolve().parents[1] / "toolchain" / "base_image.sh"

CONTAINER_MARKS = (pytest.mark.container, pytest.mark.xdist_group("containers"))
"""Of every test that needs an engine: one worker runs them all, so that they share one engine and one base image."""


_IDLE_SECONDS = 1800
"""Longer than other tests of the same worker may take before the engine is asked to remove its images."""

_Test = TypeVar("_Test", bound=Callable[..., None])


def needs_engine(test: _Test) -> _Test:
    """Mark one test so."""
    for mark in CONTAINER_MARKS:
        test = mark(test)
    return test


@dataclass(frozen=True)
class TestEngine:
    """An engine that answers."""

    __test__ = False

    api: DockerApi
    base_image: str
    registry: str
    """Where the images of these tests are said to be: others may be testing on the same engine."""

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, leading to the engine."""
        return {**os.environ, "DOCKER_HOST": f"unix://{self.api.socket}"}

    def remove_images(self, repository: str) -> None:
        """All in repositories whose names contain this."""

        async def remove() -> None:
            for image in await self.api.call("GET", "/images/json"):
                for name in image.get("RepoTags") or ():
                    if repository in name:
                        await self.api.call("DELETE", f"/images/{name}", query={"force": "1"})

        asyncio.run(remove())


@contextmanager
def running_engine(directory: Path) -> Iterator[TestEngine]:
    """The engine of this machine, else a podman service that lasts as long as this; skips where there is neither."""
    service = None
    try:
        socket = engine_socket(os.environ)
        if socket is None:
            service = EngineService(directory, os.environ, idle_seconds=_IDLE_SECONDS)
            socket = service.socket
    except EngineError as error:
        pytest.skip(str(error))
    engine = TestEngine(DockerApi(socket), _base_image_name(), f"{uuid.uuid4().hex[:8]}.registry.example")
    try:
        asyncio.run(_ensure_base_image(engine))
        yield engine
        engine.remove_images(f"{engine.registry}/")
    finally:
        if service is not None:
            service.close()


def _base_image_name() -> str:
    """Names what goes into it, so that an engine that has it need not be given it again."""
    content = BASE_IMAGE_SCRIPT.read_bytes() + f"{sys.version} {sys.base_prefix}".encode()
    return f"localhost/local-batch-base:{hashlib.sha256(content).hexdigest()[:16]}"


async def _ensure_base_image(engine: TestEngine) -> None:
    try:
        await engine.api.call("GET", f"/images/{engine.base_image}/json")
    except DockerApiError:
        made = subprocess.run([str(BASE_IMAGE_SCRIPT)], stdout=subprocess.PIPE, check=True)
        query = {"fromSrc": "-", "repo": engine.base_image}
        async with engine.api.stream(
            "POST", "/images/create", query=query, content=made.stdout, content_type="application/x-tar"
        ) as chunks:
            async for _ in chunks:
                pass
        await engine.api.call("GET", f"/images/{engine.base_image}/json")
