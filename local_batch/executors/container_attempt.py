"""One attempt as a container, from its image to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from local_batch.executors.container_engine import ContainerEnd, ContainerEngine
from local_batch.executors.container_images import ContainerImages
from local_batch.executors.container_output import ContainerOutput
from local_batch.executors.container_request import attempt_volumes, container_name, container_request, labels
from local_batch.executors.docker_api import DockerApiError, EngineLostError
from local_batch.executors.engine_patience import patiently
from local_batch.executors.errors import (
    CannotCreateContainerError,
    CannotStartContainerError,
    ContainerError,
    DockerTimeoutError,
)
from local_batch.executors.gpu_pool import GpuPool
from local_batch.executors.memory_watch import OUT_OF_MEMORY
from local_batch.executors.oom_watch import OomWatch, memory_cgroup
from local_batch.executors.work import AttemptWork, Exited, Logged, Report, Started, StartFailed

_LOG = logging.getLogger(__name__)

CREATE_SECONDS = 240
"""ECS's patience: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html"""

START_SECONDS = 180

LATE_ANSWER_SECONDS = 10
"""For the engine to make what is not wanted any more, so that it can be removed."""

WATCH_SECONDS = 0.2
"""Between two looks at whether the kernel killed something for want of memory."""

LAST_SIGNAL_SECONDS = 0.5
"""How long the kernel may take to say whether a container that was killed ran out of memory (oom_watch.py)."""

KILLED = 137

EXIT_CODE_LOST = 255
"""Reported, with a reason, where the engine was lost while the container ran."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the attempts of one executor share."""

    engine: ContainerEngine
    images: ContainerImages
    token: str
    report: Callable[[Report], None]
    starts: asyncio.Semaphore
    """Bounds how many are being started at a time."""

    gpus: GpuPool


class ContainerAttempt:
    """Runs once, by `run`."""

    def __init__(self, work: AttemptWork, surroundings: Surroundings) -> None:
        self._work = work
        self._around = surroundings
        self._engine = surroundings.engine
        self._output = ContainerOutput()
        self._container = ""
        self._watch: OomWatch | None = None
        self._is_out_of_memory = False
        self._is_settled = asyncio.Event()
        self._is_over = asyncio.Event()
        self.is_running = False
        """Whether its program has been started and not ended yet."""

    async def run(self) -> None:
        """From the image to the last report. Nothing of it is left when that is made, nor after a cancellation."""
        try:
            last = await self._last_report()
        finally:
            self.is_running = False
            self._is_settled.set()
            self._is_over.set()
        self._around.report(last)

    async def stop(self, grace_seconds: float) -> None:
        """SIGTERM once it runs, SIGKILL after the grace."""
        await self._is_settled.wait()
        await self._signal("SIGTERM")
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._is_over.wait()
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL, where it runs."""
        await self._signal("SIGKILL")

    async def _last_report(self) -> Report:
        work = self._work
        try:
            async with AsyncExitStack() as stack:
                chunks = await self._start(stack)
                self._around.report(Started(work.job_id, work.attempt))
                self.is_running = True
                self._is_settled.set()
                return await self._exited(chunks)
        except ContainerError as error:
            return StartFailed(work.job_id, work.attempt, error.reason)
        except Exception as error:  # noqa: BLE001 - an attempt is answered, whatever its job asks for
            _LOG.exception("job %s: its attempt %d went wrong", work.job_id, work.attempt)
            if self.is_running:
                return Exited(work.job_id, work.attempt, EXIT_CODE_LOST, f"The exit status was lost: {error!r}")
            return StartFailed(work.job_id, work.attempt, CannotCreateContainerError(f"{error!r}").reason)

    async def _start(self, stack: AsyncExitStack) -> AsyncIterator[bytes]:
        """What it writes, once it has been started; `stack` takes what is to be undone at the end."""
        async with _step("created", CannotCreateContainerError):
            image = await self._around.images.ensure(self._work.image, self._engine)
        if not (image.has_command or self._work.command):
            raise CannotCreateContainerError(
                f"{self._work.image}: no command specified: the job definition has no command and the image neither "
                "ENTRYPOINT nor CMD; give one"
            )
        async with self._around.starts:
            async with _step("created", CannotCreateContainerError, CREATE_SECONDS):
                await self._create(stack)
            async with _step("started", CannotStartContainerError, START_SECONDS):
                # podman prepares the container to attach to it: its cgroup is there before its program runs.
                chunks = await stack.enter_async_context(self._engine.attach(self._container))
                self._begin_watch(await self._engine.first_process(self._container), stack)
                await self._engine.start(self._container)
        return chunks

    async def _create(self, stack: AsyncExitStack) -> None:
        work, token = self._work, self._around.token
        gpus = self._around.gpus.take(work.gpus)
        stack.callback(self._around.gpus.give_back, gpus)
        request = container_request(work, token=token, gpus=gpus, traits=self._engine.traits)
        for mount in work.options.mounts:
            if mount.source is not None:
                _make_source(Path(mount.source))
        for volume in attempt_volumes(work, token):
            await _made(stack, self._engine.create_volume(volume, labels(work, token)), self._engine.remove_volume)
        creation = self._engine.create(container_name(work, token), request)
        self._container = await _made(stack, creation, self._engine.remove)

    def _begin_watch(self, pid: int, stack: AsyncExitStack) -> None:
        cgroup = memory_cgroup(pid, self._container)
        if cgroup is not None:
            with suppress(OSError):
                self._watch = OomWatch(cgroup)
                stack.callback(self._watch.close)

    async def _exited(self, chunks: AsyncIterator[bytes]) -> Exited:
        """Follow it to its end."""
        work = self._work
        watching = asyncio.create_task(self._watch_memory())
        try:
            await self._read(chunks)
            # At once, as long as the cgroup is there.
            self._is_out_of_memory |= self._has_killed()
            end = await patiently(partial(self._engine.end, self._container))
            reason = OUT_OF_MEMORY if await self._ran_out_of_memory(end) else None
        except (EngineLostError, DockerApiError) as error:
            return Exited(
                work.job_id,
                work.attempt,
                EXIT_CODE_LOST,
                f"CannotInspectContainerError: Could not transition to inspecting: {error}",
            )
        finally:
            watching.cancel()
        return Exited(work.job_id, work.attempt, end.exit_code, reason)

    async def _read(self, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in chunks:
                self._output.feed(chunk, _now_ms())
                self._report_lines()
        except EngineLostError as error:
            _LOG.warning("job %s: its output ends early: %s", self._work.job_id, error)
        self._output.end(_now_ms())
        self._report_lines()

    def _report_lines(self) -> None:
        lines = self._output.take()
        if lines:
            self._around.report(Logged(self._work.job_id, self._work.attempt, lines))

    async def _watch_memory(self) -> None:
        if self._watch is None:
            return
        while not self._has_killed():
            await asyncio.sleep(WATCH_SECONDS)
        # One process of it may be gone and the others go on; AWS terminates the container.
        self._is_out_of_memory = True
        await self.kill()

    def _has_killed(self) -> bool:
        return self._watch is not None and bool(self._watch.has_killed())

    async def _ran_out_of_memory(self, end: ContainerEnd) -> bool:
        if self._is_out_of_memory or end.is_out_of_memory:
            return True
        if self._watch is None or end.exit_code != KILLED or self._watch.has_killed() is not None:
            return False
        await asyncio.sleep(LAST_SIGNAL_SECONDS)
        return bool(self._watch.has_killed())

    async def _signal(self, name: str) -> None:
        if self.is_running:
            try:
                await patiently(partial(self._engine.kill, self._container, name))
            except (DockerApiError, EngineLostError) as error:
                _LOG.warning("job %s: %s was not delivered: %s", self._work.job_id, name, error)


@asynccontextmanager
async def _step(
    state: str, refusal: type[ContainerError], patience_seconds: float | None = None
) -> AsyncIterator[None]:
    """A step towards a running container: what the engine says against it becomes ECS's error."""
    try:
        async with asyncio.timeout(patience_seconds):
            yield
    except DockerApiError as error:
        raise refusal(_without_preamble(str(error))) from error
    except EngineLostError as error:
        raise refusal(f"the container engine does not answer: {error}") from error
    except TimeoutError as error:
        raise DockerTimeoutError(
            f"Could not transition to {state}; timed out after waiting {patience_seconds:g}s"
        ) from error


def _without_preamble(text: str) -> str:
    """podman begins with what it was about to do; what its runtime says comes after it."""
    before, preamble, after = text.partition(" for attach: ")
    return after if preamble and before.startswith("preparing container ") else text


def _make_source(path: Path) -> None:
    """A directory of the host that does not exist is made, as Docker makes it on AWS."""
    try:
        if not path.exists():
            path.mkdir(parents=True)
    except OSError as error:
        raise CannotCreateContainerError(
            f"volumes: host.sourcePath is a directory that is there or can be made, got {str(path)!r}: {error.strerror}"
        ) from error


async def _made(
    stack: AsyncExitStack, creation: Coroutine[Any, Any, str], remove: Callable[[str], Awaitable[None]]
) -> str:
    """Have something made, and `stack` remove it at the end.

    The engine makes what it was asked for also when nobody waits for its answer any more: a cancellation waits for it.
    """
    making = asyncio.create_task(creation)
    try:
        name = await asyncio.shield(making)
    except asyncio.CancelledError:
        with suppress(DockerApiError, EngineLostError, TimeoutError):
            async with asyncio.timeout(LATE_ANSWER_SECONDS):
                await _leave(remove, await making)
        raise
    stack.push_async_callback(_leave, remove, name)
    return name


async def _leave(remove: Callable[[str], Awaitable[None]], name: str) -> None:
    """Remove; what cannot be removed is left for the next start of the local cloud."""
    try:
        await patiently(partial(remove, name))
    except (DockerApiError, EngineLostError) as error:
        _LOG.warning("%s could not be removed: %s", name, error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
