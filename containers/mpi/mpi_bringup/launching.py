"""mpirun, or the job script that calls it: started, read, ended."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mpi_bringup.flavour import Flavour, NoMpiError, Site, found_flavour
from mpi_bringup.loop import Loop
from mpi_bringup.node import NODE_VARIABLE, Node, interface_of
from mpi_bringup.outlet import STDERR, STDOUT, Outlet
from mpi_bringup.output import Label, MarkedOutput
from mpi_bringup.rank_ends import PIPE
from mpi_bringup.report import Report, node_name

ON_NODE: Final = (
    f'if [ -f "${NODE_VARIABLE}/environment" ]; then . "${NODE_VARIABLE}/environment"; fi; '
    f'cd "${NODE_VARIABLE}/work" || exit 126; "$@"; code=$?; '
    'if [ $code -ne 0 ]; then echo "${PMI_RANK:-${OMPI_COMM_WORLD_RANK:-0}} $code" '
    f'>> "${NODE_VARIABLE}/{PIPE}"; fi; exit $code'
)
"""What each rank begins with, in a shell on its own node: mpirun would start it where the main node is, and ssh
without the variables of its container. It stays until the program ends: see rank_ends.py."""

_EFA_DEVICES: Final = Path("/dev/infiniband")
HOST_FILE_VARIABLE: Final = "HPC_HOSTFILE"
_READ_BYTES: Final = 1 << 18
_LAST_OUTPUT_SECONDS: Final = 2.0
"""For what mpirun has left in its pipes: something that outlived it may hold them open."""


class Launcher:
    """One program under mpirun, or one job script."""

    def __init__(
        self,
        *,
        loop: Loop,
        outlet: Outlet,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        outputs: Mapping[int, MarkedOutput],
        on_end: Callable[[int], None],
    ) -> None:
        """Starts it; `outputs` are its standard output and error, by number. `on_end` is told its exit code."""
        self._loop = loop
        self._outlet = outlet
        self._outputs = outputs
        self._on_end = on_end
        self._exit_code: int | None = None
        self._is_stopped = False
        self._process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._open = {self._process.stdout.fileno(): STDOUT, self._process.stderr.fileno(): STDERR}
        for descriptor in self._open:
            os.set_blocking(descriptor, False)
            self._read_on(descriptor)
        loop.on_exit(self._process.pid, self._ended)

    def stop(self, *, is_hard: bool) -> None:
        """SIGTERM, or SIGKILL, to it and what it started here."""
        self._is_stopped = True
        # Where it has ended already, that is on its way to `on_end`.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL if is_hard else signal.SIGTERM)

    def _read_on(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._loop.on_readable(descriptor, lambda: self._read(descriptor))

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        stream = self._open[descriptor]
        if not data:
            self._outlet.write(stream, self._outputs[stream].end())
            self._close(descriptor)
            return
        self._outlet.write(stream, self._outputs[stream].feed(data))
        if self._outlet.is_full:
            self._loop.pause_reading(descriptor)
            self._outlet.on_room(lambda: self._read_on(descriptor))

    def _close(self, descriptor: int) -> None:
        self._loop.forget(descriptor)
        del self._open[descriptor]
        self._finish_if_done()

    def _ended(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self._process.returncode = exit_code  # the loop has waited for it
        self._finish_if_done()
        if self._open:
            self._loop.after(_LAST_OUTPUT_SECONDS, self._give_up_reading)

    def _give_up_reading(self) -> None:
        # Nothing is lost for a reader who is slow; one who has stopped, or a job that is to end, is not waited for.
        if self._outlet.is_full and not self._outlet.is_stuck and not self._is_stopped:
            self._loop.after(_LAST_OUTPUT_SECONDS, self._give_up_reading)
            return
        for descriptor, stream in list(self._open.items()):
            self._outlet.write(stream, self._outputs[stream].end())
            self._close(descriptor)

    def _finish_if_done(self) -> None:
        if self._exit_code is not None and not self._open:
            exit_code, self._exit_code = self._exit_code, None
            self._on_end(exit_code)


def site_of(node: Node, directory: Path, remote_shell: str = "") -> Site:
    """Where this node's mpirun starts ranks. Raises NodeError."""
    return Site(
        host_file=directory / "hostfile",
        address=node.address,
        remote_shell=remote_shell,
        network=interface_of(node.address),
        has_efa=_EFA_DEVICES.is_dir(),
    )


def rank_environment(environment: Mapping[str, str], node: Node, directory: Path) -> dict[str, str]:
    """What ranks on this node have: what the program is to have, and what this node's MPI needs. Raises NodeError."""
    given = {**environment, NODE_VARIABLE: str(directory)}
    try:
        flavour = found_flavour(environment.get("PATH", os.defpath), nonce="")
    except NoMpiError:
        return given  # Where the main node has none either, it says so.
    return {**given, **flavour.variables(site_of(node, directory))}


def placement(reports: Sequence[Report], ranks_per_node: int | None) -> list[tuple[str, int]]:
    """Address and number of ranks for each node: as many as asked for, or as it has cores."""
    return [(report.address, ranks_per_node or report.cores) for report in reports]


def node_of_rank(reports: Sequence[Report], ranks_per_node: int | None) -> list[str]:
    """The name of the node of each rank: mpirun fills one node after the other."""
    return [report.name for report in reports for _ in range(ranks_per_node or report.cores)]


def labels(kind: str, names: Sequence[str]) -> Label:
    """What stands before a rank's lines: `node`, `rank` or `none`; `names` are those of the ranks' nodes."""

    def label(rank: int) -> bytes:
        # A program may have started more ranks.
        node = names[rank] if rank < len(names) else node_name(0)
        return f"{node} | ".encode() if kind == "node" else f"{node} rank {rank} | ".encode()

    return (lambda _rank: b"") if kind == "none" else label


def rank_command(flavour: Flavour, site: Site, ranks: int, program: Sequence[str]) -> list[str]:
    """mpirun with everything."""
    return [*flavour.command(site, ranks), "/bin/sh", "-c", ON_NODE, "mpi-rank", *program]


def write_shims(flavour: Flavour, site: Site, directory: Path) -> None:
    """mpirun and mpiexec for a job script: they know the nodes already."""
    directory.mkdir(exist_ok=True)
    for name in ("mpirun", "mpiexec"):
        shim = directory / name
        shim.write_text(f'#!/bin/sh\nexec {shlex.join(flavour.shim(site))} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
