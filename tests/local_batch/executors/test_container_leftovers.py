"""What a killed server leaves in the engine, and what becomes of jobs whose engine goes away."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from local_batch.executors import container, engine_patience
from local_batch.executors.container import ContainerExecutor
from local_batch.executors.docker_api import DockerApi
from local_batch.executors.engine_service import EngineService
from local_batch.executors.engine_socket import engine_socket
from local_batch.executors.errors import EngineError
from local_batch.executors.image_store import ImageStore
from tests.container_engine import CONTAINER_MARKS, TestEngine
from tests.local_batch.executors.conftest import container_executor
from tests.local_batch.executors.workshop import ContainerWorkshop, RecordingReporter, Workshop

pytestmark = list(CONTAINER_MARKS)

SERVER = """
import sys, os
from pathlib import Path
from local_batch.executors.container import ContainerExecutor
from local_batch.executors.image_store import ImageStore
from local_batch.executors.work import AttemptWork, ContainerOptions, Logged, Mount

class Printer:
    def report(self, reports):
        for report in reports:
            for line in report.lines if isinstance(report, Logged) else ():
                print(line.text, flush=True)

top, image, base = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
executor = ContainerExecutor(
    images=ImageStore(roots=[top / "containers"], store=top / "images"), state=top, reporter=Printer(),
    base_image=base, environment=os.environ,
)
options = ContainerOptions(mounts=(Mount("/scratch", None, "scratch"),))
executor.start([AttemptWork("job:1", 2, image, (), {}, vcpus=1, memory_mib=512, options=options)])
sys.stdin.read()
"""


def test_containers_of_a_server_that_was_killed_are_ended(
    container_workshop: Workshop, container_engine: TestEngine, tmp_path: Path
) -> None:
    """With their volumes, by the next that starts on the same directory, and by no other."""
    image = container_workshop.image('FROM base\nCMD ["sh", "-c", "trap : TERM; echo ready; sleep 600"]\n', name="left")
    state = tmp_path / "state"
    shutil.copytree(tmp_path / "containers", state / "containers")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(state), image, container_engine.base_image],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
        env=container_engine.environment,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        os.kill(server.pid, signal.SIGKILL)
    for directory, expected in ((tmp_path / "other", []), (state, [("job:1", 2)]), (state, [])):
        executor = container_executor(directory, RecordingReporter(), container_engine)
        assert executor.ended_leftovers == expected
        executor.close()


@pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman, to run a service of its own")
def test_jobs_whose_engine_is_lost_for_good_end_with_the_reason(
    container_engine: TestEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can say how they ended; what still runs is ended at the next start."""
    monkeypatch.setattr(engine_patience, "PAUSES_SECONDS", (0.01,))
    service = EngineService(tmp_path / "engine", os.environ)
    mortal = replace(container_engine, api=DockerApi(service.socket))
    reporter = RecordingReporter()
    executor = container_executor(tmp_path, reporter, mortal)
    workshop = ContainerWorkshop(tmp_path / "containers", executor, reporter, mortal.registry)
    workshop.shell("echo ready; sleep 600")
    reporter.line_of("job", 1, "ready")
    service.close()
    outcome = reporter.end_of("job", 1)
    assert outcome.exit_code == 255
    assert outcome.reason is not None
    assert outcome.reason.startswith("CannotInspectContainerError: Could not transition to inspecting: ")
    workshop.shell("true", attempt=2)
    failure = reporter.end_of("job", 2).start_failure
    assert failure is not None
    assert failure.startswith("CannotCreateContainerError: the container engine does not answer: ")
    executor.close()
    successor = container_executor(tmp_path, RecordingReporter(), container_engine)
    assert successor.ended_leftovers == [("job", 1)]
    successor.close()


@pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman, to run a service of its own")
def test_jobs_outlive_a_service_of_our_own_that_is_killed(container_engine: TestEngine, tmp_path: Path) -> None:
    """It is started again: what ran is followed to its end, what comes runs, and nothing is left."""
    if engine_socket({}) is not None:
        pytest.skip("an engine listens at a usual socket: no service of our own would be started")
    reporter = RecordingReporter()
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "CONTAINERS_CONF"}}
    executor = ContainerExecutor(
        images=ImageStore(roots=[tmp_path / "containers"], store=tmp_path / "images"),
        state=tmp_path,
        reporter=reporter,
        base_image=container_engine.base_image,
        environment=environment,
    )
    workshop = ContainerWorkshop(tmp_path / "containers", executor, reporter, container_engine.registry)
    workshop.shell("echo ready; sleep 3; exit 7")
    reporter.line_of("job", 1, "ready")
    service = executor._service
    assert service is not None
    assert service._process is not None
    service._process.kill()
    assert reporter.end_of("job", 1).exit_code == 7
    workshop.shell("echo again", attempt=2)
    assert reporter.end_of("job", 2).texts == ["again"]
    executor.close()
    assert not executor.socket.exists()
    successor = container_executor(tmp_path, RecordingReporter(), container_engine)
    assert successor.ended_leftovers == []
    successor.close()


def test_an_engine_that_hangs_holds_no_start_up_for_ever(
    container_engine: TestEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has its time, and then is told to need a restart."""
    monkeypatch.setattr(container, "CONNECT_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "s"))
        hanging.listen()
        engine = replace(container_engine, api=DockerApi(tmp_path / "s"))
        with pytest.raises(EngineError, match=r"/s answers within 0\.1 s, got nothing; restart it"):
            container_executor(tmp_path, RecordingReporter(), engine)


@pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman, to run a service of its own")
def test_a_service_of_our_own_is_ended_with_the_executor(container_engine: TestEngine, tmp_path: Path) -> None:
    """However long the state directory's name is: a socket's address has little room."""
    state = tmp_path / ("long" * 30)
    service = EngineService(state / "engine", os.environ)
    assert len(str(service.socket)) < 108
    api = DockerApi(service.socket)
    assert asyncio.run(api.call("GET", "/info"))["OSType"] == "linux"
    service.close()
    assert not service.socket.exists()
    assert list(state.glob("engine/*.sock")) == []
    assert (state / "engine" / "service.log").exists()


def test_an_engine_that_refuses_is_an_engine_error(container_engine: TestEngine, tmp_path: Path) -> None:
    """One sentence, with the socket."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 403 Forbidden\r\nContent-Length: 18\r\n\r\n{"message":"stop"}')
        await writer.drain()
        writer.close()

    async def play() -> None:
        async with await asyncio.start_unix_server(refuse, tmp_path / "s"):
            engine = replace(container_engine, api=DockerApi(tmp_path / "s"))
            await asyncio.to_thread(container_executor, tmp_path, RecordingReporter(), engine)

    with pytest.raises(EngineError, match=f"container executor: the engine at {tmp_path}/s is usable, got: stop"):
        asyncio.run(play())
