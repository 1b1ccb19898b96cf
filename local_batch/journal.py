"""The journal of events: the engine's state on disk.

An event is in the file before anybody is told that it happened; replaying the file through a new engine gives the
same state. A process that is killed loses nothing, since the kernel holds what was written; a machine that loses
power may lose its last moments, as there is no fsync for each event (it would cost more than everything else does).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from local_batch.engine.events import Event, JobSubmitted
from local_batch.shared_words import SharedWords
from local_batch.whole_write import write_whole

_RECORD: TypeAdapter[tuple[int, Event]] = TypeAdapter(tuple[int, Annotated[Event, Field(discriminator="kind")]])


class JournalError(Exception):
    """The journal cannot be read: it names the file, the line and what to do."""


class Journal:
    """One JSON array a line: epoch milliseconds, event. One process writes it at a time (the host holds the lock)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def replay(self) -> Iterator[tuple[int, Event]]:
        """Every event so far with its time; a last line that was cut short by a kill is removed from the file.

        Raises JournalError for a line that is no event.
        """
        kept, shared = 0, SharedWords()
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    os.truncate(self._descriptor, kept)
                    return
                try:
                    then_ms, event = _RECORD.validate_json(line)
                except ValueError as error:
                    raise JournalError(
                        f"{self._path}:{number}: a line of the journal is an event that this version knows, got "
                        f"{line[:80]!r}; start with a new state directory, or with the version that wrote this one"
                    ) from error
                kept += len(line)
                if isinstance(event, JobSubmitted):
                    event = replace(event, spec=shared.spec(event.spec))
                yield then_ms, event

    def append(self, now_ms: int, happened: Sequence[Event]) -> None:
        """Write events; when this returns, they survive the process. OSError where the disk does not take them."""
        lines = b"".join(_RECORD.dump_json((now_ms, event)) + b"\n" for event in happened)
        write_whole(self._descriptor, lines)

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)
