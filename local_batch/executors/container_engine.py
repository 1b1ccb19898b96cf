"""The container engine: what the executor asks of Docker or podman, in our types."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from local_batch.executors.bare_machine import attainable_ulimits, is_bare_machine
from local_batch.executors.build_output import BuildOutput
from local_batch.executors.docker_api import DockerApi, DockerApiError
from local_batch.executors.work import Ulimit

_POLL_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
"""Between two looks at a container that is about to end; then it is waited for, which podman does by 250 ms steps."""

_ENDED = frozenset({"exited", "dead", "stopped"})


@dataclass(frozen=True, slots=True)
class EngineTraits:
    """What an engine can do, as far as engines differ."""

    is_podman: bool
    version: tuple[int, ...]
    can_limit_swap: bool
    cgroup_version: int
    ulimits: tuple[Ulimit, ...] = ()
    """To be named for every container, where those that the engine sets by itself are higher than it may set."""


@dataclass(frozen=True, slots=True)
class EngineImage:
    """An image that the engine has."""

    labels: Mapping[str, str]
    has_command: bool
    """Whether it names a program to run: ENTRYPOINT or CMD."""


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """How a container ended."""

    exit_code: int
    is_out_of_memory: bool
    """As far as the engine noticed."""


class ContainerEngine:
    """One engine. Raises DockerApiError where it refuses, EngineLostError where it is gone."""

    def __init__(self, api: DockerApi, traits: EngineTraits) -> None:
        self._api = api
        self.traits = traits

    @classmethod
    async def connect(cls, api: DockerApi) -> ContainerEngine:
        """The engine behind `api`, asked what it is."""
        info = await api.call("GET", "/info")
        # Of podman's own making; asking for the version as well would take it another half second.
        is_podman = "BuildahVersion" in info
        traits = EngineTraits(
            is_podman=is_podman,
            version=tuple(int(part) for part in info["ServerVersion"].split("-")[0].split(".") if part.isdigit()),
            can_limit_swap=bool(info.get("SwapLimit")),
            cgroup_version=int(info.get("CgroupVersion") or 1),
            ulimits=attainable_ulimits() if is_podman and is_bare_machine() else (),
        )
        return cls(api, traits)

    async def image(self, name: str) -> EngineImage | None:
        """The image of that name, None where the engine has none."""
        try:
            found = await self._api.call("GET", f"/images/{name}/json")
        except DockerApiError as error:
            if error.status == 404:
                return None
            raise
        config = found.get("Config") or {}
        return EngineImage(config.get("Labels") or {}, bool(config.get("Entrypoint") or config.get("Cmd")))

    async def build(
        self, name: str, context: bytes, *, arguments: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Build and name an image from a tar archive of its folder. Raises BuildError."""
        query = {
            "t": name,
            "buildargs": json.dumps(dict(arguments)),
            "labels": json.dumps(dict(labels)),
            "networkmode": "host",
            "rm": "1",
            "forcerm": "1",
        }
        output = BuildOutput()
        async with self._api.stream(
            "POST", "/build", query=query, content=context, content_type="application/x-tar"
        ) as chunks:
            async for chunk in chunks:
                output.feed(chunk)
        output.check()

    async def create(self, name: str, request: Mapping[str, Any]) -> str:
        """The id of a new container, which does not run yet."""
        created = await self._api.call("POST", "/containers/create", query={"name": name}, body=request)
        return str(created["Id"])

    def attach(self, container: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """What a container that is not started yet will write, as frames (container_output.py), until it has ended."""
        query = {"stream": "1", "stdout": "1", "stderr": "1"}
        return self._api.stream("POST", f"/containers/{container}/attach", query=query)

    async def start(self, container: str) -> None:
        """Let it run."""
        await self._api.call("POST", f"/containers/{container}/start")

    async def first_process(self, container: str) -> int:
        """Its pid on the engine's machine; 0 where there is none yet."""
        return int((await self._state(container)).get("Pid") or 0)

    async def kill(self, container: str, signal_name: str) -> None:
        """Send a signal to its first process; nothing where it has ended."""
        try:
            await self._api.call("POST", f"/containers/{container}/kill", query={"signal": signal_name})
        except DockerApiError as error:
            # 409: it does not run; podman says 500 where it ended a moment ago.
            if error.status not in {404, 409} and (await self._state(container)).get("Status") not in _ENDED:
                raise

    async def end(self, container: str) -> ContainerEnd:
        """How it ended, once it has."""
        for pause_seconds in _POLL_SECONDS:
            state = await self._state(container)
            if state.get("Status") in _ENDED:
                break
            await asyncio.sleep(pause_seconds)
        else:
            await self._api.call("POST", f"/containers/{container}/wait")
            state = await self._state(container)
        return ContainerEnd(int(state["ExitCode"]), bool(state.get("OOMKilled")))

    async def remove(self, container: str) -> None:
        """Kill it where it runs, and remove it with its anonymous volumes; nothing where it is gone."""
        await self._remove(f"/containers/{container}", {"force": "1", "v": "1"})

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> str:
        """The name of a new empty volume."""
        created = await self._api.call("POST", "/volumes/create", body={"Name": name, "Labels": dict(labels)})
        return str(created["Name"])

    async def remove_volume(self, name: str) -> None:
        """Nothing where it is gone."""
        await self._remove(f"/volumes/{name}", {})

    async def containers_labelled(self, label: str) -> dict[str, Mapping[str, str]]:
        """The labels of every container, running or not, that has `name=value` among them, by container id."""
        found = await self._api.call(
            "GET", "/containers/json", query={"all": "1", "filters": json.dumps({"label": [label]})}
        )
        return {container["Id"]: container.get("Labels") or {} for container in found}

    async def volumes_labelled(self, label: str) -> list[str]:
        """The names of volumes that have `name=value` among their labels."""
        found = await self._api.call("GET", "/volumes", query={"filters": json.dumps({"label": [label]})})
        return [volume["Name"] for volume in found.get("Volumes") or ()]

    def events(self) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """What happens in the engine, for ever; an open stream also keeps a service of our own from ending idle."""
        return self._api.stream("GET", "/events")

    async def _state(self, container: str) -> dict[str, Any]:
        state: dict[str, Any] = (await self._api.call("GET", f"/containers/{container}/json"))["State"]
        return state

    async def _remove(self, path: str, query: Mapping[str, str]) -> None:
        try:
            await self._api.call("DELETE", path, query=query)
        except DockerApiError as error:
            if error.status != 404:
                raise
