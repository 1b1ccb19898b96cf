"""Whole jobs on loopback: the bring-up as Batch would start it on each node, with a real MPI."""

from __future__ import annotations

import hashlib
import io
import signal
import tarfile
from pathlib import Path

import pytest

from tests.mpi_bringup.nodes import Nodes
from tests.mpi_bringup.object_server import running_object_server

pytestmark = pytest.mark.mpi

HELLO = b"""#include <mpi.h>
#include <stdio.h>
int main(int count, char **words) {
  int rank, size, sum = 0;
  MPI_Init(&count, &words);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  printf("rank %d of %d: %d, %s\\n", rank, size, sum, words[1]);
  return MPI_Finalize();
}
"""
SAYS_RANK = ("sh", "-c", 'echo "rank $PMI_RANK of $PMI_SIZE"')


def fails_on(rank: int, exit_code: int) -> tuple[str, ...]:
    """A program that ends with this exit code on one rank."""
    return ("sh", "-c", f'[ "$PMI_RANK" != {rank} ] || exit {exit_code}')


def test_one_node_needs_nothing_of_batch(tmp_path: Path) -> None:
    """Without any of its variables the program runs here, with as many ranks as asked for."""
    with Nodes(tmp_path, 1) as nodes:
        nodes.start("-p", "2", "--", *SAYS_RANK)
        assert nodes.exit_codes() == {0: 0}
        assert sorted(nodes.output(0).splitlines()) == ["node-0 | rank 0 of 2", "node-0 | rank 1 of 2"]
        assert nodes.processes_left() == []
        assert nodes.files_left() == []


def test_three_nodes_run_two_ranks_each(tmp_path: Path) -> None:
    """All output comes out at the main node, each line behind the name of its node, and every node ends with 0."""
    with Nodes(tmp_path, 3) as nodes:
        nodes.start("-p", "2", "--label", "rank", *SAYS_RANK)
        assert nodes.exit_codes() == {0: 0, 1: 0, 2: 0}
        assert sorted(nodes.output(0).splitlines()) == [
            f"node-{rank // 2} rank {rank} | rank {rank} of 6" for rank in range(6)
        ]
        assert [nodes.output(node) for node in (1, 2)] == ["", ""]
        assert all(line.startswith("mpi: ") for node in (1, 2) for line in nodes.errors(node).splitlines())
        assert nodes.processes_left() == []
        assert nodes.files_left() == []


def test_source_in_the_bucket_is_compiled_once_and_runs_everywhere(tmp_path: Path) -> None:
    """The other nodes get the program from the main one, not from the bucket."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        info = tarfile.TarInfo("code/hello.c")
        info.size = len(HELLO)
        opened.addfile(info, io.BytesIO(HELLO))
    key = f"programs/{hashlib.sha256(made.getvalue()).hexdigest()}.tar.gz"
    with running_object_server() as server, Nodes(tmp_path, 3, variables=server.environment) as nodes:
        server.objects[f"/code/{key}"] = made.getvalue()
        nodes.start("--bundle", f"s3://code/{key}", "-p", "2", "code/hello.c", "--", "-p")
        assert nodes.exit_codes() == {0: 0, 1: 0, 2: 0}
        assert sorted(nodes.output(0).splitlines()) == [
            f"node-{rank // 2} | rank {rank} of 6: 15, --" for rank in range(6)
        ]
        assert nodes.files_left() == []
        assert [request.method for request in server.requests] == ["GET"]


def test_results_of_the_main_node_are_kept(tmp_path: Path) -> None:
    """Those of a program that succeeded."""
    script = 'mkdir -p results; echo "$1" >results/out; exit "$1"'
    with running_object_server() as server:
        for exit_code in (0, 3):
            with Nodes(tmp_path / str(exit_code), 2, variables=server.environment) as nodes:
                kept = f"s3://kept/{exit_code}/"
                nodes.start("--results", kept, "--on-main", "sh", "-c", script, "sh", str(exit_code))
                assert nodes.exit_codes() == {0: exit_code, 1: exit_code}
        assert server.objects == {"/kept/0/out": b"0\n"}


@pytest.mark.parametrize("rank", [0, 3, 5])
def test_the_exit_code_of_a_rank_is_the_jobs(tmp_path: Path, rank: int) -> None:
    """Wherever the rank that fails runs, every node ends with its code."""
    with Nodes(tmp_path, 3) as nodes:
        nodes.start("-p", "2", *fails_on(rank, 7))
        assert nodes.exit_codes() == {0: 7, 1: 7, 2: 7}
        assert "the job ended with exit code 7" in nodes.errors(2)
        assert nodes.processes_left() == []


def test_the_main_node_may_be_any(tmp_path: Path) -> None:
    """Batch lets the submission say which one it is."""
    with Nodes(tmp_path, 3, main_node=1) as nodes:
        nodes.start("-p", "1", *SAYS_RANK)
        assert nodes.exit_codes() == {0: 0, 1: 0, 2: 0}
        assert sorted(nodes.output(1).splitlines()) == [f"node-{rank} | rank {rank} of 3" for rank in range(3)]


def test_a_job_script_runs_once_and_calls_mpirun_itself(tmp_path: Path) -> None:
    """Its mpirun needs no host file and no launcher, and its exit code is the job's."""
    with Nodes(tmp_path, 2) as nodes:
        nodes.start("-p", "1", "--on-main", "sh", "-c", 'wc -l <"$HPC_HOSTFILE"; mpirun -n 2 hostname; exit 5')
        assert nodes.exit_codes() == {0: 5, 1: 5}
        assert len(nodes.output(0).splitlines()) == 3


def test_sigterm_ends_the_program_on_all_nodes(tmp_path: Path) -> None:
    """Batch ends a job with SIGTERM to each node: 143, and nothing is left."""
    with Nodes(tmp_path, 2) as nodes:
        nodes.start("-p", "1", "sh", "-c", "echo up; sleep 60")
        nodes.wait_until(lambda: nodes.output(0).count("up") == 2)
        nodes.signal(0, signal.SIGTERM)
        assert nodes.exit_codes()[0] == 143
        assert nodes.processes_left() == []


def test_a_node_that_is_lost_ends_the_job_by_name(tmp_path: Path) -> None:
    """The others do not wait for it for ever, and the message says which it was."""
    with Nodes(tmp_path, 3) as nodes:
        nodes.start("-p", "1", "sh", "-c", "echo up; sleep 60")
        nodes.wait_until(lambda: nodes.output(0).count("up") == 3)
        nodes.kill(2)
        codes = nodes.exit_codes(30)
        assert codes[0] == codes[1] != 0
        assert "node-2" in nodes.errors(0)
        assert nodes.processes_left() == []


def test_a_node_with_another_secret_is_turned_away(tmp_path: Path) -> None:
    """It ends with 76 at once; the job ends when its join time is over, and says who called."""
    with Nodes(tmp_path, 2, variables_of_node={1: {"MPI_BRINGUP_SECRET": "another"}}) as nodes:
        nodes.start("--join-seconds", "3", *SAYS_RANK)
        assert nodes.exit_codes() == {0: 69, 1: 76}
        assert "without node-1" in nodes.errors(0)
        assert "does not know the key" in nodes.errors(0)


def test_a_node_of_an_earlier_attempt_is_turned_away(tmp_path: Path) -> None:
    """What is left of an attempt does not get into the next one."""
    of_node = {0: {"AWS_BATCH_JOB_ATTEMPT": "2"}, 1: {"AWS_BATCH_JOB_ATTEMPT": "1"}}
    with Nodes(tmp_path, 2, variables_of_node=of_node) as nodes:
        nodes.start("--join-seconds", "2", *SAYS_RANK)
        assert nodes.exit_codes() == {0: 69, 1: 76}
        assert "it is of attempt 1, this is attempt 2" in nodes.errors(1)


def test_a_node_that_never_comes_is_named(tmp_path: Path) -> None:
    """After the time to join, with the number that came."""
    with Nodes(tmp_path, 3) as nodes:
        nodes.start("--join-seconds", "1", *SAYS_RANK, nodes=[0, 1])
        assert nodes.exit_codes() == {0: 69, 1: 69}
        assert "2 of 3 nodes came within 1 s, without node-2" in nodes.errors(0)


def test_a_program_that_is_not_there_is_wrong_input(tmp_path: Path) -> None:
    """The main node says so and does not wait for the others, which Batch ends with it."""
    with Nodes(tmp_path, 2) as nodes:
        nodes.start("no-such-program", nodes=[0])
        assert nodes.exit_codes() == {0: 2}
        assert "no-such-program: is a file that was shipped, or a program of the image" in nodes.errors(0)


def test_wrong_options_end_with_2_before_anything(tmp_path: Path) -> None:
    """With one line that says how they are right."""
    with Nodes(tmp_path, 1) as nodes:
        nodes.start("-p", "0", "true")
        assert nodes.exit_codes() == {0: 2}
        assert nodes.errors(0).startswith("mpi: command: argument -p")
