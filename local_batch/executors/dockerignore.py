"""`.dockerignore`: which files of a folder COPY does not see.

Rules: https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

from local_batch.executors.errors import DockerfileError


def ignored_by(folder: Path) -> Callable[[str], bool]:
    """Whether a file, relative to `folder` and with `/`, is left out by its `.dockerignore`; without one, none is.

    Raises DockerfileError where a pattern of it is none.
    """
    path = folder / ".dockerignore"
    if not path.is_file():
        return lambda _: False
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DockerfileError(f"{path}: text in UTF-8 is needed, got {error}; write it so") from error
    rules = [_rule(path, number, line.strip()) for number, line in enumerate(lines, 1) if _is_rule(line)]

    def is_ignored(relative: str) -> bool:
        ignored = False
        for pattern, leaves_out in rules:
            if pattern.fullmatch(relative):
                ignored = leaves_out
        return ignored

    return is_ignored


def _is_rule(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _rule(path: Path, number: int, line: str) -> tuple[re.Pattern[str], bool]:
    leaves_out = not line.startswith("!")
    pattern = posixpath.normpath(line.removeprefix("!").strip()).lstrip("/")
    try:
        expression = glob_expression(pattern)
    except ValueError as error:
        raise DockerfileError(f"{path}:{number}: {error}") from error
    return re.compile(expression + r"(/.*)?", re.DOTALL), leaves_out


def glob_expression(pattern: str) -> str:
    """The regular expression of a Docker pattern: `*` and `?` stay within a name, `**` spans directories.

    Raises ValueError, saying why, where it has none.
    """
    expression = ""
    rest = pattern
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            expression += "(.*/)?" if rest else ".*"
        elif rest[0] == "*":
            expression, rest = expression + "[^/]*", rest[1:]
        elif rest[0] == "?":
            expression, rest = expression + "[^/]", rest[1:]
        elif match := re.match(r"\[(\^?)([^\]]+)\]", rest):
            negation, characters = match.groups()
            escaped = characters.replace("\\", r"\\")
            characters = f"[{negation}{escaped}]"
            try:
                re.compile(characters)
            except re.error as error:
                raise ValueError(
                    f"a range of characters goes upwards ({error}), got {pattern!r}; correct it"
                ) from error
            expression, rest = expression + characters, rest[match.end() :]
        else:
            expression, rest = expression + re.escape(rest[0]), rest[1:]
    return expression
