"""head_node/idle.py as a process: a root of its own for /proc and /run, a clock that moves when told, no power off."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "head_node" / "idle.py"
TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """A machine whose time, processes and logins the test decides."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uptime = 100.0
        commands = root / "commands"
        commands.mkdir()
        (commands / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {root}/called\n')
        (commands / "systemctl").chmod(0o755)
        (root / "proc").mkdir()
        self.process(1, "systemd", uid=0, ticks=10**6)

    def process(
        self, pid: int, name: str, *, uid: int = 1001, ticks: int = 0, children: int = 0, start: int = 7
    ) -> None:
        """One process, as the kernel tells of it."""
        folder = self.root / "proc" / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "comm").write_text(f"{name[:15]}\n")
        (folder / "status").write_text(f"Name:\t{name[:15]}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        before = " ".join(["S", *["0"] * 10])
        (folder / "stat").write_text(f"{pid} ({name[:15]}) {before} {ticks} 0 {children} 0 20 0 1 0 {start} 0 0\n")

    def end(self, pid: int) -> None:
        """The process is gone."""
        shutil.rmtree(self.root / "proc" / str(pid))

    def session(self, state: str | None, kind: str = "user") -> None:
        """A login as systemd keeps it; None: it is gone."""
        file = self.root / "run" / "systemd" / "sessions" / "3"
        file.parent.mkdir(parents=True, exist_ok=True)
        if state is None:
            file.unlink()
        else:
            file.write_text(f"UID=1000\nUSER=ec2-user\nSTATE={state}\nCLASS={kind}\n")

    def look(self, after: float = 60, minutes: str = "10", code: int = 0) -> str:
        """One look, that many seconds after the last one; what it said."""
        self.uptime += after
        (self.root / "proc" / "uptime").write_text(f"{self.uptime} 0.00\n")
        environment = {
            "ROOT": str(self.root),
            "HEAD_NODE_IDLE_MINUTES": minutes,
            "PATH": f"{self.root / 'commands'}{os.pathsep}{os.defpath}",
        }
        done = subprocess.run(
            [sys.executable, "-I", str(SCRIPT)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    @property
    def powered_off(self) -> bool:
        """Whether it has told systemd to power off."""
        called = self.root / "called"
        return called.exists() and called.read_text().splitlines()[0] == "poweroff"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """With nobody on it."""
    return Machine(tmp_path)


def test_it_stops_when_nobody_has_come_for_as_long_as_was_said(machine: Machine) -> None:
    """Counted from the first look after boot, and not a minute earlier."""
    machine.look()
    for minute in range(1, 10):
        assert machine.look() == f"not used for {minute * 60} s\n"
        assert not machine.powered_off
    assert machine.look() == "not used for 600 s: stopping\n"
    assert machine.powered_off


def test_a_session_keeps_it_up_and_its_end_begins_the_count_anew(machine: Machine) -> None:
    """Idle in its shell for hours, somebody is there; from the last look at him on, nobody."""
    machine.process(50, "ssm-session-worker", uid=0)
    machine.look()
    assert machine.look(after=7200) == "in use: a session of Session Manager\n"
    machine.end(50)
    machine.look(after=599)
    assert not machine.powered_off
    machine.look(after=1)
    assert machine.powered_off


def test_the_agent_alone_is_no_session(machine: Machine) -> None:
    """Its other processes run from boot to boot."""
    for pid, name in ((40, "amazon-ssm-agent"), (41, "ssm-agent-worker")):
        machine.process(pid, name, uid=0)
    machine.look()
    machine.look(after=600)
    assert machine.powered_off


@pytest.mark.parametrize(
    ("state", "kind", "stops"),
    [("active", "user", False), ("online", "user", False), ("closing", "user", True), ("active", "background", True)],
)
def test_a_login_keeps_it_up_until_it_closes(machine: Machine, state: str, kind: str, *, stops: bool) -> None:
    """As at the serial console; what cron opens is none."""
    machine.session(state, kind)
    machine.look()
    said = machine.look(after=600)
    assert machine.powered_off is stops
    assert stops or said == "in use: ec2-user is logged in\n"


def test_a_computation_that_was_left_behind_is_let_finish(machine: Machine) -> None:
    """Five hundredths of a vCPU, on average since the last look, is work; less is waiting."""
    machine.process(70, "a.out (x) 1", ticks=0)
    machine.look()
    machine.process(70, "a.out (x) 1", ticks=600 * TICKS)
    assert machine.look(after=600) == "in use: processes of users take 1.00 vCPUs\n"
    machine.process(70, "a.out (x) 1", ticks=630 * TICKS)
    assert machine.look(after=600) == "in use: processes of users take 0.05 vCPUs\n"
    machine.process(70, "a.out (x) 1", ticks=659 * TICKS)
    machine.look(after=600)
    assert machine.powered_off


def test_short_commands_one_after_the_other_are_work_too(machine: Machine) -> None:
    """They end between two looks; their shell has their time."""
    machine.process(70, "sh")
    machine.look()
    machine.process(70, "sh", children=300 * TICKS)
    assert machine.look(after=600) == "in use: processes of users take 0.50 vCPUs\n"


def test_a_process_with_the_id_of_another_is_another(machine: Machine) -> None:
    """What the first had taken is not set against it."""
    machine.process(70, "old", ticks=500 * TICKS, start=1)
    machine.look()
    machine.process(70, "new", ticks=300 * TICKS, start=9)
    assert machine.look(after=600) == "in use: processes of users take 0.50 vCPUs\n"


@pytest.mark.parametrize("uid", [0, 999, 65534])
def test_work_of_the_system_is_not_work_of_a_user(machine: Machine, uid: int) -> None:
    """Updates and agents compute now and then for as long as the machine runs."""
    machine.process(80, "dnf", uid=uid)
    machine.look()
    machine.process(80, "dnf", uid=uid, ticks=600 * TICKS)
    machine.look(after=600)
    assert machine.powered_off


def test_a_note_that_was_cut_short_is_a_first_look(machine: Machine) -> None:
    """Nothing is stopped for it, nor is it kept up for ever."""
    machine.look()
    (machine.root / "run" / "cloud-hpc" / "idle.json").write_text('{"used_at": 1')
    machine.look(after=6000)
    assert not machine.powered_off
    state = json.loads((machine.root / "run" / "cloud-hpc" / "idle.json").read_text())
    assert state["used_at"] == machine.uptime
    machine.look(after=600)
    assert machine.powered_off


@pytest.mark.parametrize("minutes", ["", "0", "-5", "ten"])
def test_a_bad_setting_is_told_and_stops_nothing(machine: Machine, minutes: str) -> None:
    """One line, exit code 2."""
    expected = f"HEAD_NODE_IDLE_MINUTES: is a number of minutes, got {minutes!r}; set it\n"
    assert machine.look(minutes=minutes, code=2) == expected
    assert not machine.powered_off


def test_it_is_written_for_the_systems_python() -> None:
    """Amazon Linux 2023 has 3.9: its grammar, its library, and no union of types where one is evaluated."""
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 9))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {name.name for node in imports if isinstance(node, ast.Import) for name in node.names}
    named |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names
    assert "__future__" in named
