"""Machines that are network namespaces on one bridge, each with processes, host name and temporary files of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mpi_ssh.nodes import Machine

NETWORK = "10.213.{block}."
"""Of private addresses; only this machine's bridge leads to them."""

SEEN_AS = "/var/tmp"
"""Where each machine has its own: the same on all, as in containers."""

_SETUP = 'hostname "$1"; mount --bind "$2" /var/tmp; mount -t tmpfs tmpfs /run; shift 2; exec "$@"'


def missing() -> str | None:
    """Why there can be none here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces on a bridge are root's to make"
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "no ip or unshare on this machine; install iproute2 and util-linux (toolchain/ssh_server.sh)"
    name = f"hpc-{uuid.uuid4().hex[:6]}"
    tried = _ip("netns", "add", name)
    if tried.returncode != 0:
        return f"ip netns add: {tried.stderr.strip()}"
    _ip("netns", "del", name)
    tried = _ip("link", "add", name, "type", "bridge")
    if tried.returncode != 0:
        return f"ip link add type bridge: {tried.stderr.strip()}"
    _ip("link", "del", name)
    return None


@dataclass(frozen=True)
class Network:
    """The machines and the links between them."""

    machines: tuple[Machine, ...]
    links: tuple[str, ...]

    def cut(self, index: int) -> None:
        """As a cable that is pulled: packets of this machine are lost without a word."""
        _must("link", "set", self.links[index], "down")


@contextmanager
def network(number: int, directory: Path) -> Iterator[Network]:
    """So many machines; they and everything in them end with the block, whatever happens in it."""
    tag = uuid.uuid4().hex[:6]
    bridge = f"br{tag}"
    prefix = NETWORK.format(block=int(tag[:2], 16))
    names = [f"hpc-{tag}-{index}" for index in range(number)]
    try:
        _must("link", "add", bridge, "type", "bridge")
        _must("link", "set", bridge, "up")
        for index, name in enumerate(names):
            _must("netns", "add", name)
            _must("link", "add", f"v{tag}-{index}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _must("link", "set", f"v{tag}-{index}", "master", bridge, "up")
            _must("-n", name, "address", "add", f"{prefix}{index + 10}/24", "dev", "eth0")
            for interface in ("eth0", "lo"):
                _must("-n", name, "link", "set", interface, "up")
        yield Network(
            tuple(_machine(name, f"{prefix}{index + 10}", directory) for index, name in enumerate(names)),
            tuple(f"v{tag}-{index}" for index in range(number)),
        )
    finally:
        for name in names:
            for pid in _ip("netns", "pids", name).stdout.split():
                subprocess.run(["kill", "-KILL", pid], check=False, capture_output=True)
            _ip("netns", "del", name)
        _ip("link", "del", bridge)


def processes(machine: Machine) -> list[str]:
    """Ids of what still runs there."""
    return _ip("netns", "pids", machine.enter[3]).stdout.split()


def kill_sshd(machine: Machine) -> None:
    """The one that listens, as its title says."""
    for pid in processes(machine):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"[listener]" in title:
            os.kill(int(pid), signal.SIGKILL)


def _machine(name: str, address: str, directory: Path) -> Machine:
    temporary = directory / name
    temporary.mkdir()
    enter = ("ip", "netns", "exec", name, "unshare", "--uts", "--mount", "--pid", "--fork", "--mount-proc")
    # The first process of its own process ids: what it leaves behind ends with it, as in a container.
    return Machine(
        address=address,
        enter=(*enter, "--kill-child=KILL", "sh", "-c", _SETUP, "sh", name, str(temporary)),
        temporary=temporary,
        seen_as=SEEN_AS,
    )


def _ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)


def _must(*arguments: str) -> None:
    done = _ip(*arguments)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
