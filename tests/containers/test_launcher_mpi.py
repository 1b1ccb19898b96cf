"""The nodes of an MPI job behind the launcher: told what to run by an object, and otherwise as without it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.containers.launched import packed, path_of, spilled
from tests.containers.program import CONTAINERS
from tests.containers.test_images import instructions
from tests.mpi_bringup.nodes import Nodes
from tests.mpi_bringup.object_server import ObjectServer, running_object_server

SAYS = 'env | grep -c -e HPC_CHILDREN -e MPI_BRINGUP_SECRET; echo "rank $PMI_RANK of $PMI_SIZE, $OWN"'


pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(
        shutil.which("mpiexec", path=str(Path(sys.executable).parent)) is None,
        reason="needs mpiexec: install an MPI (pip install mpich)",
    ),
]


class LaunchedNodes(Nodes):
    """Their first process is the image's entry point."""

    def _started(self, node: int, arguments: Iterable[str]) -> subprocess.Popen[bytes]:
        (self._home(node) / "tmp").mkdir(parents=True, exist_ok=True)
        entry = json.loads(instructions("mpi")[-1][1])
        here = {"python3": sys.executable}
        words = [here.get(word, word.replace("/opt/mpi", str(CONTAINERS / "mpi"))) for word in entry]
        with self._file(node, "stdout").open("wb") as stdout, self._file(node, "stderr").open("wb") as stderr:
            return subprocess.Popen(
                [*words, *arguments],
                env=self.environment(node),
                cwd=self._home(node),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )


@pytest.fixture
def server() -> Iterator[ObjectServer]:
    """One of its own."""
    with running_object_server() as running:
        yield running


def said(nodes: Nodes) -> list[str]:
    """Output of the main node, in order."""
    return sorted(line.partition(" | ")[2] for line in nodes.output(0).splitlines())


def test_a_job_of_several_nodes_runs_what_an_object_tells(tmp_path: Path, server: ObjectServer) -> None:
    """Each node fetches it once; ranks see neither it nor the stack's secret, but what the children say."""
    digest, content = packed([["-p", "1", "sh", "-c", SAYS], {"OWN": "of the child"}])
    server.objects[path_of(digest)] = content
    with LaunchedNodes(tmp_path, 2, variables={**server.environment, **spilled((0, digest))}) as nodes:
        nodes.start("-p", "1", "sh", "-c", "echo Batch's command")
        assert nodes.exit_codes() == {0: 0, 1: 0}, nodes.all_output(0)
        assert said(nodes) == ["0", "0", "rank 0 of 2, of the child", "rank 1 of 2, of the child"]
        assert nodes.processes_left() == []
    assert [request.target for request in server.requests] == [path_of(digest)] * 2


def test_a_job_without_children_is_as_before(tmp_path: Path) -> None:
    """Its words, its secret and its exit code pass through."""
    with LaunchedNodes(tmp_path, 2, variables={"OWN": "of the job"}) as nodes:
        nodes.start("-p", "1", "sh", "-c", f"{SAYS}; exit 7")
        assert nodes.exit_codes() == {0: 7, 1: 7}
        assert said(nodes) == ["0", "0", "rank 0 of 2, of the job", "rank 1 of 2, of the job"]
