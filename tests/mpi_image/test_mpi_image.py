"""The image of MPI jobs, built, and jobs of three of its containers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from local_batch.executors.docker_api import DockerApiError
from tests.container_engine import CONTAINER_MARKS, TestEngine
from tests.mpi_image.built import BuiltImage, ContainerJob, built_image, greetings

pytestmark = [*CONTAINER_MARKS, pytest.mark.slow, pytest.mark.timeout(900)]

SUM = """
import os, sys
from mpi4py import MPI
world = MPI.COMM_WORLD
node = os.environ["AWS_BATCH_JOB_NODE_INDEX"]
print(f"{world.rank} of {world.size} on {node}, sum {world.allreduce(world.rank)}", flush=True)
sys.exit(7 if sys.argv[1:] == [str(world.rank)] else 0)
"""
STEPS = """
import time
from mpi4py import MPI
for step in range(10000):
    MPI.COMM_WORLD.barrier()
    if step == 0 and MPI.COMM_WORLD.rank == 0:
        print("stepping", flush=True)
    time.sleep(0.02)
"""
COMPILED = """
printf '#include <mpi.h>\\nint main(void) { MPI_Init(0, 0); return MPI_Finalize(); }\\n' > a.c
mpicc a.c -o a && printf 'program a\\nuse mpi\\ninteger e\\ncall MPI_Init(e)\\ncall MPI_Finalize(e)\\nend\\n' > b.f90
mpifort b.f90 -o b && cp a.c c.cpp && mpicxx c.cpp -o c && make --version && mpirun -n 1 ./a && mpirun -n 1 ./b
"""
EXPECTED = [f"node-{rank // 2} rank {rank} | {rank} of 6 on {rank // 2}, sum 15" for rank in range(6)]

JobMaker = Callable[..., ContainerJob]


@pytest.fixture(scope="module")
def image(container_engine: TestEngine) -> BuiltImage:
    """Built on a Debian made for it."""
    return built_image(container_engine)


@pytest.fixture
def make_job(image: BuiltImage) -> Iterator[JobMaker]:
    """Jobs whose containers are removed after the test."""
    jobs: list[ContainerJob] = []

    def make(**options: object) -> ContainerJob:
        jobs.append(ContainerJob(image, **options))  # type: ignore[arg-type]
        return jobs[-1]

    yield make
    for job in jobs:
        job.close()


@pytest.fixture(params=["host", "own"])
def network(request: pytest.FixtureRequest, image: BuiltImage) -> Iterator[str]:
    """The machine's, with loopback addresses, and one of the job's own; skips where the engine can make none."""
    if request.param == "host":
        yield "host"
        return
    name = f"mpi-{uuid.uuid4().hex[:8]}"
    image.call("POST", "/networks/create", body={"Name": name})
    try:
        probe = {"Entrypoint": ["true"], "HostConfig": {"NetworkMode": name}}
        image.end_of(image.create(probe))
        yield name
    except DockerApiError as error:
        pytest.skip(f"containers have no network of their own here: {error}")
    finally:
        image.call("DELETE", f"/networks/{name}", {"force": "1"})


def test_ranks_of_three_containers_add_up(network: str, make_job: JobMaker) -> None:
    """Over ssh between containers that share nothing, as the image's own user."""
    job = make_job(network=network)
    job.start("-p", "2", "--label", "rank", "python3", "-c", SUM)
    nodes = job.end()
    assert [node.exit_code for node in nodes] == [0, 0, 0], nodes[0].log
    assert greetings(nodes[0].log.splitlines()) == EXPECTED


def test_the_exit_code_of_a_rank_is_that_of_every_node(make_job: JobMaker) -> None:
    """Of one that is not on the main node."""
    job = make_job()
    job.start("-p", "2", "python3", "-c", SUM, "5")
    assert [node.exit_code for node in job.end()] == [7, 7, 7]


def test_a_container_that_is_killed_fails_the_job(network: str, make_job: JobMaker) -> None:
    """With its name, whatever mpirun makes of it."""
    job = make_job(network=network)
    job.start("-p", "2", "python3", "-c", STEPS)
    job.await_line("stepping")
    job.kill(1)
    nodes = job.end()
    assert nodes[0].exit_code not in {0, 137}
    assert nodes[2].exit_code == nodes[0].exit_code
    assert "mpi: node-1 (" in nodes[0].log


def test_a_container_with_another_secret_is_turned_away(make_job: JobMaker) -> None:
    """The job ends at the deadline for joining, without it."""
    job = make_job(join_seconds=5.0)
    job.start("true", secrets={2: "a secret of another stack"})
    nodes = job.end()
    assert [node.exit_code for node in nodes] == [69, 69, 76]
    assert "without node-2" in nodes[0].log


def test_everything_that_jobs_are_built_with_is_there(image: BuiltImage) -> None:
    """C, C++ and Fortran, and make; the result runs."""
    ended = image.run("sh", "-ec", COMPILED)
    assert ended.exit_code == 0, ended.log


def test_no_key_is_in_the_image(image: BuiltImage) -> None:
    """The package makes host keys when it is installed: every container of the world would have them."""
    search = "find / -xdev \\( -name 'ssh_host_*' -o -name 'id_*' -o -name authorized_keys -o -name known_hosts \\)"
    ended = image.run("sh", "-c", f"{search} -not -path '/usr/*' 2>/dev/null; id -u")
    assert ended.log.split() == ["10001"]


def test_the_program_is_not_its_users_to_change(image: BuiltImage) -> None:
    """A job could else leave something for what runs beside it; and it starts from bytecode."""
    ended = image.run("sh", "-c", "find /opt/mpi -writable; ls /opt/mpi/mpi_bringup/__pycache__ | grep -c pyc")
    writable = ended.log.split()
    assert len(writable) == 1
    assert int(writable[0]) > 20
