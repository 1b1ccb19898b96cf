"""Frames of an attached container into log lines."""

from __future__ import annotations

from local_batch.executors.line_capture import LineCapture
from local_batch.executors.work import LogLine

_HEADER_BYTES = 8
_STDOUT, _STDERR = 1, 2


class ContainerOutput:
    """Takes apart what an engine sends of a container without a terminal.

    A frame is one byte for the stream, three for nothing, four for the length, and that much content.
    https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach

    stdout and stderr are two pipes to the engine: each keeps its order and its lines whole; which of two lines was
    written first on different ones is not known, as with Docker's own log drivers.
    """

    def __init__(self) -> None:
        self._captures = {_STDOUT: LineCapture(), _STDERR: LineCapture()}
        self._header = bytearray()
        self._stream = _STDOUT
        self._awaited_bytes = 0
        """Of the current frame's content."""

        self._lines: list[LogLine] = []

    def feed(self, data: bytes, now_ms: int) -> None:
        """Take a piece of the stream, cut anywhere, as it was read at `now_ms`."""
        position = 0
        while position < len(data):
            if self._awaited_bytes:
                content = data[position : position + self._awaited_bytes]
                self._captures[self._stream].feed(content, now_ms)
                self._lines.extend(self._captures[self._stream].take())
                self._awaited_bytes -= len(content)
                position += len(content)
            else:
                piece = data[position : position + _HEADER_BYTES - len(self._header)]
                self._header += piece
                position += len(piece)
                if len(self._header) == _HEADER_BYTES:
                    self._stream = _STDERR if self._header[0] == _STDERR else _STDOUT
                    self._awaited_bytes = int.from_bytes(self._header[4:], "big")
                    self._header.clear()

    def end(self, now_ms: int) -> None:
        """No more comes."""
        for capture in self._captures.values():
            capture.end(now_ms)
            self._lines.extend(capture.take())

    def take(self) -> list[LogLine]:
        """The lines since the last call."""
        lines, self._lines = self._lines, []
        return lines
