"""The file of logs on a disk that fills up, and with a line that is none."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_batch.host.log_archive import LogArchive
from local_batch.host.seams import MiniStack

KEY = ("123456789012", "us-east-1", "group", "stream")


def events(text: str) -> list[dict[str, Any]]:
    """One."""
    return [{"timestamp": 1, "ingestionTime": 1, "message": text}]


class Groups(dict[str, Any]):
    """Of the service: one group, as far as an archive asks."""

    def __init__(self) -> None:
        super().__init__()
        self.group: dict[str, Any] = {"streams": {}}

    def get_scoped(self, *_: str) -> dict[str, Any]:
        """It is every name's."""
        return self.group

    def all_items(self) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
        """The one there is."""
        return [(KEY[:3], self.group)]


def archive_at(path: Path) -> tuple[LogArchive, Groups]:
    """An archive on a file, and the groups that it fills."""
    groups = Groups()
    archive = LogArchive(cast("MiniStack", SimpleNamespace(logs=SimpleNamespace(log_groups=groups))), path)
    archive.adopt(KEY[:3], groups.group)
    return archive, groups


def texts_in(path: Path) -> list[str]:
    """Messages that the next start finds."""
    archive, groups = archive_at(path)
    archive.replay()
    archive.close()
    return [event["message"] for event in groups.group["streams"]["stream"]["events"]]


def test_a_line_that_the_disk_takes_half_of_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change fails, and the next one begins a line of its own."""
    path = tmp_path / "log-events.jsonl"
    archive, _ = archive_at(path)
    archive.write_stream(KEY, {"events": []})
    archive.write_events(KEY, events("before"))
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:-20]))
        with pytest.raises(OSError, match=r"No space left on device: wrote \d+ of \d+ bytes"):
            archive.write_events(KEY, events("lost"))
    archive.write_events(KEY, events("after"))
    archive.close()
    assert texts_in(path) == ["before", "after"]


def test_a_line_that_cannot_be_read_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Logs are not worth a local cloud that does not start."""
    path = tmp_path / "log-events.jsonl"
    archive, _ = archive_at(path)
    archive.write_stream(KEY, {"events": []})
    archive.write_events(KEY, events("before"))
    with path.open("ab") as file:
        file.write(b'["events",["1[\n')
    archive.write_events(KEY, events("after"))
    archive.close()
    assert texts_in(path) == ["before", "after"]
    assert "log-events.jsonl: a line that cannot be read is passed over" in caplog.text
