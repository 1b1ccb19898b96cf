"""What an engine makes for an attempt goes again, also when the attempt is given up before the engine has answered."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local_batch.executors import container_attempt
from local_batch.executors.container_attempt import ContainerAttempt, Surroundings
from local_batch.executors.container_engine import ContainerEngine, EngineImage, EngineTraits
from local_batch.executors.container_images import ContainerImages
from local_batch.executors.docker_api import DockerApi
from local_batch.executors.gpu_pool import GpuPool
from local_batch.executors.image_store import ImageStore
from local_batch.executors.work import AttemptWork, ContainerOptions, Mount, Report, StartFailed


class SlowEngine(ContainerEngine):
    """Is told when to make things, makes them whoever waits, and remembers what is there."""

    def __init__(self) -> None:
        super().__init__(
            DockerApi(Path("/none")), EngineTraits(is_podman=True, version=(5,), can_limit_swap=True, cgroup_version=2)
        )
        self.is_asked = asyncio.Event()
        self.may_make = asyncio.Event()
        self.there: list[str] = []
        self.slow = ""

    async def create(self, name: str, request: Mapping[str, Any]) -> str:
        """When it is told to."""
        del name, request
        return await self._make("container")

    async def create_volume(self, name: str, labels: Mapping[str, str]) -> str:
        """When it is told to."""
        del name, labels
        return await self._make("volume")

    async def remove(self, container: str) -> None:
        """It must be there."""
        self.there.remove(container)

    async def remove_volume(self, name: str) -> None:
        """It must be there."""
        self.there.remove(name)

    async def _make(self, kind: str) -> str:
        self.work = asyncio.create_task(self._carry_out(kind))
        return await asyncio.shield(self.work)

    async def _carry_out(self, kind: str) -> str:
        if kind == self.slow:
            self.is_asked.set()
            await self.may_make.wait()
        self.there.append(kind)
        return kind


class ReadyImages(ContainerImages):
    """Every image is there."""

    def __init__(self) -> None:
        super().__init__(ImageStore(roots=(), store=Path("/none")), token="", base_image=None)

    async def ensure(self, reference: str, engine: ContainerEngine) -> EngineImage:
        """With a program to run."""
        del reference, engine
        return EngineImage({}, has_command=True)


class FullDisk(ReadyImages):
    """No image can be kept."""

    async def ensure(self, reference: str, engine: ContainerEngine) -> EngineImage:
        """Never."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def attempt_on(engine: SlowEngine, reports: list[Report], images: ContainerImages | None = None) -> ContainerAttempt:
    """With a volume of its own."""
    work = AttemptWork(
        "job",
        1,
        "image:tag",
        (),
        {},
        vcpus=1,
        memory_mib=64,
        options=ContainerOptions(mounts=(Mount("/x", None, "x"),)),
    )
    around = Surroundings(
        engine=engine,
        images=images or ReadyImages(),
        token="token",
        report=reports.append,
        starts=asyncio.Semaphore(1),
        gpus=GpuPool(),
    )
    return ContainerAttempt(work, around)


@pytest.mark.parametrize("slow", ["container", "volume"])
def test_what_is_made_for_an_attempt_that_is_given_up_is_removed(slow: str) -> None:
    """The engine carries out what it was asked for whoever waits for its answer."""

    async def scene() -> tuple[list[str], list[Report]]:
        engine, reports = SlowEngine(), list[Report]()
        engine.slow = slow
        task = asyncio.create_task(attempt_on(engine, reports).run())
        await engine.is_asked.wait()
        task.cancel()
        await asyncio.sleep(0)
        engine.may_make.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await engine.work
        return engine.there, reports

    assert asyncio.run(scene()) == ([], [])


def test_what_is_made_after_the_patience_has_ended_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """ECS gives a creation up after four minutes."""
    monkeypatch.setattr(container_attempt, "CREATE_SECONDS", 0.01)

    async def scene() -> tuple[list[str], list[Report]]:
        engine, reports = SlowEngine(), list[Report]()
        engine.slow = "container"
        task = asyncio.create_task(attempt_on(engine, reports).run())
        await engine.is_asked.wait()
        await asyncio.sleep(0.05)
        engine.may_make.set()
        await task
        await engine.work
        return engine.there, reports

    there, reports = asyncio.run(scene())
    assert there == []
    assert reports == [
        StartFailed("job", 1, "DockerTimeoutError: Could not transition to created; timed out after waiting 0.01s")
    ]


def test_an_attempt_whose_image_makes_trouble_is_answered() -> None:
    """Whatever it is, and nothing is left."""

    async def scene() -> tuple[list[str], list[Report]]:
        engine, reports = SlowEngine(), list[Report]()
        attempt = attempt_on(engine, reports, FullDisk())
        await attempt.run()
        return engine.there, reports

    assert asyncio.run(scene()) == (
        [],
        [StartFailed("job", 1, "CannotCreateContainerError: OSError(28, 'No space left on device')")],
    )


def test_an_engine_that_never_answers_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it makes later is removed by the next start of the local cloud."""
    monkeypatch.setattr(container_attempt, "LATE_ANSWER_SECONDS", 0.01)

    async def scene() -> None:
        engine = SlowEngine()
        engine.slow = "container"
        task = asyncio.create_task(attempt_on(engine, []).run())
        await engine.is_asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)

    asyncio.run(scene())
