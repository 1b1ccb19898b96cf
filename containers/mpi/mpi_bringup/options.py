"""The command line of the bring-up: what a job's command says."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mpi_bringup.node import DEFAULT_JOIN_SECONDS
from mpi_bringup.object_store import ObjectPlace
from mpi_bringup.program import Wanted

_WITH_VALUE: Final = frozenset({"--bundle", "-p", "--flags", "--label", "--join-seconds", "--results"})


class OptionsError(Exception):
    """A command line that is wrong; the text says what and how it is right."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """One job's."""

    wanted: Wanted
    ranks_per_node: int | None
    """None: a node's cores."""

    label: str
    join_seconds: float
    results: ObjectPlace | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise OptionsError(f"command: {message}; usage: {' '.join(self.format_usage().split()[1:])}")


def parsed(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Raises OptionsError; SystemExit after --help."""
    own, rest = _split(arguments)
    found = _parser().parse_args([*own, "--", rest[0]] if rest else own)
    return Options(
        wanted=Wanted(
            program=found.program,
            arguments=tuple(rest[1:]),
            bundle=found.bundle,
            flags=tuple(found.flags),
            is_script=found.on_main,
        ),
        ranks_per_node=found.ranks_per_node,
        label=found.label,
        join_seconds=_join_seconds(found.join_seconds, environment.get("MPI_JOIN_SECONDS")),
        results=found.results,
    )


def _split(arguments: Sequence[str]) -> tuple[list[str], Sequence[str]]:
    """Ours, each with its value in one word; and the program with what is its own, untouched.

    argparse would take a -- of the program's for ours, and a value that begins with - for an option.
    """
    own: list[str] = []
    place = 0
    while place < len(arguments):
        word = arguments[place]
        if word == "--":
            return own, arguments[place + 1 :]
        if not word.startswith("-"):
            break
        if word in _WITH_VALUE and place + 1 < len(arguments):
            word += ("=" if word.startswith("--") else "") + arguments[place + 1]
            place += 1
        own.append(word)
        place += 1
    return own, arguments[place:]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bringup.py",
        description="Bring up the nodes of a job and run one MPI program on all of them.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--bundle", type=_read(ObjectPlace.of), metavar="s3://BUCKET/SHA256.tar.gz", help="files of the job"
    )
    parser.add_argument(
        "-p", dest="ranks_per_node", type=_read(_positive), metavar="N", help="ranks per node (its cores)"
    )
    parser.add_argument("--flags", type=_read(_flags), default=[], help="options of the compiler (-O2)")
    parser.add_argument("--on-main", action="store_true", help="run PROGRAM once, as a script that calls mpirun")
    parser.add_argument("--label", choices=["node", "rank", "none"], default="node", help="before lines of output")
    parser.add_argument(
        "--join-seconds", type=_read(_seconds), help=f"until all nodes are there ({DEFAULT_JOIN_SECONDS:g})"
    )
    parser.add_argument("--results", type=_read(_prefix), metavar="s3://BUCKET/PREFIX/", help="keep results/ there")
    parser.add_argument("program", metavar="PROGRAM", help="a file of the bundle, or a program of the image")
    parser.add_argument("arguments", nargs="*", metavar="ARG", help="the program's own")
    return parser


def _read(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Show what is wrong with a value in the words of whoever read it."""

    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(f"is a whole number from 1, got {text!r}")
    return int(text)


def _flags(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"is quoted as in a shell, got {text!r} ({error})") from error


def _prefix(text: str) -> ObjectPlace:
    try:
        return ObjectPlace.of(text)
    except ValueError:
        raise ValueError(f"is s3://BUCKET/PREFIX/, got {text!r}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"is a number above 0, got {text!r}")
    return seconds


def _join_seconds(given: float | None, of_definition: str | None) -> float:
    if given is not None:
        return given
    if of_definition is None:
        return DEFAULT_JOIN_SECONDS
    try:
        return _seconds(of_definition)
    except ValueError as error:
        raise OptionsError(f"MPI_JOIN_SECONDS: {error}; correct it") from error
