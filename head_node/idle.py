"""Stops the head node when nobody has used it for a while; run as root, once a minute, by a timer.

In use is: a session of Session Manager, another login, or processes of users that compute. What waits, `hpc run` in
tmux above all, does not keep the instance up: runs go on without it. Nor does work of root's. Powered off, the instance
is stopped and its volume kept, as its shutdown behaviour says.

Environment: HEAD_NODE_IDLE_MINUTES; ROOT, a folder to read /proc and /run below instead of /, is for trials. Written
for the system's own Python, 3.9 on Amazon Linux 2023, and its library alone, so that it depends on no set-up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SESSION = "ssm-session-wor"
"""Name of the agent's process of one session, ssm-session-worker, as the kernel cuts it off."""

FIRST_USER, LAST_USER = 1000, 60000
"""User ids of people, by login.defs."""

LEAST_VCPUS = 0.05
"""What processes of users take together, on average since the last look, to count as computing."""


class State(NamedTuple):
    """What one look leaves to the next. Seconds are those since boot: the wall clock may be set."""

    used_at: float
    looked_at: float
    ticks: dict[str, int]
    """Of processor time, by process and its time of start: process ids come back."""


def main() -> int:
    """Look once; the exit code: 0 looked, 2 the environment is not as it should be."""
    said = os.environ.get("HEAD_NODE_IDLE_MINUTES", "")
    if not said.isdecimal() or int(said) < 1:
        print(f"HEAD_NODE_IDLE_MINUTES: is a number of minutes, got {said!r}; set it", file=sys.stderr)
        return 2
    root = Path(os.environ.get("ROOT") or "/")
    file = root / "run" / "cloud-hpc" / "idle.json"
    now = float((root / "proc" / "uptime").read_text().split()[0])
    before, ticks = _read(file), dict(_ticks(root))
    why = _use(root, before, ticks, now)
    used_at = now if before is None or why is not None else before.used_at
    _write(file, State(used_at, now, ticks))
    if now - used_at < int(said) * 60:
        print(f"in use: {why}" if why else f"not used for {now - used_at:.0f} s")
        return 0
    print(f"not used for {now - used_at:.0f} s: stopping")
    return subprocess.run(["systemctl", "poweroff"], check=False).returncode


def _use(root: Path, before: State | None, ticks: dict[str, int], now: float) -> str | None:
    if any(_text(process / "comm").strip() == SESSION for process in _processes(root)):
        return "a session of Session Manager"
    for session in sorted((root / "run" / "systemd" / "sessions").glob("*")):
        fields = dict(line.partition("=")[::2] for line in _text(session).splitlines())
        if fields.get("CLASS", "").startswith("user") and fields.get("STATE") in {"active", "online"}:
            return f"{fields.get('USER', 'somebody')} is logged in"
    if before is None or now <= before.looked_at:
        return None
    # One that was not there at the last look has taken all of its time since.
    taken = sum(max(count - before.ticks.get(process, 0), 0) for process, count in ticks.items())
    vcpus = taken / os.sysconf("SC_CLK_TCK") / (now - before.looked_at)
    return f"processes of users take {vcpus:.2f} vCPUs" if vcpus >= LEAST_VCPUS else None


def _processes(root: Path) -> Iterator[Path]:
    return (root / "proc").glob("[0-9]*")


def _ticks(root: Path) -> Iterator[tuple[str, int]]:
    for process in _processes(root):
        uid = next((line.split()[1] for line in _text(process / "status").splitlines() if line.startswith("Uid:")), "0")
        # The name before the bracket may hold anything. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
        fields = _text(process / "stat").rpartition(")")[2].split()
        if FIRST_USER <= int(uid) <= LAST_USER and len(fields) > 19:
            # Children that have ended count with their parent, or a loop over short commands would go unseen.
            yield f"{process.name}@{fields[19]}", sum(map(int, fields[11:15]))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # gone since it was listed
        return ""


def _read(file: Path) -> State | None:
    try:
        return State(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):  # the first look since boot, or one that was cut short
        return None


def _write(file: Path, state: State) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(state._asdict()))
    fresh.replace(file)


if __name__ == "__main__":
    sys.exit(main())
