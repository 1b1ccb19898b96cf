"""What an engine says while it builds an image."""

from __future__ import annotations

import json
import re
from collections import deque

_KEPT_LINES = 8
"""How much of a failed build an attempt's reason shows."""

_STEP = re.compile(r"^step \d+(?:/\d+)?\s*:\s*(\S+)", re.IGNORECASE)


class BuildError(Exception):
    """An image could not be built; the text is the end of the build's output."""

    def __init__(self, text: str, *, lacks_base: bool) -> None:
        super().__init__(text)
        self.lacks_base = lacks_base
        """Whether it is the image of a FROM that is not to be had."""


class BuildOutput:
    """Takes the stream of JSON documents in which Docker and podman report on a build."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._instruction = ""
        self._error: str | None = None

    def feed(self, data: bytes) -> None:
        """Take a piece of the stream; documents end with a newline, pieces anywhere."""
        *documents, self._rest = (self._rest + data).split(b"\n")
        for document in documents:
            if document.strip():
                self._take(json.loads(document))

    def check(self) -> None:
        """At the end of the stream: raise BuildError where the build failed."""
        if self._rest.strip():
            self._take(json.loads(self._rest))
        if self._error is not None:
            raise BuildError("\n".join([*self._lines, self._error]), lacks_base=self._instruction == "FROM")

    def _take(self, document: dict[str, object]) -> None:
        if "error" in document:
            self._error = str(document["error"]).strip()
        for line in str(document.get("stream", "")).splitlines():
            step = _STEP.match(line)
            if step:
                self._instruction = step[1].upper()
            if line.strip():
                self._lines.append(line)
