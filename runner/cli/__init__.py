"""`hpc`: the command line, which alone chooses between AWS and the local cloud.

A command's module is imported when the command is called: help and completion wait for nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

import click

from runner.cli.options import common_options
from runner.errors import HpcError

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it."""

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "run": ("runner.cli.run:run", "Check a workflow, submit it and follow it to its end."),
        "mpi": ("runner.cli.mpi:mpi", "Run an MPI program on some nodes, as mpirun would."),
        "submit": ("runner.cli.submit:submit", "Submit an MPI program or a job script and leave."),
        "resume": ("runner.cli.resume:resume", "Submit what a run has not submitted yet, and follow it to its end."),
        "rerun": (
            "runner.cli.rerun:rerun",
            "Do a part of a run again, in the same run: under the same id, with results in the same place.",
        ),
        "status": ("runner.cli.status:status", "Where a run is: its tasks, their jobs, what went wrong."),
        "runs": ("runner.cli.runs:runs", "All runs that were submitted from this directory, newest first."),
        "logs": ("runner.cli.logs:logs", "What a task printed, attempt by attempt."),
        "results": (
            "runner.cli.results:results",
            "The objects that a run wrote under its prefix.",
        ),
        "report": (
            "runner.cli.report:report",
            "Write a run's report: one HTML page.",
        ),
        "import": ("runner.cli.import_workflow:import_workflow", "Make a workflow file of a WfFormat trace."),
        "export": ("runner.cli.export:export", "Write what a run did as a WfFormat trace."),
        "cancel": ("runner.cli.cancel:cancel", "End every job of a run that has not ended."),
        "stat": ("runner.cli.stat:stat", "The jobs that have not ended; with JOB, that job in detail."),
        "out": ("runner.cli.out:out", "What a job printed, or one node of it, or one child of an array."),
        "kill": ("runner.cli.kill:kill", "End jobs, in whatever state they are."),
        "queues": ("runner.cli.queues:queues", "The queues that jobs are submitted to."),
        "hosts": ("runner.cli.hosts:hosts", "Where jobs run now: instances, with or without a job, and Fargate tasks."),
        "config": (
            "runner.cli.config:config",
            "Print the settings by which another workflow engine uses what is deployed.",
        ),
        "login": ("runner.cli.login:login", "Open a shell on the head node, started where it is stopped."),
        "head-node": (
            "runner.cli.head_node:head_node",
            "The instance that people log in to, where the deployment has one.",
        ),
        "images": ("runner.cli.images:images", "Container images that a deployment needs in ECR."),
        "local": ("runner.cli.local:local", "The local cloud: AWS Batch on this machine."),
        "cost": (
            "runner.cli.cost:cost",
            "What the deployment costs at rest, resource by resource, from its templates.",
        ),
        "synth": ("runner.cli.deploy:synth", "Write the templates to cdk.out."),
        "deploy": (
            "runner.cli.deploy:deploy",
            "Synthesise and deploy every stack.",
        ),
        "demo": ("runner.cli.demo:demo", "Both kinds of work on a local cloud of its own."),
        "destroy": ("runner.cli.destroy:destroy", "Delete every stack."),
    }
)
"""Name -> where the command is, and what `hpc --help` says of it without importing it."""


class LazyGroup(click.Group):
    """Finds commands by COMMANDS, and tells the user's errors without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of COMMANDS: of use, not of the alphabet."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `hpc --help`."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what the user can act on becomes one text on stderr and an exit code."""
        try:
            return super().invoke(ctx)
        except HpcError as error:
            return _failed(ctx, error)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            return ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            explained = _explained(error)
            if explained is None:
                raise
            return _failed(ctx, explained)


def _failed(ctx: click.Context, error: HpcError) -> NoReturn:
    click.echo(f"hpc: {error}", err=True)
    ctx.exit(error.exit_code)


def _explained(error: Exception) -> HpcError | None:
    """The SDK's errors in our words. Only here is boto3 imported for it: without boto3 there are none."""
    if not type(error).__module__.startswith(("botocore.", "boto3.")):
        return None
    from runner.aws import explain  # noqa: PLC0415 - see above

    return explain(error)


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done; 1 a job failed, or AWS refused; 2 the input was wrong, nothing was submitted; "
    "130 interrupted. Data goes to stdout, talk to stderr. "
    "Runs are remembered in .hpc of the current directory (HPC_HOME moves it).",
)
@common_options
def hpc() -> None:
    """Scientific workflows on AWS Batch, or on a local cloud that plays it."""


def main() -> None:
    """The `hpc` command."""
    hpc.main(prog_name="hpc")
