"""Workflow engines that submit the same graphs to the same cloud, each with its own AWS Batch back end.

An engine sends a task when those before it have ended, so that only what needs nothing can be measured by submission
alone. Everything else runs, with tasks that do nothing but start: what an engine has to start in a container, Python
and itself, is part of what a task of it costs. An engine's own start is taken off, measured with one task.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.counting_proxy import Counted
from benchmarks.submit_cloud import SubmitCloud
from benchmarks.submit_graphs import Graph
from tests.clients.cloud import BUCKET, Shell
from tests.clients.virtual_environment import pip, requirements, virtual_environment

QUEUE = ENVIRONMENT = "ec2"
PATIENCE_SECONDS = 300.0
ENDING_SECONDS = 10.0

REDUN_WORKFLOW = """
import json

from redun import task

redun_namespace = "bench"

@task(executor="batch")
def no_op(number: int, needed: list) -> int:
    return number

@task()
def main(graph: str) -> list:
    made = []
    for number, needs in enumerate(json.loads(graph)):
        made.append(no_op(number, [made[one] for one in needs]))
    return made
"""
REDUN_SETTINGS = """
[backend]
db_uri = sqlite:///redun.db

[executors.batch]
type = aws_batch
image = {image}
queue = {queue}
s3_scratch = s3://{bucket}/redun
role = {role}
memory = 1
job_name_prefix = {name}
job_monitor_interval = 0.2
"""
SNAKEFILE = """
GRAPH = {graph}

rule all:
    input:
        expand("done/{{number}}", number=range(len(GRAPH)))

rule no_op:
    input:
        lambda wildcards: [f"done/{{one}}" for one in GRAPH[int(wildcards.number)]]
    output:
        "done/{{number}}"
    shell:
        "echo done > {{output}}"
"""

Command = Callable[[Sequence[Sequence[int]]], tuple[Shell, Sequence[str]]]
"""Where an engine is told to run a graph, given as what each task needs, and the command for it."""


@dataclass
class Engine:
    """One engine on a cloud."""

    name: str
    cloud: SubmitCloud
    command: Command
    job_name: Callable[[Shell], str]
    """How the names of its jobs begin."""
    _held_start: float | None = field(default=None, init=False)
    _run_start: float | None = field(default=None, init=False)

    def submit(self, count: int) -> tuple[float, Counted]:
        """Seconds that so many tasks take to be submitted without need of each other, and the calls for it."""
        if self._held_start is None:
            self._held_start = self._held(1)[0]
        seconds, counted = self._held(count)
        return max(seconds - self._held_start, 1e-3), counted

    def run(self, graph: Graph) -> tuple[float, Counted]:
        """Seconds that a graph takes from start to end, and the calls for it."""
        if self._run_start is None:
            self._run_start = self._run([()])[0]
        seconds, counted = self._run([task.needs for task in graph.tasks])
        return max(seconds - self._run_start, 1e-3), counted

    def _run(self, needs: Sequence[Sequence[int]]) -> tuple[float, Counted]:
        shell, command = self.command(needs)
        self.cloud.proxy.take()
        began = time.perf_counter()
        shell.run(*command)
        return time.perf_counter() - began, self.cloud.proxy.take()

    def _held(self, count: int) -> tuple[float, Counted]:
        """Its jobs wait in a queue without capacity until all are there, and are ended then."""
        shell, command = self.command([()] * count)
        batch = self.cloud.batch
        batch.update_compute_environment(computeEnvironment=ENVIRONMENT, state="DISABLED")
        self.cloud.proxy.take()
        began, began_ms = time.perf_counter(), time.time() * 1000
        process = shell.start(*command)
        try:
            jobs: dict[str, int] = {}
            while sum(jobs.values()) < count:
                if process.poll() is not None or time.perf_counter() - began > PATIENCE_SECONDS:
                    process.kill()
                    raise AssertionError(f"{self.name}: submits {count} jobs, got {jobs}:\n{process.communicate()[0]}")
                time.sleep(0.1)
                jobs = self._jobs(self.job_name(shell), began_ms)
            counted = self.cloud.proxy.take()
        finally:
            _end(process)
            for job in self._jobs(self.job_name(shell), began_ms):
                batch.terminate_job(jobId=job, reason="measured")
            batch.update_compute_environment(computeEnvironment=ENVIRONMENT, state="ENABLED")
        return counted.last_submit_at - began, counted

    def _jobs(self, name: str, since_ms: float) -> dict[str, int]:
        """By id, how many tasks the jobs carry out that were made since then."""
        named = [{"name": "JOB_NAME", "values": [f"{name}*"]}]
        listed = self.cloud.batch.list_jobs(jobQueue=QUEUE, filters=named, maxResults=1000)["jobSummaryList"]
        new = [job for job in listed if job["createdAt"] >= since_ms]
        return {job["jobId"]: job.get("arrayProperties", {}).get("size", 1) for job in new}


def engines(cloud: SubmitCloud) -> list[Engine]:
    """Those that can be told any graph."""
    return [
        Engine("redun", cloud, lambda needs: _redun(cloud, needs), lambda shell: shell.directory.name),
        Engine("snakemake", cloud, lambda needs: _snakemake(cloud, needs), lambda _: "snakejob-"),
    ]


def _redun(cloud: SubmitCloud, needs: Sequence[Sequence[int]]) -> tuple[Shell, Sequence[str]]:
    shell = Shell(cloud.engines, virtual_environment("redun"), _directory(cloud, "redun"))
    image = cloud.engines.engine_image("redun", {"redun": shell.client, "aws": virtual_environment("awscli")})
    (shell.directory / "workflow.py").write_text(REDUN_WORKFLOW, encoding="utf-8")
    (shell.directory / ".redun").mkdir()
    settings = REDUN_SETTINGS.format(
        image=image, queue=QUEUE, bucket=BUCKET, role=cloud.engines.role, name=shell.directory.name
    )
    (shell.directory / ".redun" / "redun.ini").write_text(settings, encoding="utf-8")
    return shell, ("redun", "run", "workflow.py", "main", "--graph", json.dumps(needs))


def _snakemake(cloud: SubmitCloud, needs: Sequence[Sequence[int]]) -> tuple[Shell, Sequence[str]]:
    shell = Shell(cloud.engines, virtual_environment("snakemake"), _directory(cloud, "snakemake"))
    wheels = cloud.engines.images / "snakemake" / "wheels"
    if not wheels.is_dir():
        pins = str(requirements("snakemake"))
        download = ("download", "--no-deps", "--constraint", pins, "--dest", str(wheels), "snakemake-storage-plugin-s3")
        pip(shell.client.directory, *download)
    image = cloud.engines.engine_image("snakemake", {"python": shell.client, "pip": shell.client})
    text = SNAKEFILE.format(graph=json.dumps(needs))
    (shell.directory / "Snakefile").write_text(text, encoding="utf-8")
    return shell, (
        *(
            "snakemake",
            "--jobs",
            str(len(needs)),
            "--max-jobs-per-timespan",
            "1000/1s",
            "--seconds-between-status-checks",
        ),
        *("1", "--executor", "aws-batch", "--aws-batch-region", cloud.engines.endpoint.region),
        *("--aws-batch-job-queue", QUEUE, "--aws-batch-job-role", cloud.engines.role, "--container-image", image),
        *("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}/{shell.directory.name}"),
    )


def _directory(cloud: SubmitCloud, engine: str) -> Path:
    """A new one."""
    number = len(list(cloud.home.glob(f"{engine}-*")))
    made = cloud.home / f"{engine}-{number}"
    made.mkdir()
    return made


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
