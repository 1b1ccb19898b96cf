"""Workflow files: YAML 1.2's plain scalars, with the line of every key kept for messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from runner.errors import InputError
from runner.places import KeyPath, Places
from runner.plain_scalars import PLAIN_SCALARS
from runner.workflow import Workflow

STDIN: Final = "-"


class _Loader(yaml.SafeLoader):
    """SafeLoader without YAML 1.1's surprises: `on`, `yes` and `no` are words, 1:30 is no number, dates are text."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - PyYAML's registry, filled below


for _tag, (_pattern, _first) in PLAIN_SCALARS.items():
    # add_implicit_resolver matches from the start only.
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})$"), list(_first))


class _FastLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else _Loader):  # type: ignore[misc]
    """The same in C, several times as fast. Its errors have other words than `_Loader`'s, which are told."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def read(path: str) -> Workflow:
    """The workflow of a file, `-` for standard input. InputError names file, line and key of every finding."""
    if path == STDIN:
        return parse(sys.stdin.read(), "<stdin>")
    try:
        return parse(Path(path).read_text(encoding="utf-8"), path, Path(path).parent)
    except OSError as error:
        raise InputError(f"{path}: a workflow file is read here, got {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: a workflow file is UTF-8 text, got {error.reason}; save it as such") from None


def parse(text: str, source: str, folder: Path = Path()) -> Workflow:
    """The workflow that a text declares; `source` names it in messages, paths in it are relative to the folder."""
    lines: dict[KeyPath, int] = {}
    repeated: list[str] = []
    try:
        try:
            document = _loaded(_FastLoader, text, source, lines, repeated)
        except yaml.YAMLError:
            lines.clear()
            repeated.clear()
            document = _loaded(_Loader, text, source, lines, repeated)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{source}{line}: is YAML, got an error: {error.problem}; correct it") from None
    except yaml.YAMLError as error:
        raise InputError(f"{source}: is YAML, got an error: {error}; correct it") from None
    if repeated:
        raise InputError(*repeated)
    return Workflow.from_document(document, Places(source, lines), folder)


def _loaded(
    kind: type[_Loader] | type[_FastLoader], text: str, source: str, lines: dict[KeyPath, int], repeated: list[str]
) -> object:
    """The document, with the lines of its keys and what is wrong with these."""
    loader = kind(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise InputError(f"{source}: a workflow has a name and tasks, got nothing; see docs/workflows.md")
        _walk(node, (), lines, repeated, source)
        document: object = loader.construct_document(node)
        return document
    finally:
        loader.dispose()


def _walk(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], repeated: list[str], source: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, repeated, source)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen:
                where = Places(source, {path: line}).where(path)
                repeated.append(f"{where}: a key stands once, got {key!r} here and in line {seen[key]}; remove one")
            seen.setdefault(key, line)
            # A key's own line says more than that of a value which may begin below it.
            lines.setdefault((*path, key), line)
            _walk(value_node, (*path, key), lines, repeated, source)
