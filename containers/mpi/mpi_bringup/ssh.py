"""sshd on this node, and how the main node's ssh finds and recognises the others.

Every key comes from the job's key. A node's host key is known before it is met, so that checking is strict; the user's
key opens this job's nodes alone. Nothing of it outlives the node's directory.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from mpi_bringup.keys import JobKeys
from mpi_bringup.node import NODE_VARIABLE
from mpi_bringup.report import Report, node_name

FIRST_PORT: Final = 2222
PORTS: Final = 10
"""Tried from the first on: another program of the node may have one."""

CONNECT_SECONDS: Final = 10
START_SECONDS: Final = 10.0
ALIVE_SECONDS: Final = 5
ALIVE_TIMES: Final = 4
"""Of silence until a connection is given up: longer than the control channel waits, which says what node is lost."""

_ROOT_JAIL: Final = Path("/run/sshd")


class SshError(Exception):
    """There is no sshd here, or none of the ports is free."""


class SshServer:
    """sshd, as this user."""

    def __init__(self, keys: JobKeys, *, node: int, address: str, directory: Path) -> None:
        """`directory` is for nobody else. Raises SshError."""
        self._directory = directory
        self._address = address
        self._sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", ""))
        if self._sshd is None:
            raise SshError("sshd: reaches a node from the main one, got none installed; install OpenSSH's server")
        host_key = directory / "host_key"
        private, _ = key_pair(keys.host_seed(node), node_name(node))
        write_private(host_key, private)
        _, public = key_pair(keys.user_seed, "mpi")
        write_private(directory / "authorized_keys", f"restrict {public}\n")
        write_remote_shell(directory)

    def start(self, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
        """The running sshd and its port; it has the variables that ranks have. Raises SshError."""
        if os.geteuid() == 0:
            # Of another sshd, where there is one: root's shuts unknown callers up in it.
            _ROOT_JAIL.mkdir(mode=0o755, exist_ok=True)
        for port in range(FIRST_PORT, FIRST_PORT + PORTS):
            config = self._directory / "sshd_config"
            write_private(config, self._config(port))
            log = self._directory / "sshd.log"
            with log.open("wb") as written:
                server = subprocess.Popen(
                    [str(self._sshd), "-D", "-e", "-f", str(config)],
                    stdin=subprocess.DEVNULL,
                    stdout=written,
                    stderr=written,
                    env=dict(environment),
                )
            if _is_listening(server, log):
                return server, port
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        ports = f"{FIRST_PORT} to {FIRST_PORT + PORTS - 1}"
        raise SshError(
            f"sshd: takes one of the ports {ports} of {self._address}, got none ({' '.join(said)}); free one"
        )

    def _config(self, port: int) -> str:
        directory = self._directory
        return (
            f"Port {port}\n"
            f"ListenAddress {self._address}\n"
            f"HostKey {directory}/host_key\n"
            f"AuthorizedKeysFile {directory}/authorized_keys\n"
            f"AllowUsers {user_name()}\n"
            "AuthenticationMethods publickey\n"
            "PubkeyAcceptedAlgorithms ssh-ed25519\n"
            "PermitRootLogin prohibit-password\n"
            "DisableForwarding yes\n"
            "PermitTTY no\n"
            "PermitUserEnvironment no\n"
            "PermitUserRC no\n"
            # It is the container's user, who can ask PAM nothing; and the directory lies in one that all may write to.
            "UsePAM no\n"
            "StrictModes no\n"
            "PidFile none\n"
            "PrintMotd no\n"
            "LogLevel INFO\n"
            "LoginGraceTime 20\n"
            f"ClientAliveInterval {ALIVE_SECONDS}\n"
            f"ClientAliveCountMax {ALIVE_TIMES}\n"
            "MaxStartups 1000\n"
            "MaxSessions 1000\n"
            # A session inherits nothing of its container's environment, and MPI's daemons, too, need it.
            f'ForceCommand . {directory.parent}/environment; eval "$SSH_ORIGINAL_COMMAND"\n'
            f"SetEnv {NODE_VARIABLE}={directory.parent}\n"
        )


def _is_listening(server: subprocess.Popen[bytes], log: Path) -> bool:
    """Whether it came up: it says so, or ends, or is ended for saying nothing."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        has_ended = server.poll() is not None
        if b"Server listening on" in log.read_bytes():
            return True
        if has_ended:
            return False
        time.sleep(0.005)
    server.kill()
    server.wait()
    return False


def key_pair(seed: bytes, comment: str) -> tuple[str, str]:
    """Private and public key of Ed25519 for a seed of 32 bytes, as OpenSSH's files hold them."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - agents need no keys of OpenSSH
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    key = Ed25519PrivateKey.from_private_bytes(seed)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} {comment}"


def write_remote_shell(directory: Path) -> None:
    """ssh as `write_client` sets it up; on every node, as Open MPI's daemons look for it though they start nothing."""
    shell = directory / "remote_shell"
    command = ["ssh", "-F", str(directory / "ssh_config")]
    shell.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    shell.chmod(0o700)


def write_client(keys: JobKeys, reports: Iterable[Report], directory: Path) -> Path:
    """What the main node's ssh needs for these nodes; a program that calls it."""
    private, _ = key_pair(keys.user_seed, "mpi")
    write_private(directory / "user_key", private)
    hosts, known = [], []
    for report in reports:
        known.append(f"{report.name} {key_pair(keys.host_seed(report.node), report.name)[1]}\n")
        hosts.append(f"Host {report.address}\n  HostKeyAlias {report.name}\n  Port {report.port}\n")
    write_private(directory / "known_hosts", "".join(known))
    write_private(directory / "ssh_config", "".join(hosts) + _client_config(directory))
    return directory / "remote_shell"


def _client_config(directory: Path) -> str:
    return (
        "Host *\n"
        f"  User {user_name()}\n"
        f"  IdentityFile {directory}/user_key\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {directory}/known_hosts\n"
        "  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n"
        "  BatchMode yes\n"
        f"  ConnectTimeout {CONNECT_SECONDS}\n"
        f"  ServerAliveInterval {ALIVE_SECONDS}\n"
        f"  ServerAliveCountMax {ALIVE_TIMES}\n"
        "  HostKeyAlgorithms ssh-ed25519\n"
        "  PreferredAuthentications publickey\n"
        "  IdentityAgent none\n"
        "  ClearAllForwardings yes\n"
        "  UpdateHostKeys no\n"
        "  LogLevel ERROR\n"
    )


def write_environment(environment: Mapping[str, str], file: Path) -> None:
    """The node's own variables, for what ssh starts, which inherits none; those that mpirun sets win."""
    always = {"HOME", "PATH", "TMPDIR", "LD_LIBRARY_PATH"}
    lines = [
        f"export {name}={shlex.quote(value)}\n"
        if name in always
        else f'[ -n "${{{name}+set}}" ] || export {name}={shlex.quote(value)}\n'
        for name, value in environment.items()
        if name.isidentifier() and name.isascii()
    ]
    write_private(file, "".join(lines))


def write_private(file: Path, text: str) -> None:
    """For this user's eyes alone, from the first byte on."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as written:
        written.write(text)


def user_name() -> str:
    """Of whoever runs this. Raises SshError where the container's user has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        text = f"user {os.geteuid()}: has an entry in /etc/passwd, as sshd wants, got none; use the image's own user"
        raise SshError(text) from None
