"""CloudWatch Logs on disk: streams and events in an append-only file, written as they happen.

MiniStack keeps events in memory and would write all of them at every save. Here the containers that hold streams are
dictionaries that also write: whoever makes, fills or deletes a stream (a client, a stack, the publisher) is recorded
without knowing it. Groups and everything else of the service stay in MiniStack's state file.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from local_batch.host.seams import MiniStack
from local_batch.whole_write import write_whole

_LOG = logging.getLogger(__name__)

COMPACT_ABOVE_BYTES: Final = 4 * 1024 * 1024
"""A smaller archive is never rewritten, whatever of it is dead."""

Event = dict[str, Any]
StreamKey = tuple[str, str, str, str]
"""Account, region, group, stream."""


class ArchivedStream(dict[str, Any]):
    """A stream's record that knows its name."""

    def __init__(self, key: StreamKey, record: dict[str, Any]) -> None:
        super().__init__(record)
        self.key = key


class ArchivedStreams(dict[str, ArchivedStream]):
    """The streams of one group; a change of it is in the file when the call returns."""

    def __init__(self, archive: LogArchive, group: tuple[str, str, str]) -> None:
        super().__init__()
        self._archive = archive
        self._group = group

    def __setitem__(self, name: str, record: dict[str, Any]) -> None:
        stream = ArchivedStream((*self._group, name), record)
        events = stream["events"]
        self._archive.write_stream(stream.key, {**record, "events": []})
        if events:
            self._archive.write_events(stream.key, events)
        super().__setitem__(name, stream)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._archive.write_deletion((*self._group, name))

    def pop(self, name: str, *default: Any) -> Any:
        """As of a dict; the deletion is in the file."""
        if name not in self:
            return super().pop(name, *default)
        stream = self[name]
        del self[name]
        return stream

    def restore(self, name: str, record: dict[str, Any]) -> None:
        """Put back what the file says; nothing is written."""
        super().__setitem__(name, ArchivedStream((*self._group, name), record))

    def forget(self, name: str) -> None:
        """Take away what the file says is gone; nothing is written."""
        super().pop(name, None)


class LogArchive:
    """One per server; loop thread only."""

    def __init__(self, ministack: MiniStack, path: Path) -> None:
        self._ministack = ministack
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = self._open()
        self._groups = ministack.logs.log_groups

    def install(self) -> None:
        """Make MiniStack's log groups write to the archive. Once, before anything is loaded."""
        archive = self
        scoped = self._ministack.responses.AccountRegionScopedDict

        class ArchivedGroups(scoped):  # type: ignore[misc, valid-type]  # MiniStack is untyped
            """MiniStack's table of groups, whose groups hold ArchivedStreams."""

            __slots__ = ()

            def __setitem__(self, name: str, group: dict[str, Any]) -> None:
                super().__setitem__(name, group)
                archive.adopt(self._scoped(name), group)

            def __delitem__(self, name: str) -> None:
                streams = self[name]["streams"]
                super().__delitem__(name)
                for stream in list(streams):
                    del streams[stream]

            def pop(self, name: str, *default: Any) -> Any:
                if name not in self:
                    return super().pop(name, *default)
                group = self[name]
                del self[name]
                return group

            def update(self, other: Any) -> None:
                super().update(other)
                for key, group in self.all_items():
                    archive.adopt(key, group)

        # Other modules hold references to this very object: it changes its class, not its identity.
        self._groups.__class__ = ArchivedGroups
        append = self._ministack.logs.append_log_events

        def append_log_events(stream: dict[str, Any], events: list[Event]) -> None:
            append(stream, events)
            if events and isinstance(stream, ArchivedStream):
                archive.write_events(stream.key, events)

        self._ministack.replace("services.cloudwatch_logs", "_append_log_events", append_log_events)
        self._ministack.logs.append_log_events = append_log_events

    def adopt(self, key: tuple[str, str, str], group: dict[str, Any]) -> None:
        """Give a group streams that write."""
        streams = group["streams"]
        if isinstance(streams, ArchivedStreams):
            return
        group["streams"] = archived = ArchivedStreams(self, key)
        for name, record in streams.items():
            archived[name] = record

    def state(self) -> dict[str, Any]:
        """What of the service goes to MiniStack's state file: all but streams, events and what is derived from them."""
        groups = self._groups.all_values()
        streams = [group["streams"] for group in groups]
        records = self._ministack.logs.log_records
        rows = records._data  # noqa: SLF001 - emptied for a moment, so that it is neither copied nor saved
        try:
            records._data = {}  # noqa: SLF001
            for group in groups:
                group["streams"] = {}
            state: dict[str, Any] = self._ministack.logs.get_state()
        finally:
            records._data = rows  # noqa: SLF001
            for group, held in zip(groups, streams, strict=True):
                group["streams"] = held
        return state

    def replay(self) -> None:
        """Bring the streams back; a line that is none is passed over, a mostly dead file is rewritten."""
        total = live = 0
        for line in self._lines():
            total += len(line)
            try:
                entry = json.loads(line)
            except ValueError:
                _LOG.warning("%s: a line that cannot be read is passed over: %r", self._path, line[:80])
            else:
                self._replay_line(entry)
        live = sum(
            len(event["message"]) + 100
            for _, group in self._groups.all_items()
            for stream in group["streams"].values()
            for event in stream["events"]
        )
        if total > COMPACT_ABOVE_BYTES and live < total / 2:
            self._compact()

    def write_stream(self, key: StreamKey, record: dict[str, Any]) -> None:
        """A stream was made."""
        self._write(["stream", key, record])

    def write_events(self, key: StreamKey, events: Sequence[Event]) -> None:
        """Events were appended to a stream."""
        rows = [(event["timestamp"], event["ingestionTime"], event["message"]) for event in events]
        self._write(["events", key, rows])

    def write_deletion(self, key: StreamKey) -> None:
        """A stream was deleted."""
        self._write(["deleted", key])

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _write(self, entry: list[Any]) -> None:
        size_bytes = os.fstat(self._descriptor).st_size
        try:
            write_whole(self._descriptor, json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        except OSError:
            # The next entry is to begin a line of its own.
            os.ftruncate(self._descriptor, size_bytes)
            raise

    def _lines(self) -> Iterator[bytes]:
        kept = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    os.truncate(self._path, kept)
                    return
                kept += len(line)
                yield line

    def _replay_line(self, entry: list[Any]) -> None:
        what, (account, region, group_name, name) = entry[0], entry[1]
        group = self._groups.get_scoped(account, region, group_name)
        if group is None:
            # The group was deleted later, or its creation was the last thing that the killed server did.
            return
        streams: ArchivedStreams = group["streams"]
        if what == "stream":
            streams.restore(name, entry[2])
        elif what == "deleted":
            streams.forget(name)
        elif name in streams:
            events = [{"timestamp": at, "ingestionTime": seen, "message": text} for at, seen, text in entry[2]]
            plain_append(streams[name], events)

    def _compact(self) -> None:
        temporary = self._path.with_suffix(".new")
        old = self._descriptor
        self._descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.close(old)
        for _, group in self._groups.all_items():
            for stream in group["streams"].values():
                self.write_stream(stream.key, {**stream, "events": []})
                if stream["events"]:
                    self.write_events(stream.key, stream["events"])
        os.close(self._descriptor)
        temporary.replace(self._path)
        self._descriptor = self._open()


def plain_append(stream: dict[str, Any], events: list[Event]) -> None:
    """Append events to a stream's record in order of time."""
    history: list[Event] = stream["events"]
    is_late = bool(history and history[-1]["timestamp"] > events[0]["timestamp"])
    history.extend(events)
    if is_late:
        history.sort(key=lambda event: event["timestamp"])
    stream["firstEventTimestamp"] = history[0]["timestamp"]
    stream["lastEventTimestamp"] = history[-1]["timestamp"]
    stream["lastIngestionTime"] = events[-1]["ingestionTime"]
