"""`hpc login` and `hpc head-node`: the instance is started, waited for, told and stopped; what it is set up with."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.errors import HpcError, InputError
from runner.head_node import START_SECONDS, Waiting, pack_checkout, start, wheels_command
from tests.runner.fake_batch import client_error
from tests.runner.fake_head_node import INSTANCE, FakeClientsWithHeadNode, FakeHeadNode
from tests.runner.shell import Shell

CHECKOUT = Path(__file__).resolve().parents[2]
BUNDLE = "builds/head-node/cloud-hpc.tar.gz"

MakeShell = Callable[[FakeHeadNode], Shell]


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0
        self.said: list[str] = []

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.time += seconds

    @property
    def waiting(self) -> Waiting:
        """Waiting by this clock."""
        return Waiting(now=lambda: self.time, sleep=self.sleep, say=self.said.append)


@pytest.fixture
def shell_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeShell:
    """A user's shell and a deployment with that head node; waiting takes no time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return lambda node: Shell(FakeClientsWithHeadNode(node), tmp_path / ".hpc")


def test_a_stopped_instance_is_started_once_and_waited_for_until_its_agent_answers() -> None:
    """Each state is told once; what the agent said before it was stopped does not count."""
    node, clock = FakeHeadNode("stopped", looks_until_online=3), Clock()
    reached = start(node, node, INSTANCE, clock.waiting)
    assert (reached.state, reached.is_online, node.calls) == ("running", True, ["start"])
    assert clock.said == [
        f"{INSTANCE}: is stopped, starting it",
        f"{INSTANCE}: is pending, starting it",
        f"{INSTANCE}: waiting for Session Manager",
    ]


def test_one_that_is_just_stopping_is_started_when_it_has_stopped() -> None:
    """EC2 refuses to start it before."""
    node, clock = FakeHeadNode("stopping"), Clock()
    assert start(node, node, INSTANCE, clock.waiting).is_online
    assert node.calls == ["start"]


def test_one_that_session_manager_reaches_is_left_alone() -> None:
    """No call that changes anything, nothing waited for."""
    node, clock = FakeHeadNode("running", looks_until_online=0), Clock()
    assert start(node, node, INSTANCE, clock.waiting).is_online
    assert (node.calls, clock.time, clock.said) == ([], 0, [])


def test_an_agent_that_never_answers_is_given_up_with_where_to_look() -> None:
    """After five minutes."""
    node, clock = FakeHeadNode("running", looks_until_online=10**6), Clock()
    with pytest.raises(HpcError, match="got running and no answer of its agent; has its subnet a way out"):
        start(node, node, INSTANCE, clock.waiting)
    assert clock.time == START_SECONDS


@pytest.mark.parametrize("state", ["terminated", "shutting-down", None])
def test_one_that_is_gone_is_not_waited_for(state: str | None) -> None:
    """It will never come back; the text says how there comes to be another."""
    node, clock = FakeHeadNode("running"), Clock()
    node.state = state
    with pytest.raises(HpcError, match="got no such instance, or one that is being terminated"):
        start(node, node, INSTANCE, clock.waiting)
    assert clock.time == 0


def test_status_says_what_it_does_and_whether_it_can_be_set_up(shell_with: MakeShell) -> None:
    """Data on stdout; that the bundle is missing is talk."""
    shell = shell_with(FakeHeadNode("running", looks_until_online=0))
    told = shell("head-node", "status")
    assert told.stdout == (f"{INSTANCE}  t4g.small  running since 2026-11-02 09:30 UTC, online in Session Manager\n")
    assert "send it with: hpc head-node setup" in told.stderr
    shell.clients.s3.objects[BUNDLE] = b"it"
    shell.clients.s3.written[BUNDLE] = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    assert shell("head-node", "status").stderr == ""
    assert shell.document("head-node", "status") == {
        "instance": INSTANCE,
        "type": "t4g.small",
        "architecture": "arm64",
        "state": "running",
        "online": True,
        "launched": "2026-11-02T09:30:00+00:00",
        "bundle_sent": "2026-11-01T00:00:00+00:00",
    }


def test_who_may_not_see_what_was_sent_sees_the_rest(shell_with: MakeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is for those who deploy; submitters have no right to it, and are not told that it is missing."""
    shell = shell_with(FakeHeadNode("running", looks_until_online=0))

    def refuse(**request: Any) -> None:
        assert request["Key"] == BUNDLE
        raise client_error("403", "Forbidden", "HeadObject", 403)

    monkeypatch.setattr(shell.clients.s3, "head_object", refuse)
    told = shell("head-node", "status")
    assert told.stdout.startswith(f"{INSTANCE}  t4g.small  running since ")
    assert told.stderr == ""
    assert shell.document("head-node", "status")["bundle_sent"] is None


def test_start_and_stop_say_what_became_of_it(shell_with: MakeShell) -> None:
    """Start waits until it can be logged in to, stop does not wait."""
    node = FakeHeadNode("stopped")
    shell = shell_with(node)
    assert shell.document("head-node", "start")["online"] is True
    assert shell("head-node", "stop").stdout == f"{INSTANCE}  stopping\n"
    assert node.calls == ["start", "stop"]


def test_set_up_sends_what_git_tracks_to_where_the_head_node_looks(shell_with: MakeShell) -> None:
    """The runner and its requirements, no test and nothing untracked; S3 is told the hash."""
    shell = shell_with(FakeHeadNode("stopped"))
    document = shell.document("head-node", "setup")
    content = shell.clients.s3.objects[BUNDLE]
    assert document["bundle"] == f"s3://bucket/{BUNDLE}"
    assert (document["size_bytes"], document["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = set(archive.getnames())
    assert {"runner/cli/login.py", "head_node/requirements.txt", "constraints.txt", "examples/dopi.yaml"} <= names
    assert [name for name in names if name.startswith(("tests/", "benchmarks/", ".venv", "node_modules"))] == []


def test_the_same_checkout_makes_the_same_bundle_and_an_edit_is_in_it(tmp_path: Path) -> None:
    """As the working tree has it; a file that is deleted there is left out."""
    for name in ("kept.py", "gone.py"):
        (tmp_path / name).write_text("1\n")
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "gone.py").unlink()
    (tmp_path / "untracked.py").write_text("secret\n")
    first = pack_checkout(tmp_path)
    assert pack_checkout(tmp_path).digest == first.digest
    (tmp_path / "kept.py").write_text("2\n")
    with tarfile.open(fileobj=pack_checkout(tmp_path).content) as archive:
        (member,) = archive.getmembers()
        file = archive.extractfile(member)
        assert file is not None
        assert (member.name, file.read()) == ("kept.py", b"2\n")


def test_a_folder_that_git_does_not_know_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match=r"is a checkout in which git lists what belongs to it, got: .*; clone"):
        pack_checkout(tmp_path)


def test_packages_are_sent_along_beside_the_code(tmp_path: Path) -> None:
    """Under wheels/, for the head node's architecture and its Python."""
    (tmp_path / "click-8-py3-none-any.whl").write_bytes(b"wheel")
    with tarfile.open(fileobj=pack_checkout(CHECKOUT, tmp_path).content) as archive:
        assert "wheels/click-8-py3-none-any.whl" in archive.getnames()
    command = wheels_command(CHECKOUT, "arm64", tmp_path, "python")
    assert command[:4] == ["python", "-m", "pip", "download"]
    assert {"manylinux_2_28_aarch64", "manylinux2014_aarch64", "3.11", "--only-binary=:all:"} <= set(command)
    assert "manylinux2014_x86_64" in wheels_command(CHECKOUT, "x86_64", tmp_path, "python")


def test_login_shows_its_command(shell_with: MakeShell) -> None:
    """With the choice of region and profile; nothing is started, nothing need be installed."""
    node = FakeHeadNode("stopped")
    shell = shell_with(node)
    command = f"aws ssm start-session --target {INSTANCE} --region eu-central-1"
    assert shell("login", "--dry-run").stdout == f"{command}\n"
    assert shell("login", "--dry-run", "--profile", "lab").stdout == f"{command} --profile lab\n"
    assert shell.document("login", "--dry-run")["command"] == command.split()
    assert shell("login", "--json", code=2).stderr.startswith("hpc: --json: is for what ends with a document")
    assert node.calls == []


def test_login_says_all_that_is_not_installed(shell_with: MakeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    """And starts no instance for it."""
    monkeypatch.setenv("PATH", "/nowhere")
    node = FakeHeadNode("stopped")
    first, second = shell_with(node)("login", code=2).stderr.splitlines()
    assert first.startswith("hpc: PATH: has the command aws, got none; install the AWS command line, version 2: https")
    assert second.startswith("PATH: has the command session-manager-plugin, got none; install its plugin for")
    assert node.calls == []


LOGIN = """
import sys
from pathlib import Path
from tests.runner.fake_head_node import FakeClientsWithHeadNode, FakeHeadNode
from runner.cli import hpc
from runner.cli.options import Context
clients = FakeClientsWithHeadNode(FakeHeadNode("running", looks_until_online=0))
hpc.main(["login"], obj=Context(connector=lambda target, state: clients), prog_name="hpc")
"""


def test_login_becomes_the_session(tmp_path: Path) -> None:
    """Its exit code and its output are those of the AWS command, in the same process."""
    for name in ("aws", "session-manager-plugin"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$$ {name} $*"\nexit 3\n')
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT)}
    environment.pop("HPC_DEPLOYMENT", None)
    with subprocess.Popen(
        [sys.executable, "-c", LOGIN], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert said == f"{process.pid} aws ssm start-session --target {INSTANCE} --region eu-central-1\n"


@pytest.mark.parametrize(
    "command", [("login",), *(("head-node", name) for name in ("setup", "status", "start", "stop"))], ids=" ".join
)
def test_a_local_cloud_has_none_and_a_deployment_may_have_none(shell: Shell, command: tuple[str, ...]) -> None:
    """Refused by name, with what to do instead."""
    local = shell(*command, "--local", code=2).stderr
    assert local.startswith("hpc: --local: is for what a local cloud has, got it for hpc ")
    assert f"hpc {' '.join(command)}," in local
    assert "use hpc run, hpc submit or hpc mpi with --local here" in local
    none = shell(*command, code=2).stderr
    assert none.startswith("hpc: --deployment CloudHpc: has a head node, got none; set head_node_instance_type")


def test_a_deployment_can_be_named_by_the_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the head node does; commands that are suggested name another, and not the one that is meant anyway."""
    monkeypatch.setenv("HPC_DEPLOYMENT", "Lab")
    assert "--deployment Lab: has a head node" in shell("login", code=2).stderr
    assert "--deployment Trial: has a head node" in shell("login", "--deployment", "Trial", code=2).stderr
    run = shell("run", "w.yaml", "--detach", "--deployment", "CloudHpc")
    assert "--deployment CloudHpc" in run.stderr
    assert "--deployment" not in shell("run", "w.yaml", "--detach").stderr
