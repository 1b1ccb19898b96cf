"""The main workflow in containers: images built by an engine, jobs run by it, on a local cloud of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.cli.demo_hello import check_hello
from tests.container_engine import TestEngine, needs_engine
from tests.e2e.conftest import CHECKOUT, Shell
from tests.mpi_image.built import debian_base


@contextmanager
def cloud_of_containers(home: Path, engine: TestEngine, base_image: str) -> Iterator[Shell]:
    """A shell beside a local cloud that runs containers on this base and holds the deployed stacks."""
    opened = Shell(home)
    opened.hpc(
        *("local", "up", "--executor", "container", "--base-image", base_image),
        *("--vcpus", "8", "--memory-mib", "16384"),
    )
    opened.hpc("deploy", "--local")
    yield opened
    opened.hpc("local", "down", "--delete")
    engine.remove_images(".dkr.ecr.")


@pytest.fixture
def container_shell(tmp_path: Path, container_engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """On a base that is made of this machine's files."""
    monkeypatch.setenv("DOCKER_HOST", container_engine.environment["DOCKER_HOST"])
    with cloud_of_containers(tmp_path, container_engine, container_engine.base_image) as opened:
        yield opened


@needs_engine
@pytest.mark.slow
def test_the_main_workflow_runs_in_containers(container_shell: Shell) -> None:
    """Its images with what pip installs into them; three jobs, their results in the bucket, and what they printed."""
    outcome = container_shell.json("run", str(CHECKOUT / "examples" / "dopi.yaml"), "--local")
    assert outcome["status"] == "SUCCEEDED"
    results = container_shell.json("results", outcome["run"], "--local")
    assert len(results["objects"]) == 3
    assert "pi estimate: 3." in container_shell.hpc("logs", outcome["run"], "dopi", "--local").stdout


@pytest.fixture
def mpi_shell(tmp_path: Path, container_engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """On a Debian, which the image of MPI jobs installs its packages in."""
    monkeypatch.setenv("DOCKER_HOST", container_engine.environment["DOCKER_HOST"])
    with cloud_of_containers(tmp_path, container_engine, debian_base(container_engine)) as opened:
        yield opened


@needs_engine
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mpi_runs_in_containers_of_its_image(mpi_shell: Shell) -> None:
    """With its own Open MPI over its own sshd's, compiled in the container, the program's exit code at the end."""
    done = mpi_shell.hpc("mpi", "--local", "-n", "3", "-p", "2", "mpi/hello.c", seconds=600.0)
    assert check_hello(done.stdout.splitlines()) == {"ranks": 6, "sum": 15}
    assert "Open MPI: node-0" in done.stderr
    failed = mpi_shell.hpc("mpi", "--local", "-n", "2", "-p", "1", "mpi/hello.c", "--exit-rank", "1", "9", code=9)
    assert "exit code 9" in failed.stderr
