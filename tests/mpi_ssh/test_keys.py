"""Who gets into a job's nodes, and what can be done there: by real sshd's, with the keys of two jobs."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mpi_bringup import ssh
from mpi_bringup.keys import JobKeys, job_key
from mpi_bringup.report import Report

from tests.mpi_ssh import nodes

pytestmark = pytest.mark.sshd

THIS_JOB = JobKeys(job_key(b"secret", "this"), "this")
OTHER_JOB = JobKeys(job_key(b"secret", "other"), "other")
NODE = 1


class ServedNode:
    """A node with its sshd, and clients of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = f"127.0.{os.getpid() % 200 + 20}.9"
        self.ssh_directory = directory / "node" / "ssh"
        self.ssh_directory.mkdir(mode=0o700, parents=True)
        ssh.write_environment(
            {"PATH": os.environ["PATH"], "HOME": str(directory), "GREETING": 'it\'s "here" $0'},
            self.ssh_directory.parent / "environment",
        )
        server = ssh.SshServer(THIS_JOB, node=NODE, address=self.address, directory=self.ssh_directory)
        self.process, self.port = server.start({"PATH": os.environ["PATH"]})

    def client(self, keys: JobKeys, *, node: int = NODE) -> Path:
        """The remote shell of a main node with these keys, that takes this for the node with that index."""
        directory = self.directory / f"client-{len(list(self.directory.iterdir()))}"
        directory.mkdir(mode=0o700)
        ssh.write_remote_shell(directory)
        report = Report(node=node, attempt=1, address=self.address, cores=1, port=self.port)
        return ssh.write_client(keys, [report], directory)

    def run(self, shell: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What a remote shell that is called so does."""
        command = [str(shell), *arguments]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )

    @property
    def log(self) -> str:
        """Of sshd."""
        return (self.ssh_directory / "sshd.log").read_text(encoding="utf-8")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedNode]:
    """A node that is reached over ssh; skips where it cannot be."""
    why = nodes.missing()
    if why is not None:
        pytest.skip(why)
    node = ServedNode(tmp_path)
    yield node
    node.process.kill()
    node.process.wait()


def test_the_key_of_the_job_runs_a_command_in_the_environment_of_the_node(served: ServedNode) -> None:
    """sshd gives sessions nothing of its own environment; the node's is in a file that they read."""
    done = served.run(served.client(THIS_JOB), served.address, 'printf "%s" "$GREETING"; exit 3')
    assert (done.returncode, done.stdout) == (3, 'it\'s "here" $0'), done.stderr


def test_the_key_of_another_job_does_not_get_in(served: ServedNode) -> None:
    """Though both come from the same secret, and the host is the one it takes it for."""
    main = served.client(THIS_JOB)
    other = served.client(OTHER_JOB)
    other.with_name("known_hosts").write_bytes(main.with_name("known_hosts").read_bytes())
    done = served.run(other, served.address, "true")
    assert (done.returncode, done.stdout) == (255, "")
    assert "Permission denied (publickey)" in done.stderr


def test_a_node_with_the_host_key_of_another_job_is_not_talked_to(served: ServedNode) -> None:
    """Host keys are known before a node is met: no key is shown to another host."""
    main = served.client(THIS_JOB)
    main.with_name("known_hosts").write_bytes(served.client(OTHER_JOB).with_name("known_hosts").read_bytes())
    done = served.run(main, served.address, "true")
    assert (done.returncode, done.stdout) == (255, "")
    assert "Host key verification failed" in done.stderr


def test_a_node_that_is_at_the_address_of_another_is_not_talked_to(served: ServedNode) -> None:
    """Every node of the job has a host key of its own."""
    done = served.run(served.client(THIS_JOB, node=2), served.address, "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_a_host_that_the_job_does_not_have_is_not_talked_to(served: ServedNode) -> None:
    """Nothing is taken on trust at first sight."""
    done = served.run(
        served.client(THIS_JOB), "-p", str(served.port), "-o", f"HostName={served.address}", "else", "true"
    )
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


@pytest.mark.parametrize("user", ["nobody", "daemon", "sshd"])
def test_no_other_user_gets_in(served: ServedNode, user: str) -> None:
    """Whatever users the image has."""
    done = served.run(served.client(THIS_JOB), "-l", user, "-o", f"User={user}", served.address, "true")
    assert done.returncode == 255
    assert "Permission denied" in done.stderr


def test_passwords_are_not_asked_for(served: ServedNode) -> None:
    """A key is the one way in."""
    shell = served.client(THIS_JOB)
    done = served.run(
        shell, "-o", "IdentityFile=none", "-o", "PreferredAuthentications=password", served.address, "true"
    )
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_nothing_is_forwarded_from_a_client(served: ServedNode) -> None:
    """A node is no way to what it can reach, such as its own sshd."""
    shell = served.client(THIS_JOB)
    target = f"{served.address}:{served.port}"
    done = served.run(shell, "-o", "ClearAllForwardings=no", "-W", target, served.address)
    assert done.returncode == 255
    assert "SSH-2.0" not in done.stdout
    assert "stdio forwarding failed" in done.stderr


def test_nothing_is_forwarded_to_a_client(served: ServedNode) -> None:
    """Nor is the main node one to what that can reach."""
    shell = served.client(THIS_JOB)
    options = ["-o", "ClearAllForwardings=no", "-o", "ExitOnForwardFailure=yes", "-R", f"0:{served.address}:22"]
    assert served.run(shell, *options, served.address, "true").returncode == 255


def test_there_is_no_terminal_and_no_shell_without_a_command(served: ServedNode) -> None:
    """A launcher needs neither."""
    shell = served.client(THIS_JOB)
    assert served.run(shell, "-tt", served.address, "test -t 0").returncode != 0
    done = served.run(shell, served.address)
    assert (done.returncode, done.stdout) == (0, "")


def test_nothing_of_it_is_for_other_eyes(served: ServedNode) -> None:
    """Neither keys nor what names them; the directory is the user's alone, too."""
    shell = served.client(THIS_JOB)
    for directory in (served.ssh_directory, shell.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        for file in directory.iterdir():
            if file.name != "sshd.log":
                assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
                assert file.stat().st_uid == os.geteuid()


def test_keys_are_the_same_wherever_they_are_derived() -> None:
    """An example: what nodes with other versions of the image would have to agree on."""
    private, public = ssh.key_pair(THIS_JOB.user_seed, "mpi")
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert public == ssh.key_pair(JobKeys(job_key(b"secret", "this")).user_seed, "mpi")[1]
    seeds = {keys.user_seed for keys in (THIS_JOB, OTHER_JOB)} | {THIS_JOB.host_seed(node) for node in range(3)}
    assert len(seeds) == 5
