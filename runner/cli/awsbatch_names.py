"""The commands of ParallelCluster's AWS Batch command line under their old names: `awsbstat` is `hpc stat`, and so on.

Whoever has them in fingers or scripts goes on; docs/awsbatch-commands.md says what is different.
"""

from __future__ import annotations

import sys

from runner.cli import hpc


def awsbsub() -> None:
    """`hpc submit`."""
    _run("submit")


def awsbstat() -> None:
    """`hpc stat`."""
    _run("stat")


def awsbout() -> None:
    """`hpc out`."""
    _run("out")


def awsbkill() -> None:
    """`hpc kill`."""
    _run("kill")


def awsbqueues() -> None:
    """`hpc queues`."""
    _run("queues")


def awsbhosts() -> None:
    """`hpc hosts`."""
    _run("hosts")


def _run(command: str) -> None:
    hpc.main([command, *sys.argv[1:]], prog_name="hpc")
