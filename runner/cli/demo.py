"""`hpc demo`: both kinds of work on a local cloud of its own, from nothing to results and back to nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import click

from local_batch import control
from runner.aws import AwsClients
from runner.cdk_app import CHECKOUT, CdkApp
from runner.cli.demo_hello import NODES, PROGRAM, RANKS_PER_NODE, check_hello
from runner.cli.deploy import bootstrap_once, cdk_app
from runner.cli.options import Context, common_options, pass_context
from runner.errors import HpcError
from runner.names import job_name
from runner.results import list_objects

WORKFLOW: Final = CHECKOUT / "examples" / "dopi.yaml"
FIRST: Final = "dopi"
EXTENSIONS: Final = ("dopisecond-a", "dopisecond-b")
PI_LINE: Final = re.compile(r"pi estimate: (3\.\d+) ")


class DemoError(HpcError):
    """The demo did not show what it promises; the text says what was expected and what was there."""


@dataclass
class Demo:
    """One performance. `home` holds its local cloud's state, its runs and its report; nothing else is touched."""

    home: Path
    say: Callable[[str], None]
    phases_seconds: dict[str, float] = field(default_factory=dict)

    def play(self) -> dict[str, Any]:
        """Deploy, run, check, take down; the outcome as a JSON document. Raises DemoError, or what a phase raises."""
        with self._phase("local cloud") as remark:
            endpoint = control.start(self.home / "local")
            remark(endpoint.endpoint)
        environment = {**control.client_environment(endpoint), "HPC_HOME": str(self.home)}
        here = Context(local=True)
        clients = here.connect()
        app = cdk_app(here, environment)
        try:
            self._deploy(app, endpoint, clients)
            outcome = self._run(environment)
            objects = self._check_objects(outcome, clients)
            estimates = self._show_logs(outcome, clients)
            hello = self._run_hello(environment)
        finally:
            with self._phase("take down") as remark:
                self._take_down(app, clients)
                remark("stacks destroyed, retained buckets deleted, local cloud stopped")
        return {
            "run": outcome["run"],
            "objects": objects,
            "pi_estimates": estimates,
            "hello": hello,
            "report": str(self._report),
            "phases_seconds": self.phases_seconds,
        }

    @property
    def _report(self) -> Path:
        return self.home / "report.html"

    def _deploy(self, app: CdkApp, endpoint: control.Endpoint, clients: AwsClients) -> None:
        with self._phase("synth") as remark:
            remark("three templates, cdk-nag clean" if app.synth() else "sources unchanged since the last one")
        with self._phase("bootstrap") as remark:
            remark("cdk bootstrap" if bootstrap_once(app, endpoint, clients) else "done by an earlier demo")
        with self._phase("deploy") as remark:
            stacks: list[str] = []
            app.deploy(stacks.append, confirm=False)
            remark("cdk deploy --all: " + ", ".join(stacks))

    def _run(self, environment: dict[str, str]) -> dict[str, Any]:
        """`hpc run`, as a user would: its progress is seen, its JSON document is read."""
        shown = "hpc run examples/dopi.yaml --local"
        self.say(f"\n$ {shown}")
        command = [
            sys.executable,
            "-m",
            "runner",
            "run",
            str(WORKFLOW),
            "--local",
            "--json",
            "--report",
            str(self._report),
        ]
        with self._phase("run") as remark:
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                raise DemoError(f"{shown}: ends with exit code 0, got {done.returncode}; its report is above")
            outcome: dict[str, Any] = json.loads(done.stdout)
            remark(f"{len(outcome['tasks'])} jobs {outcome['status']}")
        return outcome

    def _check_objects(self, outcome: dict[str, Any], clients: AwsClients) -> dict[str, str]:
        """Show what landed in S3; DemoError unless it is the three objects with the right content."""
        bucket, prefix = outcome["bucket"], outcome["prefix"]
        texts = {
            stored.key: clients.s3.get_object(Bucket=bucket, Key=stored.key)["Body"].read().decode()
            for stored in list_objects(clients.s3, bucket, prefix)
        }
        self.say(f"\nIn s3://{bucket}/{prefix}")
        for key, text in texts.items():
            self.say(f"  {key.removeprefix(prefix)}")
            for line in text.splitlines():
                self.say(f"    | {line}")
        check_objects({task["task"]: job_name(outcome["run"], task["task"]) for task in outcome["tasks"]}, texts)
        return texts

    def _show_logs(self, outcome: dict[str, Any], clients: AwsClients) -> dict[str, float]:
        """The estimates of pi that the jobs' logs hold, by task; DemoError where a log has none."""
        self.say("\nIn CloudWatch Logs")
        estimates: dict[str, float] = {}
        for task in outcome["tasks"]:
            events = clients.logs.get_log_events(
                logGroupName=task["log_group"], logStreamName=task["log_stream"], startFromHead=True
            )["events"]
            found = next((match for event in events if (match := PI_LINE.match(event["message"]))), None)
            if found is None:
                lines = [event["message"] for event in events]
                raise DemoError(f"log of {task['task']}: holds a line `pi estimate: …`, got {lines}")
            estimates[task["task"]] = float(found[1])
            self.say(f"  {task['task']:<14} {found.string}")
        self.say(f"\nReport: {self._report}")
        return estimates

    def _run_hello(self, environment: dict[str, str]) -> dict[str, int]:
        """`hpc mpi`, as a user would: what it prints is shown and checked."""
        arguments = ["mpi", "--local", "-n", str(NODES), "-p", str(RANKS_PER_NODE)]
        shown = f"hpc {' '.join(arguments)} {PROGRAM}"
        self.say(f"\n$ {shown}")
        command = [sys.executable, "-m", "runner", *arguments, str(CHECKOUT / PROGRAM)]
        with self._phase("mpi") as remark:
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
            self.say(done.stdout.rstrip())
            if done.returncode:
                raise DemoError(f"{shown}: ends with exit code 0, got {done.returncode}; its report is above")
            hello = check_hello(done.stdout.splitlines())
            remark(f"{hello['ranks']} ranks on {NODES} nodes, compiled there; their numbers sum to {hello['sum']}")
        self.say("")
        return hello

    def _take_down(self, app: CdkApp, clients: AwsClients) -> None:
        """Destroy the stacks, delete the buckets that they retain on purpose, stop the local cloud."""
        app.destroy(lambda _stack: None)
        for bucket in clients.s3.list_buckets()["Buckets"]:
            if not bucket["Name"].startswith("cdk-"):
                _delete_bucket(clients.s3, bucket["Name"])
        control.stop(self.home / "local")

    @contextmanager
    def _phase(self, name: str) -> Iterator[Callable[[str], None]]:
        """Time a phase and say in one line how it ended; the block is given a function to say it with."""
        remark = [""]
        started = time.monotonic()
        yield lambda text: remark.__setitem__(0, text)
        self.record(name, time.monotonic() - started, remark[0])

    def record(self, name: str, seconds: float, remark: str) -> None:
        """Note a phase's duration and say it."""
        self.phases_seconds[name] = round(seconds, 2)
        self.say(f"  {name:<12} {seconds:6.1f} s   {remark}")


def check_objects(job_names: dict[str, str], texts: dict[str, str]) -> None:
    """DemoError unless there is one object for each job, under its name, and the later two extend the first."""
    by_task = {
        task: [text for key, text in texts.items() if PurePosixPath(key).stem == job_name]
        for task, job_name in job_names.items()
    }
    if set(by_task) != {FIRST, *EXTENSIONS} or any(len(found) != 1 for found in by_task.values()) or len(texts) != 3:
        raise DemoError(f"results: one object for each of {sorted(job_names.values())}, got {sorted(texts)}")
    first = by_task[FIRST][0]
    if not PI_LINE.match(first):
        raise DemoError(f"results of {FIRST}: begin with `pi estimate: 3.…`, got {first!r}")
    for task in EXTENSIONS:
        text = by_task[task][0]
        if not text.startswith(first) or len(text) <= len(first):
            raise DemoError(f"results of {task}: extend those of {FIRST}, got {text!r}")


def _delete_bucket(s3: Any, name: str) -> None:
    """Empty a versioned bucket of the local cloud and delete it."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        for entry in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            s3.delete_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"])
    s3.delete_bucket(Bucket=name)


@click.command()
@click.option("--started-at", type=float, hidden=True, help="Seconds since the epoch when set-up began (make demo).")
@common_options
@pass_context
def demo(context: Context, *, started_at: float | None) -> None:
    """Both kinds of work on a local cloud of its own.

    Synth, bootstrap, deploy, a graph of three jobs, an MPI program on three nodes, and everything down again.

    Leaves a report in .hpc/demo. Exit code 0 only if the three objects are there with the right content and every rank
    said what it must.
    """
    began = time.time()
    home = (context.home / "demo").absolute()
    os.environ["HPC_HOME"] = str(home)
    os.environ.pop("HPC_LOCAL_STATE", None)
    context.say("Cloud HPC: a graph of jobs and an MPI program on a local AWS Batch, no account needed\n")
    performance = Demo(home, context.say)
    if started_at is not None:
        performance.record("set-up", began - started_at, "Python packages, Node, cdk, in this checkout")
    try:
        outcome = performance.play()
    except (control.LocalCloudError, control.StateDirectoryError) as error:
        raise HpcError(str(error)) from error
    total = time.time() - (started_at or began)
    context.say(f"  {'total':<12} {total:6.1f} s")
    context.emit({**outcome, "total_seconds": round(total, 2)}, text="")
