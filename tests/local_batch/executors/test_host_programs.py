"""What processes find on this machine that is not their image's: programs before the PATH of the image."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local_batch.executors.host_programs import HostPrograms
from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import NodeAddress
from tests.local_batch.executors.workshop import ContainerWorkshop, RecordingReporter, Workshop

NODE = NodeAddress("127.0.0.9", "node-nine")
PYTHON_BIN = str(Path(sys.executable).parent)
OTHER_MPI = HostPrograms(PYTHON_BIN, "/opt/other/bin", "/opt/other/lib:/opt/other/lib64:")

Opener = Callable[[HostPrograms], Workshop]


@pytest.fixture
def workshop_with(tmp_path: Path) -> Iterator[Opener]:
    """Opens a workshop whose processes find certain programs."""
    with ExitStack() as opened:

        def open_one(programs: HostPrograms) -> Workshop:
            images = ImageStore(roots=[tmp_path / "containers"], store=tmp_path / "images")
            reporter = RecordingReporter()
            executor = ProcessExecutor(images=images, jobs_dir=tmp_path / "jobs", reporter=reporter, programs=programs)
            opened.callback(executor.close)
            return Workshop(tmp_path / "containers", executor, reporter)

        yield open_one


def test_another_mpi_comes_before_that_of_python(workshop_with: Opener) -> None:
    """And mpi4py is told where its library is."""
    outcome = workshop_with(OTHER_MPI).run_shell("echo $PATH; echo $MPI4PY_LIBMPI")
    assert outcome.texts[0].split(":")[:2] == ["/opt/other/bin", PYTHON_BIN]
    assert outcome.texts[1] == OTHER_MPI.mpi_libraries


def test_programs_of_the_image_come_before_those_of_the_machine(workshop_with: Opener) -> None:
    """The directories that the image put on its PATH, with files of its own."""
    workshop = workshop_with(OTHER_MPI)
    image = workshop.image(
        'FROM base\nCOPY tool /app/bin/tool\nENV PATH=/app/bin:$PATH\nENTRYPOINT ["/bin/sh", "-c"]\n',
        files={"tool": ""},
    )
    workshop.start(image, "echo $PATH; pwd")
    path, directory = workshop.end_of().texts
    assert path.split(":")[:3] == [f"{directory}/app/bin", "/opt/other/bin", PYTHON_BIN]


def test_the_mpi_beside_python_needs_nothing_said(process_workshop: Workshop) -> None:
    """One directory holds both, and mpi4py finds the library by itself."""
    outcome = process_workshop.run_shell("echo $PATH; echo ${MPI4PY_LIBMPI-unset}")
    assert outcome.texts[0].split(":")[0] == PYTHON_BIN
    assert outcome.texts[1] == "unset"


def test_only_nodes_that_are_processes_are_told_that_they_have_no_sshd(workshop: Workshop) -> None:
    """Containers and jobs that are no nodes are not: they have an sshd, or nothing to launch."""
    script = "echo ${MPI_LAUNCHER-unset}"
    workshop.shell(script, job_id="node", node=NODE)
    workshop.shell(script, job_id="single")
    expected = "unset" if isinstance(workshop, ContainerWorkshop) else "agent"
    assert workshop.end_of("node").texts == [expected]
    assert workshop.end_of("single").texts == ["unset"]
