"""A program on its way from the main node to another, piece by piece."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from mpi_bringup.arrival import Arrival
from mpi_bringup.loop import Loop
from mpi_bringup.wire import WireError


def packed(content: bytes) -> bytes:
    """An archive of one file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        member = tarfile.TarInfo("data")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


class Place:
    """A node's directory, and what its arrival said at the end."""

    def __init__(self, directory: Path) -> None:
        self.work = directory / "work"
        self.work.mkdir()
        self.loop = Loop()
        self.said: list[str | None] = []
        self.arrival = Arrival(self.loop, directory, self._ended)

    def _ended(self, problem: str | None) -> None:
        self.said.append(problem)
        self.loop.end()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A fresh one."""
    return Place(tmp_path)


def test_it_is_unpacked_when_the_last_piece_is_there(place: Place) -> None:
    """In whatever pieces it came; the archive does not stay."""
    content = os.urandom(5_000_000)
    archive = packed(content)
    place.arrival.announce(len(archive))
    for start in range(0, len(archive), 1 << 20):
        assert place.said == []
        place.arrival.take(archive[start : start + (1 << 20)])
    place.loop.run()
    assert place.said == [None]
    assert (place.work / "data").read_bytes() == content
    assert [path.name for path in place.work.parent.iterdir()] == ["work"]


def test_a_program_of_the_image_is_there_at_once(place: Place) -> None:
    """Nothing comes."""
    place.arrival.announce(0)
    assert place.said == [None]


def test_what_was_not_announced_is_refused(place: Place) -> None:
    """Before it is stored."""
    with pytest.raises(WireError, match="more of the program than it had announced"):
        place.arrival.take(b"x")
    place.arrival.announce(3)
    with pytest.raises(WireError, match="announced once"):
        place.arrival.announce(3)
    with pytest.raises(WireError, match="more of the program than it had announced"):
        place.arrival.take(b"four")


def test_what_is_no_archive_is_told(place: Place) -> None:
    """To whoever decides what becomes of the node."""
    place.arrival.announce(4)
    place.arrival.take(b"four")
    place.loop.run()
    assert place.said[0] is not None
    assert place.said[0].startswith("bundle: is a tar archive")


def test_a_full_disk_is_told(place: Place) -> None:
    """As far as it can be seen: the archive cannot be written."""
    (place.work.parent / "program.tar").mkdir()
    place.arrival.announce(4)
    place.arrival.take(b"four")
    assert place.said == ["program.tar: is stored, got Is a directory; give the job more disk"]
