"""What makes a node reachable for mpirun: sshd, or the agent that stands in for it on one machine."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mpi_bringup.keys import JobKeys
from mpi_bringup.loop import Loop
from mpi_bringup.node import Node
from mpi_bringup.report import Report

LAUNCHER_VARIABLE = "MPI_LAUNCHER"
"""`ssh`, or `agent` where all nodes are processes of one user on one machine."""


class ServiceError(Exception):
    """A node cannot be made reachable; the text says why."""


class SshService:
    """sshd of this node, and ssh to the others."""

    def __init__(self, node: Node, keys: JobKeys, directory: Path) -> None:
        self._node = node
        self._keys = keys
        self._directory = directory / "ssh"
        self._server: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def start(self, loop: Loop, environment: Mapping[str, str], on_end: Callable[[str], None]) -> int:
        """Its port; `on_end` is told why, should it end. Raises ServiceError."""
        from mpi_bringup import ssh  # noqa: PLC0415 - nodes of one machine do without

        self._directory.mkdir(mode=0o700)
        ssh.write_environment(environment, self._directory.parent / "environment")
        try:
            server = ssh.SshServer(
                self._keys, node=self._node.index, address=self._node.address, directory=self._directory
            )
            self._server, port = server.start(environment)
        except ssh.SshError as error:
            raise ServiceError(str(error)) from error
        loop.on_exit(self._server.pid, lambda exit_code: self._ended(exit_code, on_end))
        return port

    def remote_shell(self, reports: Sequence[Report]) -> str:
        """A program that runs a command on one of these nodes."""
        from mpi_bringup import ssh  # noqa: PLC0415

        return str(ssh.write_client(self._keys, reports, self._directory))

    def variables(self) -> dict[str, str]:
        """What the remote shell needs in its environment."""
        return {}

    def close(self) -> None:
        """End it, and take its keys away."""
        self._is_closed = True
        if self._server is not None:
            # Popen.kill, and a Popen that nobody holds any more, may reap the process before the loop does.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._server.pid, signal.SIGKILL)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _ended(self, exit_code: int, on_end: Callable[[str], None]) -> None:
        self._server = None
        if not self._is_closed:
            on_end(f"its sshd ended with {exit_code}")


class AgentService:
    """The agent of this node, and the way to the others'."""

    def __init__(self, node: Node, keys: JobKeys, directory: Path) -> None:
        from mpi_bringup import agent  # noqa: PLC0415

        self._agent_module = agent
        self._node = node
        self._keys = keys
        self._directory = directory
        self._sockets = agent.socket_name(keys, node.attempt)
        self._agent: agent.Agent | None = None

    def start(self, loop: Loop, environment: Mapping[str, str], on_end: Callable[[str], None]) -> int:
        """0: it has no port. Raises ServiceError."""
        del on_end  # it is part of this process
        try:
            self._agent = self._agent_module.Agent(
                loop, self._keys, f"{self._sockets}{self._node.address}", environment
            )
        except OSError as error:
            raise ServiceError(f"agent at {self._node.address}: {error.strerror}; is the node there twice?") from error
        return 0

    def remote_shell(self, reports: Sequence[Report]) -> str:
        """A program that runs a command on one of the nodes."""
        del reports
        shell = self._directory / "remote_shell"
        # Without site packages and the user's settings: one is started for every node.
        program = [sys.executable, "-ISE", str(Path(__file__).with_name("remote_shell.py"))]
        shell.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n', encoding="utf-8")
        shell.chmod(0o755)
        return str(shell)

    def variables(self) -> dict[str, str]:
        """What the remote shell needs in its environment."""
        return {
            self._agent_module.KEY_VARIABLE: self._keys.user_seed.hex(),
            self._agent_module.SOCKET_VARIABLE: self._sockets,
        }

    def close(self) -> None:
        """End it, and what it runs."""
        if self._agent is not None:
            self._agent.close()


Service = SshService | AgentService


def service_of(node: Node, keys: JobKeys, directory: Path, environment: Mapping[str, str]) -> Service:
    """The one that the environment asks for; ssh where it does not say. Raises ServiceError."""
    kind = environment.get(LAUNCHER_VARIABLE, "ssh")
    if kind == "ssh":
        return SshService(node, keys, directory)
    if kind == "agent":
        return AgentService(node, keys, directory)
    raise ServiceError(f"{LAUNCHER_VARIABLE}: is ssh or agent, got {kind!r}; correct it")
