"""What only the container executor promises: a root of its own, the engine's limits, nothing left in the engine."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_batch.executors.marker import directory_token
from local_batch.executors.work import (
    AttemptWork,
    ContainerOptions,
    Device,
    Mount,
    NodeAddress,
    Tmpfs,
    Ulimit,
)
from tests.container_engine import CONTAINER_MARKS, TestEngine
from tests.local_batch.executors.workshop import Outcome, Workshop

pytestmark = list(CONTAINER_MARKS)

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


@pytest.fixture
def left_behind(tmp_path: Path, container_engine: TestEngine) -> Callable[[], list[str]]:
    """What the engine has of the workshop's: containers and volumes."""

    async def ask() -> list[str]:
        query = {"all": "1", "filters": json.dumps({"label": [f"local-batch.state={directory_token(tmp_path)}"]})}
        containers = await container_engine.api.call("GET", "/containers/json", query=query)
        volumes = await container_engine.api.call("GET", "/volumes", query=query)
        return [*(entry["Id"] for entry in containers), *(entry["Name"] for entry in volumes["Volumes"] or ())]

    return lambda: asyncio.run(ask())


def run(workshop: Workshop, script: str, options: ContainerOptions, **more: Any) -> Outcome:
    """Run a shell script in a container that is to be so."""
    return workshop.run_shell(script, options=options, **more)


def test_the_environment_is_the_images_the_works_and_the_engines(
    container_workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the server's leaks, least of all its keys."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    image = container_workshop.image('FROM base\nENV FROM_IMAGE="a b"\nCMD ["env"]\n')
    container_workshop.start(image, environment={"FROM_WORK": "c=d \u00e4"})
    variables = dict(text.split("=", 1) for text in container_workshop.end_of().texts)
    assert variables.pop("FROM_IMAGE") == "a b"
    assert variables.pop("FROM_WORK") == "c=d \u00e4"
    assert set(variables) <= {"PATH", "HOME", "HOSTNAME", "TERM", "container"}


def test_a_job_reaches_the_host_at_the_loopback_address(container_workshop: Workshop) -> None:
    """Where the local cloud answers."""

    class Greeting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello\n")

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Greeting) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        script = (
            "import urllib.request; "
            f"print(urllib.request.urlopen('http://127.0.0.1:{server.server_port}').read().decode(), end='')"
        )
        outcome = container_workshop.run_shell(f'python -c "{script}"')
        server.shutdown()
        serving.join()
    assert outcome.texts == ["hello"]


def test_nodes_have_addresses_and_host_names_of_their_own(container_workshop: Workshop) -> None:
    """Both listen on the same port, each on its address, and each knows its name."""
    program = (
        "import socket; s = socket.create_server((socket.gethostbyname(socket.gethostname()), 47613)); "
        "print(socket.gethostname(), s.getsockname()[0], flush=True); import time; time.sleep(600)"
    )
    nodes = [NodeAddress("127.0.0.2", "ip-127-0-0-2"), NodeAddress("127.0.0.3", "ip-127-0-0-3")]
    for index, node in enumerate(nodes):
        container_workshop.shell(f'exec python -c "{program}"', job_id=f"job#{index}", node=node)
    for index, node in enumerate(nodes):
        assert container_workshop.reporter.line_of(f"job#{index}", 1, node.host_name) == f" {node.address}"


def test_user_and_group_are_switched_to(container_workshop: Workshop) -> None:
    """By number, known to the image or not."""
    assert run(container_workshop, "id -u; id -g", ContainerOptions(user="1234:2345")).texts == ["1234", "2345"]


def test_an_unknown_user_cannot_be_switched_to(container_workshop: Workshop) -> None:
    """The engine's words."""
    failure = run(container_workshop, "id", ContainerOptions(user="nobody-knows")).start_failure
    assert failure is not None
    assert failure.startswith("CannotStartContainerError: ")
    assert "nobody-knows" in failure


def test_a_read_only_root_is_so_everywhere(container_workshop: Workshop) -> None:
    """Also where podman by itself would lay something writable over it; what is mounted stays writable."""
    options = ContainerOptions(read_only_root=True, tmpfs=(Tmpfs("/scratch", 1),))
    script = "for path in / /tmp/ /run/ /var/tmp/ /etc/ /scratch/; do touch ${path}x 2>/dev/null && echo $path; done"
    assert run(container_workshop, script, options).texts == ["/scratch/"]


def test_mounts_of_one_volume_share_an_empty_directory(
    container_workshop: Workshop, left_behind: Callable[[], list[str]]
) -> None:
    """It begins empty with every attempt, and is gone with it."""
    options = ContainerOptions(mounts=(Mount("/a", None, "scratch"), Mount("/b", None, "scratch", read_only=True)))
    script = "ls /a; echo content > /a/x; cat /b/x; touch /b/y 2>/dev/null || echo read-only"
    container_workshop.shell(script, options=options)
    assert container_workshop.end_of().texts == ["content", "read-only"]
    container_workshop.shell(script, attempt=2, options=options)
    assert container_workshop.end_of(attempt=2).texts == ["content", "read-only"]
    assert left_behind() == []


def test_a_directory_of_the_host_is_mounted_and_made_where_missing(
    container_workshop: Workshop, tmp_path: Path
) -> None:
    """As Docker makes it on AWS."""
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "x").write_text("of the host\n")
    mounts = (
        Mount("/in", str(tmp_path / "given"), "in", read_only=True),
        Mount("/out", str(tmp_path / "made" / "here"), "out"),
    )
    outcome = run(container_workshop, "cat /in/x > /out/y; touch /in/z", ContainerOptions(mounts=mounts))
    assert outcome.exit_code == 1
    assert (tmp_path / "made" / "here" / "y").read_text() == "of the host\n"


def test_a_directory_of_the_host_that_cannot_be_made_says_so(container_workshop: Workshop, tmp_path: Path) -> None:
    """The path and why."""
    (tmp_path / "file").touch()
    mount = Mount("/data", str(tmp_path / "file" / "below"), "data")
    failure = run(container_workshop, "true", ContainerOptions(mounts=(mount,))).start_failure
    assert failure is not None
    assert failure.startswith("CannotCreateContainerError: volumes: host.sourcePath is a directory")
    assert f"{tmp_path}/file/below" in failure


def test_file_systems_in_memory_have_the_size_asked_for(container_workshop: Workshop) -> None:
    """tmpfs with options, and /dev/shm."""
    options = ContainerOptions(tmpfs=(Tmpfs("/scratch", 7, ("noexec",)),), shared_memory_mib=5)
    script = (
        "df -m /scratch /dev/shm | awk '{print $2}'; printf '#!/bin/sh\\n' > /scratch/x; chmod 755 /scratch/x; "
        "/scratch/x 2>/dev/null || echo not executable"
    )
    assert run(container_workshop, script, options).texts[1:] == ["7", "5", "not executable"]


def test_limits_are_set(container_workshop: Workshop) -> None:
    """Those asked for, soft and hard; the engine's stay where nothing is asked."""
    options = ContainerOptions(ulimits=(Ulimit("nofile", 100, 200), Ulimit("core", 0, 0)))
    assert run(container_workshop, "ulimit -Sn; ulimit -Hn; ulimit -c", options).texts == ["100", "200", "0"]


def test_a_device_of_the_host_is_there(container_workshop: Workshop) -> None:
    """At the path asked for."""
    options = ContainerOptions(devices=(Device("/dev/full", "/dev/brimful", "rw"),))
    outcome = run(container_workshop, "echo x > /dev/brimful || echo full", options)
    assert "full" in outcome.texts


@pytest.mark.parametrize(("privileged", "expected"), [(True, "yes"), (False, "no")])
def test_privileges_are_given_where_asked_for(container_workshop: Workshop, privileged: bool, expected: str) -> None:
    """The bit of CAP_SYS_ADMIN, number 21."""
    script = "caps=0x$(grep CapEff /proc/self/status | cut -f2); [ $((caps >> 21 & 1)) = 1 ] && echo yes || echo no"
    assert run(container_workshop, script, ContainerOptions(privileged=privileged)).texts == [expected]


def test_with_init_the_job_is_not_the_first_process(container_workshop: Workshop) -> None:
    """Orphans are reaped, and SIGTERM ends a job that handles no signal."""
    container_workshop.shell("echo pid $$; sleep 600; true", options=ContainerOptions(init=True))
    assert int(container_workshop.reporter.line_of("job", 1, "pid ")) > 1
    container_workshop.executor.stop("job", 1, grace_seconds=600)
    assert container_workshop.end_of().exit_code == 143


def cgroup_file(name: str, *, version_2: str) -> str:
    """A shell script that prints a file of the job's own cgroup, of whichever version."""
    controller = name.partition(".")[0]
    return f"cat /sys/fs/cgroup/{controller}/{name} 2>/dev/null || cat /sys/fs/cgroup/{version_2}"


def test_memory_is_limited_and_swap_only_what_is_asked_for(container_workshop: Workshop) -> None:
    """256 MiB of memory, and 64 of swap on top."""
    limit = cgroup_file("memory.limit_in_bytes", version_2="memory.max")
    with_swap = cgroup_file("memory.memsw.limit_in_bytes", version_2="memory.swap.max")
    outcome = run(container_workshop, f"{limit}; {with_swap}", ContainerOptions(max_swap_mib=64), memory_mib=256)
    assert outcome.texts[0] == str(256 << 20)
    # Version 1 counts memory and swap together, version 2 swap alone.
    assert outcome.texts[1] in {str(320 << 20), str(64 << 20)}


@pytest.mark.parametrize(("hard", "expected"), [(True, {"100000", "100000 100000"}), (False, {"-1", "max 100000"})])
def test_vcpus_are_a_ceiling_where_they_are_to_be(container_workshop: Workshop, hard: bool, expected: set[str]) -> None:
    """Fargate's; on EC2 they are a share, and idle processors may be used."""
    script = cgroup_file("cpu.cfs_quota_us", version_2="cpu.max")
    image = container_workshop.image('FROM base\nENTRYPOINT ["/bin/sh", "-c"]\n', name="shell")
    work = AttemptWork("job", 1, image, (script,), {}, vcpus=1, memory_mib=64, hard_vcpus=hard)
    container_workshop.executor.start([work])
    assert container_workshop.end_of().texts[0] in expected


def test_a_share_is_1024_for_a_vcpu(container_workshop: Workshop) -> None:
    """The weight that the kernel sees; version 2 of cgroups counts otherwise."""
    outcome = run(container_workshop, cgroup_file("cpu.shares", version_2="cpu.weight"), ContainerOptions())
    assert outcome.texts[0] in {"1024", "39", "100"}


def test_nothing_of_a_job_outlives_its_first_process(
    container_workshop: Workshop, left_behind: Callable[[], list[str]]
) -> None:
    """What left its session too; and when the end is reported, all is gone from the engine."""
    nap = f"sleep {100_000 + os.getpid()}"
    outcome = container_workshop.run_shell(f"setsid {nap} & sleep 0.2; exit 5")
    assert outcome.exit_code == 5
    assert left_behind() == []
    running = [path for path in Path("/proc").glob("[0-9]*/cmdline") if nap.encode() in _content(path)]
    assert running == []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes().replace(b"\0", b" ")
    except OSError:
        return b""


def test_nothing_is_left_of_an_attempt_that_could_not_start(
    container_workshop: Workshop, left_behind: Callable[[], list[str]]
) -> None:
    """Neither container nor volume."""
    options = ContainerOptions(mounts=(Mount("/a", None, "scratch"),), user="nobody-knows")
    assert run(container_workshop, "true", options).calls == ["start_failed"]
    assert left_behind() == []


def test_close_leaves_nothing(container_workshop: Workshop, left_behind: Callable[[], list[str]]) -> None:
    """Of what runs, what is being started and what waits."""
    container_workshop.shell("echo ready; sleep 600")
    container_workshop.reporter.line_of("job", 1, "ready")
    for number in range(10):
        container_workshop.shell("sleep 600", job_id=f"job-{number}")
    container_workshop.executor.close()
    assert left_behind() == []
    assert container_workshop.end_of().exit_code == 137


def test_a_process_that_runs_out_of_memory_takes_the_container_with_it(container_workshop: Workshop) -> None:
    """Though the first process lives: AWS terminates the container."""
    outcome = container_workshop.run_shell(
        "python -c 'x = bytearray(300 << 20)'; echo went on; sleep 600", memory_mib=64
    )
    assert (outcome.exit_code, outcome.reason) == (137, OUT_OF_MEMORY)


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_who_is_killed_did_not_run_out_of_memory(container_workshop: Workshop, signal: str) -> None:
    """Exit code 137 alone is no reason."""
    container_workshop.shell("echo ready; sleep 600")
    container_workshop.reporter.line_of("job", 1, "ready")
    container_workshop.executor.stop("job", 1, grace_seconds=0 if signal == "KILL" else 0.5)
    assert (container_workshop.end_of().exit_code, container_workshop.end_of().reason) == (137, None)


def test_a_stop_does_not_overtake_its_start(container_workshop: Workshop) -> None:
    """However long the image takes to build."""
    container_workshop.shell("sleep 600")
    container_workshop.executor.stop("job", 1, grace_seconds=0)
    assert container_workshop.end_of().calls == ["started", "exited"]
    assert container_workshop.end_of().exit_code == 137


def test_running_containers_cost_no_thread_each(container_workshop: Workshop) -> None:
    """Twenty at once."""
    image = container_workshop.image('FROM base\nENTRYPOINT ["sh", "-c", "echo ready; sleep 600"]\n')
    before = threading.active_count()
    container_workshop.executor.start(
        [AttemptWork(f"job-{number}", 1, image, (), {}, vcpus=0.1, memory_mib=32) for number in range(20)]
    )
    for number in range(20):
        container_workshop.reporter.line_of(f"job-{number}", 1, "ready")
    # Reading and packing image folders may take a few, however many attempts there are.
    assert threading.active_count() <= before + 5
