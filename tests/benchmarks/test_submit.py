"""What the benchmark of submission is made of works; its figures are not for tests."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from benchmarks.counting_proxy import SUBMIT_JOB, CountingProxy
from benchmarks.submit import Sizes, run
from benchmarks.submit_graphs import Graph, barriers, chains, fan_in, fan_out, irregular
from benchmarks.submit_loop import Loop
from benchmarks.submit_watching import watch
from runner import workflow_file
from tests.runner.fake_batch import FakeBatch

GRAPHS = [fan_out(30), chains(10), irregular(40, width=8), fan_in(45)]


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it got."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        del format, args


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that echoes."""
    with HTTPServer(("127.0.0.1", 0), _Echo) as echo:
        thread = Thread(target=echo.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{echo.server_port}"
        echo.shutdown()
        thread.join()


def test_calls_are_counted_on_their_way(server: str) -> None:
    """By path, and SubmitJob with its times; the bytes are the server's."""
    with CountingProxy(server) as proxy:
        for path in (SUBMIT_JOB, SUBMIT_JOB, "/v1/describejobs", "/"):
            content = b"x" * 100_000
            with urllib.request.urlopen(urllib.request.Request(proxy.url + path, data=content)) as answer:
                assert answer.read() == content
        counted = proxy.take()
        assert (counted.submits, counted.total, counted.paths["other services"]) == (2, 4, 1)
        assert 0 < counted.milliseconds_a_submit < 60_000
        assert proxy.take().total == 0


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_a_graph_and_its_workflow_file_are_the_same(graph: Graph) -> None:
    """As many tasks, each with as many needs; those without wait for the gate."""
    gate = "00000000-0000-4000-8000-000000000001"
    declared = workflow_file.parse(graph.workflow(gate), "graph.yaml").graph()
    needed = sorted(len(declared.names_needed(number)) for number in range(len(declared)))
    assert needed == sorted(len(task.needs) for task in graph.tasks)
    assert {
        bool(declared.needs[number]) for number in range(len(declared)) if declared.group_of(number).task.after
    } == {False}
    assert all(max(task.needs, default=-1) < number for number, task in enumerate(graph.tasks))


def test_the_loop_joins_what_is_too_much_for_one_job() -> None:
    """45 jobs by three barriers."""
    batch = FakeBatch()
    loop = Loop(batch, {"jobQueue": "high", "jobDefinition": "barrier"})
    ids = [loop.submit(jobQueue="normal", jobDefinition="standin") for _ in range(45)]
    assert len(loop.joined(ids)) == 3
    assert len(batch.jobs) == 48
    assert barriers(45, 20) == 3
    assert barriers(10_000, 20) == 527
    assert barriers(20, 20) == 0


def test_planning_is_measured_in_a_process_of_its_own() -> None:
    """Time, memory, calls."""
    command = [sys.executable, "-m", "benchmarks.submit_planning", "20000"]
    took = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert took["calls"] == 2
    assert took["seconds"] > 0
    assert 0.01 < took["peak_gb"] < 10


def test_running_arrays_are_followed_on_a_clock_that_moves_by_sleep() -> None:
    """One call a look, for two arrays together."""
    watched = watch(2, seconds=30)
    assert 1 < watched.calls <= 30
    assert watched.seconds >= 30


@pytest.mark.slow
def test_all_of_it_runs() -> None:
    """Tiny, with the engines: loop, ours, engines, planning, watching."""
    sizes = Sizes(
        fan_out=30,
        chains=10,
        irregular=60,
        fan_in=25,
        rounds=1,
        engines_submit=4,
        engines_run=6,
        planned=1000,
        arrays=1,
        watched_seconds=10,
    )
    rows = {row.name: row for row in run(sizes)}
    assert rows["map of 30 and reduce: boto3 loop"].value > 0
    assert any("by redun" in name for name in rows)
    assert any("by snakemake" in name for name in rows)
