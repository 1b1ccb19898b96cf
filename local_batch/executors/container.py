"""The container executor: attempts as containers of Docker or podman.

Theory of operation. One thread runs an event loop, and on it one task an attempt: it has the image built where the
engine lacks it, creates the container, attaches to its output, starts it, reads to the end of the output, asks how it
ended, removes it and reports. Waiting costs a task and a connection, no thread. Reports go to the Reporter on the
loop's thread: while that waits, nothing is read, the engine's buffers fill up and the jobs that write wait.

Containers carry the token of the state directory as a label. Those of a server that was killed are removed when the
next one starts on the same directory.

What differs from a container of AWS is said in docs/local-cloud.md: all share the host's network, as single-container
jobs on EC2 do.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from local_batch.executors.container_attempt import ContainerAttempt, Surroundings
from local_batch.executors.container_engine import ContainerEngine
from local_batch.executors.container_images import ContainerImages
from local_batch.executors.container_request import ATTEMPT_LABEL, JOB_LABEL, STATE_LABEL
from local_batch.executors.docker_api import DockerApi, DockerApiError, EngineLostError
from local_batch.executors.engine_service import EngineService
from local_batch.executors.engine_socket import engine_socket
from local_batch.executors.errors import EngineError
from local_batch.executors.gpu_pool import GpuPool
from local_batch.executors.image_store import ImageStore
from local_batch.executors.marker import directory_token
from local_batch.executors.report_outbox import ReportOutbox
from local_batch.executors.work import AttemptWork, Reporter

_LOG = logging.getLogger(__name__)

_Result = TypeVar("_Result")

CONNECT_SECONDS = 120.0
"""For the engine to say what it is, and to remove what an earlier server left."""

CLOSE_SECONDS = 60.0
"""For the engine to kill and remove what runs."""

RETURN_SECONDS = (0.2, 5.0)
"""Between two looks for an engine that went away: at first, and at most."""

STARTS_AT_ONCE = 2 * (os.cpu_count() or 1)
"""Starting a container is work for a processor, not waiting; more at once only makes each take longer."""


class ContainerExecutor:
    """Implements executors.work.Executor with containers."""

    def __init__(
        self,
        *,
        images: ImageStore,
        state: Path,
        reporter: Reporter,
        base_image: str | None = None,
        environment: Mapping[str, str],
    ) -> None:
        """Containers belong to the local cloud whose state directory is `state`; what it left earlier is ended first.

        `base_image` replaces the base image of every Dockerfile that has an ARG BASE_IMAGE. `environment` says where
        the engine is (DOCKER_HOST, XDG_RUNTIME_DIR, PATH). Raises EngineError where there is none.
        """
        self._attempts: dict[tuple[str, int], tuple[ContainerAttempt, asyncio.Task[None]]] = {}
        self._companions: set[asyncio.Task[None]] = set()
        """Tasks that end with the attempts: stops under way, and the watch over a service of our own."""

        self._is_closing = False
        self._is_closed = False
        token = directory_token(state)
        socket = engine_socket(environment)
        self._service: EngineService | None = None
        if socket is None:
            self._service = EngineService(state / "engine", environment)
            socket = self._service.socket
        self.socket = socket
        """Where the engine answers."""

        api = DockerApi(socket)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="batch-containers", daemon=True)
        self._thread.start()
        try:
            engine, self.ended_leftovers = self._wait(_taken(api, token))
            """The second: attempts (job id, number) whose containers an earlier server left."""
        except (DockerApiError, EngineLostError) as error:
            self._end()
            raise EngineError(f"container executor: the engine at {api.socket} is usable, got: {error}") from error
        except TimeoutError as error:
            self._end()
            raise EngineError(
                f"container executor: the engine at {api.socket} answers within {CONNECT_SECONDS:g} s, got nothing; "
                "restart it"
            ) from error
        if self.ended_leftovers:
            _LOG.warning("ended containers that an earlier local cloud left: %s", self.ended_leftovers)
        self._outbox = ReportOutbox(reporter)
        self._surroundings = Surroundings(
            engine=engine,
            images=ContainerImages(images, token=token, base_image=base_image),
            token=token,
            report=self._outbox.put,
            starts=asyncio.Semaphore(STARTS_AT_ONCE),
            gpus=GpuPool(),
        )
        self._call(self._accompany, self._keep_engine())

    def start(self, works: Sequence[AttemptWork]) -> None:
        """See Executor."""
        self._call(self._start, works)

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """See Executor. Signals go to the first process; when it ends the kernel kills the rest of the container."""
        self._call(self._stop, (job_id, attempt), grace_seconds)

    def close(self) -> None:
        """See Executor. Attempts that are killed by this are reported as exited; none is started any more."""
        if not self._is_closed:
            self._is_closed = True
            self._wait(self._close())
            self._end()

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nothing is done any more
            self._loop.call_soon_threadsafe(partial(function, *arguments))

    def _wait(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine)
        task.add_done_callback(_log_failure)
        return task

    def _start(self, works: Sequence[AttemptWork]) -> None:
        if self._is_closing:
            return
        for work in works:
            key = (work.job_id, work.attempt)
            attempt = ContainerAttempt(work, self._surroundings)
            task = self._spawn(attempt.run())
            self._attempts[key] = (attempt, task)
            task.add_done_callback(partial(self._forget, key))

    def _forget(self, key: tuple[str, int], _: asyncio.Task[None]) -> None:
        del self._attempts[key]

    def _stop(self, key: tuple[str, int], grace_seconds: float) -> None:
        if key in self._attempts:
            self._accompany(self._attempts[key][0].stop(grace_seconds))

    def _accompany(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._spawn(coroutine)
        self._companions.add(task)
        task.add_done_callback(self._companions.discard)

    async def _keep_engine(self) -> None:
        """Stay connected: a podman service, our own or the system's, ends after some seconds without anybody.

        One of our own that has ended all the same is started again.
        """
        pause_seconds = RETURN_SECONDS[0]
        while True:
            try:
                async with self._surroundings.engine.events() as events:
                    pause_seconds = RETURN_SECONDS[0]
                    async for _ in events:
                        pass
            except (EngineLostError, DockerApiError) as error:
                if pause_seconds == RETURN_SECONDS[0]:
                    _LOG.warning("the container engine is gone: %s", error)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, RETURN_SECONDS[1])
            if self._service is not None:
                try:
                    await asyncio.to_thread(self._service.revive)
                except EngineError:
                    _LOG.exception("a podman service could not be started again")

    async def _close(self) -> None:
        self._is_closing = True
        attempts = list(self._attempts.values())
        for attempt, task in attempts:
            if not attempt.is_running:
                task.cancel()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(attempt.kill() for attempt, _ in attempts))
                await asyncio.gather(*(task for _, task in attempts), return_exceptions=True)
        except TimeoutError:
            _LOG.warning("the container engine does not answer: what it still has is ended at the next start")
        companions = list(self._companions)
        for companion in companions:
            companion.cancel()
        await asyncio.gather(*companions, return_exceptions=True)
        self._outbox.send()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._service is not None:
            self._service.close()


async def _taken(api: DockerApi, token: str) -> tuple[ContainerEngine, list[tuple[str, int]]]:
    async with asyncio.timeout(CONNECT_SECONDS):
        engine = await ContainerEngine.connect(api)
        return engine, await _end_leftovers(engine, token)


async def _end_leftovers(engine: ContainerEngine, token: str) -> list[tuple[str, int]]:
    """Kill and remove what carries the token; which attempts that was."""
    label = f"{STATE_LABEL}={token}"
    found = await engine.containers_labelled(label)
    for container in found:
        await engine.remove(container)
    for volume in await engine.volumes_labelled(label):
        await engine.remove_volume(volume)
    return sorted((labels[JOB_LABEL], int(labels[ATTEMPT_LABEL])) for labels in found.values())


def _log_failure(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _LOG.error("a task failed", exc_info=error)
