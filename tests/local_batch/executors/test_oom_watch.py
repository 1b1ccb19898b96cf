"""Whether a container's cgroup says that something was killed. The real kernel is asked by test_behaviour.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from local_batch.executors.oom_watch import OomWatch, memory_cgroup

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cgroups are Linux's")


def test_version_2_counts_kills(tmp_path: Path) -> None:
    """In memory.events; when the cgroup is gone nothing is known any more."""
    events = tmp_path / "memory.events"
    events.write_text("low 0\noom 3\noom_kill 0\noom_group_kill 0\n")
    watch = OomWatch(tmp_path)
    assert watch.has_killed() is False
    events.write_text("low 0\noom 3\noom_kill 1\noom_group_kill 0\n")
    assert watch.has_killed() is True
    events.unlink()
    assert watch.has_killed() is None
    watch.close()


def test_a_cgroup_without_events_is_not_watched(tmp_path: Path) -> None:
    """The root of the tree has none."""
    with pytest.raises(OSError, match=r"memory\.events"):
        OomWatch(tmp_path)


def signalled(directory: Path, times: int) -> OomWatch:
    """A watch on a cgroup of version 1 whose kernel has sent so many signals."""
    (directory / "cgroup.event_control").touch()
    (directory / "memory.oom_control").touch()
    watch = OomWatch(directory)
    event, watched = (directory / "cgroup.event_control").read_text().split()
    assert int(event) != int(watched)
    if times:
        os.eventfd_write(int(event), times)
    return watch


@pytest.mark.parametrize(
    ("signals", "is_there", "expected"),
    [(0, True, False), (1, True, True), (2, True, True), (0, False, False), (1, False, None), (2, False, True)],
)
def test_version_1_signals_kills_and_the_end(
    tmp_path: Path, signals: int, is_there: bool, expected: bool | None
) -> None:
    """One signal after the directory is gone may be the one for that."""
    directory = tmp_path / "cgroup"
    directory.mkdir()
    watch = signalled(directory, signals)
    if not is_there:
        directory.rename(tmp_path / "gone")
    assert watch.has_killed() is expected
    watch.close()


def test_a_process_of_another_machine_is_not_taken_for_the_containers() -> None:
    """An engine in a virtual machine counts its processes otherwise."""
    assert memory_cgroup(os.getpid(), "0" * 64) is None
    assert memory_cgroup(0, "") is None
    assert memory_cgroup(2**22 + 1, "") is None
