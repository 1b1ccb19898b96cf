"""A local cloud with our stacks and a queue for others' engines, seen through a proxy that counts, and two submitters.

Jobs that are only to be submitted wait for another one, the gate: it is in a queue whose compute environment is
disabled, so that nothing of a large graph ever runs beside the measurement.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.counting_proxy import Counted, CountingProxy
from benchmarks.submit_graphs import Graph
from deployment_outputs import DEFAULT_DEPLOYMENT
from local_batch import control
from runner import deployment
from tests.clients.cloud import Cloud, deploy
from tests.contract.service import clients, order

CHECKOUT = Path(__file__).resolve().parents[1]
VCPUS = 8
GATE = "gate"


@dataclass(frozen=True)
class Submitted:
    """What one submitter did with a graph."""

    seconds: float
    """From the start of its process to its end."""
    counted: Counted


@dataclass(frozen=True)
class SubmitCloud:
    """Peers send graphs to it, one after the other."""

    home: Path
    proxy: CountingProxy
    batch: Any
    """A client that is not counted."""
    engines: Cloud
    """As the engines see it: through the proxy."""
    deployed: deployment.Deployment
    gate: str

    def ours(self, graph: Graph, *options: str, is_held: bool = True) -> Submitted:
        """`hpc run FILE --local`: where the jobs are held it leaves after submission, else it follows them."""
        file = self.home / "graph.yaml"
        file.write_text(graph.workflow(self.gate if is_held else None), encoding="utf-8")
        detach = ["--detach"] if is_held else []
        return self._timed(["-m", "runner", "run", str(file), "--local", *detach, *options])

    def loop(self, graph: Graph) -> Submitted:
        """A loop around boto3's submit_job."""
        document = {
            "tasks": graph.tasks,
            "job": self._place("normal", "standin"),
            "barrier": self._place("high", "barrier"),
            "after": [self.gate],
        }
        return self._timed(["-m", "benchmarks.submit_loop"], json.dumps(document))

    def _place(self, queue: str, definition: str) -> dict[str, str]:
        return {"jobQueue": self.deployed.job_queue(queue), "jobDefinition": self.deployed.job_definition(definition)}

    def _timed(self, arguments: Sequence[str], text: str = "") -> Submitted:
        environment = {
            **control.client_environment(self.engines.endpoint),
            "HPC_HOME": str(self.home),
            "PYTHONPATH": str(CHECKOUT),
        }
        self.proxy.take()
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments],
            input=text,
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise AssertionError(
                f"{arguments} exits with 0, got {done.returncode}:\n{done.stdout[-2000:]}{done.stderr}"
            )
        return Submitted(seconds, self.proxy.take())


@contextmanager
def submit_cloud() -> Iterator[SubmitCloud]:
    """A deployed one; gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        home, state, images = (Path(name) / part for part in ("home", "state", "images"))
        for folder in (home, images):
            folder.mkdir()
        endpoint = control.start(state, images=[CHECKOUT / "containers", images], vcpus=VCPUS, memory_mib=1 << 17)
        try:
            _deploy_stacks(state, home)
            with CountingProxy(endpoint.endpoint) as proxy:
                through = replace(endpoint, endpoint=proxy.url)
                # What `hpc --local` reads: its local cloud is the proxy.
                (home / "local").mkdir()
                (home / "local" / "endpoint.json").write_text(
                    json.dumps({"endpoint": proxy.url, "region": endpoint.region}), encoding="utf-8"
                )
                engines = replace(deploy(endpoint, images), endpoint=through)
                deployed = _deployed(endpoint)
                yield SubmitCloud(home, proxy, engines.batch, engines, deployed, _gate(engines.batch, deployed))
        finally:
            control.stop(state)


def _deploy_stacks(state: Path, home: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "runner", "deploy", "--local"],
        cwd=CHECKOUT,
        env={**control.client_environment(_running(state)), "HPC_HOME": str(home), "HPC_LOCAL_STATE": str(state)},
        capture_output=True,
        check=True,
    )


def _running(state: Path) -> control.Endpoint:
    found = control.status(state)
    assert found is not None
    return found


def _deployed(endpoint: control.Endpoint) -> deployment.Deployment:
    (cloudformation,) = clients(endpoint, "cloudformation")
    return deployment.read(cloudformation, DEFAULT_DEPLOYMENT, is_local=True)


def _gate(batch: Any, deployed: deployment.Deployment) -> str:
    """A job that never runs, and with it all that wait for it."""
    batch.create_compute_environment(
        computeEnvironmentName=GATE,
        type="MANAGED",
        computeResources={"type": "FARGATE", "maxvCpus": 1, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]},
    )
    batch.create_job_queue(jobQueueName=GATE, priority=1, computeEnvironmentOrder=order([GATE]))
    # Batch makes none that is disabled from the beginning.
    batch.update_compute_environment(computeEnvironment=GATE, state="DISABLED")
    job = batch.submit_job(jobName=GATE, jobQueue=GATE, jobDefinition=deployed.job_definition("barrier"))
    return str(job["jobId"])
