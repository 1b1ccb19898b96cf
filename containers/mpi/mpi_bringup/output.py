"""The ranks' output, line by line, with what stands before each line.

Theory of operation. mpirun mixes what ranks write, piece by piece as it comes, and can mark each piece with its rank.
The pieces of a rank are put together again, and only whole lines are let through: lines of two ranks never mix, however
long they are and whatever buffer they were in. What bears no mark is mpirun's own.

Almost all output is of whole lines that bear a mark each: there every mark is replaced by its label in one go. Whatever
is not so is taken apart piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Label = Callable[[int], bytes]
"""What stands before a rank's lines."""

_NEWLINE = ord("\n")
_UNREAD_BYTES = 1 << 14
"""An unfinished line up to here waits for its end without being looked at."""

_LONGEST_LINE_BYTES = 1 << 20
"""A line that grows beyond is let through in parts: output without a newline must not fill the memory."""


@dataclass(frozen=True)
class Marks:
    """What mpirun puts before each piece."""

    pattern: re.Pattern[bytes]
    """With one group: the rank's number."""

    first_byte: bytes
    longest_bytes: int
    own: tuple[bytes, ...] = ()
    """How lines of mpirun itself begin, which bear no mark."""


class _MixedError(Exception):
    """Lines that are not whole, or do not bear a mark each."""


class MarkedOutput:
    """One of mpirun's streams."""

    def __init__(self, marks: Marks, label: Label) -> None:
        self._marks = marks
        self._label = label
        self._speaker: int | None = None
        self._rest = b""
        """An unfinished line, or what may be the beginning of a mark."""
        self._lines: dict[int | None, bytearray] = {}
        self._ready: dict[bytes, bytes] = {}
        """Labels of the ranks without an unfinished line, by the rank's digits."""

    def feed(self, data: bytes) -> bytes:
        """Everything that is complete now."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._rest += data
            if len(self._rest) <= _UNREAD_BYTES:
                return b""
            data, self._rest = self._rest, b""
            return b"".join(self._fed(data))
        lines, self._rest = self._rest + data[:end], data[end:]
        try:
            return self._whole_lines(lines)
        except _MixedError:
            rest, self._rest = self._rest, b""
            found = b"".join(self._fed(lines))
            self._rest += rest
            return found

    def end(self) -> bytes:
        """The rest: last lines without a newline get one."""
        rest, self._rest = self._rest, b""
        found = [*self._fed(rest), *self._piece(self._rest)]
        self._rest = b""
        for speaker, line in self._lines.items():
            if line:
                found.append(self._labelled(speaker, bytes(line) + b"\n"))
        self._lines.clear()
        return b"".join(found)

    def _whole_lines(self, lines: bytes) -> bytes:
        """Each with its own mark. Raises _MixedError."""
        found, marks = self._marks.pattern.subn(self._ready_label, lines)
        if marks != lines.count(b"\n"):
            raise _MixedError
        last = self._marks.pattern.match(lines, lines.rfind(b"\n", 0, -1) + 1)
        assert last is not None
        self._speaker = int(last[1])
        return found

    def _ready_label(self, mark: re.Match[bytes]) -> bytes:
        label = self._ready.get(mark[1])
        start = mark.start()
        if label is None or (start and mark.string[start - 1] != _NEWLINE):
            raise _MixedError
        return label

    def _fed(self, data: bytes) -> Iterator[bytes]:
        pieces = self._marks.pattern.split(data)
        # A mark that is not complete can only be at the very end.
        last = pieces[-1]
        cut = self._start_of_mark(last)
        self._rest = last[cut:]
        pieces[-1] = last[:cut]
        yield from self._piece(pieces[0])
        for index in range(1, len(pieces), 2):
            self._speaker = int(pieces[index])
            yield from self._piece(pieces[index + 1])

    def _start_of_mark(self, data: bytes) -> int:
        found = data.rfind(self._marks.first_byte, max(len(data) - self._marks.longest_bytes, 0))
        # No mark holds a newline: a line that ends in what only looks like one does not wait for more.
        return len(data) if found < 0 or b"\n" in data[found:] else found

    def _piece(self, data: bytes) -> Iterator[bytes]:
        if not data:
            return
        line = self._lines.setdefault(self._speaker, bytearray())
        end = data.rfind(b"\n") + 1
        if end:
            yield self._labelled(self._speaker, bytes(line) + data[:end])
            line.clear()
        line += data[end:]
        if len(line) > _LONGEST_LINE_BYTES:
            yield self._labelled(self._speaker, bytes(line) + b"\n")
            line.clear()
        if self._speaker is not None:
            self._note(self._speaker, is_ready=not line)

    def _note(self, speaker: int, *, is_ready: bool) -> None:
        if is_ready:
            self._ready[b"%d" % speaker] = self._label(speaker)
        else:
            self._ready.pop(b"%d" % speaker, None)

    def _labelled(self, speaker: int | None, lines: bytes) -> bytes:
        """Whole lines, each behind its label."""
        label = b"" if speaker is None else self._label(speaker)
        if not label:
            return lines
        if any(beginning in lines for beginning in self._marks.own):
            return b"".join(
                line if line.startswith(self._marks.own) else label + line for line in lines.splitlines(keepends=True)
            )
        return label + lines[:-1].replace(b"\n", b"\n" + label) + b"\n"
