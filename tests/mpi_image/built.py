"""The image of MPI jobs on an engine, and jobs whose nodes are containers of it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from image_tags import image_files, image_tag
from local_batch.executors.docker_api import DockerApiError
from tests.container_engine import BASE_IMAGE_SCRIPT, TestEngine

CHECKOUT = BASE_IMAGE_SCRIPT.parents[1]
DEBIAN_SCRIPT = BASE_IMAGE_SCRIPT.with_name("debian_base_image.sh")
FOLDER = CHECKOUT / "containers" / "mpi"
SECRET = "a secret of the stack"
PATIENCE_SECONDS = 120.0
_JOBS = itertools.count(1)


@dataclass(frozen=True)
class Ended:
    """A node's container after its end."""

    exit_code: int
    log: str


@dataclass
class BuiltImage:
    """The image, once it is there."""

    engine: TestEngine
    name: str

    def call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Any:
        """Of the engine."""
        return asyncio.run(self.engine.api.call(method, path, query=query, body=body))

    def run(self, *command: str) -> Ended:
        """A container that runs this in place of the bring-up."""
        node = self.create({"Entrypoint": [command[0]], "Cmd": list(command[1:])})
        return self.end_of(node)

    def create(self, config: Mapping[str, Any]) -> str:
        """A container that has been started."""
        created = self.call("POST", "/containers/create", body={"Image": self.name, **config})
        self.call("POST", f"/containers/{created['Id']}/start")
        return str(created["Id"])

    def end_of(self, container: str) -> Ended:
        """Waits for it and removes it."""
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (state := self.call("GET", f"/containers/{container}/json")["State"])["Running"]:
                if time.monotonic() > deadline:
                    pytest.fail(f"a node still runs after {PATIENCE_SECONDS:g} s\n{self.log(container)}")
                time.sleep(0.1)
            return Ended(int(state["ExitCode"]), self.log(container))
        finally:
            self.call("DELETE", f"/containers/{container}", {"force": "1"})

    def log(self, container: str) -> str:
        """Standard output and error, as they came."""
        query = {"stdout": "1", "stderr": "1"}

        async def read() -> bytes:
            path = f"/containers/{container}/logs"
            async with self.engine.api.stream("GET", path, query=query) as chunks:
                return b"".join([chunk async for chunk in chunks])

        return _without_heads(asyncio.run(read())).decode(errors="replace")


@dataclass
class ContainerJob:
    """A job of three nodes, as Batch would start its containers."""

    image: BuiltImage
    network: str = "host"
    """Else the name of a network of the engine."""

    join_seconds: float = 20.0
    nodes: list[str] = field(default_factory=list)
    number: int = field(default_factory=lambda: next(_JOBS))

    def start(self, *command: str, secrets: Mapping[int, str] | None = None) -> None:
        """All nodes; `command` is the bring-up's arguments."""
        main_address = f"127.0.{os.getpid() % 200 + 20}.2"
        for index in range(3):
            variables = {
                "AWS_BATCH_JOB_ID": f"job-{os.getpid()}-{self.number}#{index}",
                "AWS_BATCH_JOB_ATTEMPT": "1",
                "AWS_BATCH_JOB_NUM_NODES": "3",
                "AWS_BATCH_JOB_NODE_INDEX": str(index),
                "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0",
                "MPI_BRINGUP_SECRET": (secrets or {}).get(index, SECRET),
                "MPI_JOIN_SECONDS": str(self.join_seconds),
            }
            if self.network == "host":
                # Three addresses of this machine, as the local cloud gives them to nodes.
                variables["MPI_ADDRESS"] = main_address[:-1] + str(index + 2)
            if index != 0:
                variables["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] = main_address
            config = {
                "Env": [f"{name}={value}" for name, value in variables.items()],
                "Cmd": list(command),
                "HostConfig": {"NetworkMode": self.network, "ShmSize": 64 << 20},
            }
            self.nodes.append(self.image.create(config))
            if index == 0 and self.network != "host":
                main_address = self._address(self.nodes[0])

    def await_line(self, text: str) -> None:
        """Until the main node has written it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in (log := self.image.log(self.nodes[0])):
            if time.monotonic() > deadline:
                pytest.fail(f"no {text!r} of the main node\n{log}")
            time.sleep(0.1)

    def kill(self, index: int) -> None:
        """As a machine that is gone."""
        self.image.call("POST", f"/containers/{self.nodes[index]}/kill")

    def end(self) -> list[Ended]:
        """Of each node."""
        nodes, self.nodes = self.nodes, []
        return [self.image.end_of(node) for node in nodes]

    def close(self) -> None:
        """Remove what is left."""
        for node in self.nodes:
            self.image.call("DELETE", f"/containers/{node}", {"force": "1"})

    def _address(self, node: str) -> str:
        networks = self.image.call("GET", f"/containers/{node}/json")["NetworkSettings"]["Networks"]
        return str(networks[self.network]["IPAddress"])


def built_image(engine: TestEngine) -> BuiltImage:
    """Built where the engine does not have it; skips where no Debian can be made."""
    base = debian_base(engine)
    image = BuiltImage(engine, f"localhost/local-batch-mpi:{image_tag(FOLDER)}")
    if not _has(image, image.name):
        arguments = json.dumps({"BASE_IMAGE": base, **_proxies()})
        said = _send(engine, "/build", {"t": image.name, "buildargs": arguments, "networkmode": "host"}, _context())
        assert _has(image, image.name), said[-2000:]
    return image


def debian_base(engine: TestEngine) -> str:
    """The name of a Debian on the engine; skips where none can be made."""
    base = f"localhost/local-batch-debian:{hashlib.sha256(DEBIAN_SCRIPT.read_bytes()).hexdigest()[:16]}"
    if not _has(BuiltImage(engine, base), base):
        made = subprocess.run([str(DEBIAN_SCRIPT)], capture_output=True, check=False)
        if made.returncode != 0:
            pytest.skip(made.stderr.decode(errors="replace").strip())
        _send(engine, "/images/create", {"fromSrc": "-", "repo": base}, made.stdout)
    return base


def _has(image: BuiltImage, name: str) -> bool:
    try:
        image.call("GET", f"/images/{name}/json")
    except DockerApiError:
        return False
    return True


def _proxies() -> dict[str, str]:
    """Of this machine, for the build alone: these arguments need no ARG and stay out of the image."""
    return {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ}


def _send(engine: TestEngine, path: str, query: Mapping[str, str], archive: bytes) -> str:
    async def send() -> bytes:
        async with engine.api.stream(
            "POST", path, query=query, content=archive, content_type="application/x-tar"
        ) as chunks:
            return b"".join([chunk async for chunk in chunks])

    return asyncio.run(send()).decode(errors="replace")


def _context() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path in image_files(FOLDER):
            archive.add(FOLDER / path, arcname=path.as_posix())
    return made.getvalue()


def _without_heads(stream: bytes) -> bytes:
    """The content of frames of 8 bytes and what they announce; see the Engine API's attach."""
    found: list[bytes] = []
    while len(stream) >= 8:
        size = int.from_bytes(stream[4:8], "big")
        found.append(stream[8 : 8 + size])
        stream = stream[8 + size :]
    return b"".join(found)


def greetings(rank_lines: Sequence[str]) -> list[str]:
    """Lines of ranks, in the order of ranks."""
    return sorted(line for line in rank_lines if " rank " in line)
