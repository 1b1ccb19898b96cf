"""Bytes of a pipe into log lines."""

from __future__ import annotations

from itertools import repeat

from local_batch.executors.work import LogLine

MAX_LINE_BYTES = 262_144 - 26
"""Longer lines are split: 256 KiB less the 26 bytes that CloudWatch Logs counts for each event, as Docker's awslogs
driver does it. https://docs.docker.com/engine/logging/drivers/awslogs/"""


class LineCapture:
    """Collects what an attempt writes, line by line."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._groups: list[tuple[int, list[str]]] = []

    def feed(self, data: bytes, now_ms: int) -> None:
        """Take bytes as they were read at `now_ms`."""
        head, newline, rest = data.partition(b"\n")
        self._extend_partial(head, now_ms)
        if not newline:
            return
        self._end_line(now_ms)
        whole, newline, last = rest.rpartition(b"\n")
        if newline:
            if len(whole) <= MAX_LINE_BYTES:
                # A newline is never part of another character, so all can be decoded at once.
                self._groups.append((now_ms, whole.decode(errors="replace").split("\n")))
            else:
                for line in whole.split(b"\n"):
                    self._extend_partial(line, now_ms)
                    self._end_line(now_ms)
        self._extend_partial(last, now_ms)

    def end(self, now_ms: int) -> None:
        """No more comes: what was written after the last newline is a line too."""
        if self._partial:
            self._end_line(now_ms)

    def take(self) -> list[LogLine]:
        """The lines since the last call."""
        return log_lines(self.take_groups())

    def take_groups(self) -> list[tuple[int, list[str]]]:
        """The same in a form that is cheap to hand on: the texts that have one time stamp together."""
        groups, self._groups = self._groups, []
        return groups

    def _extend_partial(self, data: bytes, now_ms: int) -> None:
        self._partial += data
        while len(self._partial) > MAX_LINE_BYTES:
            cut = _character_boundary(self._partial, MAX_LINE_BYTES)
            self._groups.append((now_ms, [self._partial[:cut].decode(errors="replace")]))
            del self._partial[:cut]

    def _end_line(self, now_ms: int) -> None:
        self._groups.append((now_ms, [self._partial.decode(errors="replace")]))
        self._partial.clear()


def log_lines(groups: list[tuple[int, list[str]]]) -> list[LogLine]:
    """What was taken as groups, line by line."""
    return [line for timestamp_ms, texts in groups for line in map(LogLine._make, zip(repeat(timestamp_ms), texts))]


def _character_boundary(text: bytearray, limit: int) -> int:
    """The last index not after `limit` that is not inside a UTF-8 character (of at most four bytes)."""
    for cut in range(limit, limit - 4, -1):
        if text[cut] & 0xC0 != 0x80:
            return cut
    return limit
