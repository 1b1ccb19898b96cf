"""The command line of the bring-up: what a job's command says."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpi_bringup.node import DEFAULT_JOIN_SECONDS
from mpi_bringup.object_store import ObjectPlace
from mpi_bringup.program import Wanted


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
    parser = _Parser(
        prog="bringup.py",
        description="Bring up the nodes of a job and run one MPI program on all of them.",
        allow_abbrev=False,
    )
    parser.add_argument("--bundle", type=ObjectPlace.of, metavar="s3://BUCKET/SHA256.tar.gz", help="files of the job")
    parser.add_argument("-p", dest="ranks_per_node", type=_positive, metavar="N", help="ranks per node (its cores)")
    parser.add_argument("--flags", type=shlex.split, default=[], help="options of the compiler (-O2)")
    parser.add_argument("--on-main", action="store_true", help="run PROGRAM once, as a script that calls mpirun")
    parser.add_argument("--label", choices=["node", "rank", "none"], default="node", help="before lines of output")
    parser.add_argument("--join-seconds", type=float, help=f"until all nodes are there ({DEFAULT_JOIN_SECONDS:g})")
    parser.add_argument("--results", type=ObjectPlace.of, metavar="s3://BUCKET/PREFIX/", help="keep results/ there")
    parser.add_argument("program", metavar="PROGRAM", help="a file of the bundle, or a program of the image")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARG")
    found = parser.parse_args(arguments)
    join = found.join_seconds
    if join is None:
        join = _join_seconds(environment.get("MPI_JOIN_SECONDS"))
    if not 0 < join < float("inf"):
        raise OptionsError(f"--join-seconds: is a number above 0, got {join:g}; correct it")
    return Options(
        wanted=Wanted(
            program=found.program,
            arguments=tuple(found.arguments),
            bundle=found.bundle,
            flags=tuple(found.flags),
            is_script=found.on_main,
        ),
        ranks_per_node=found.ranks_per_node,
        label=found.label,
        join_seconds=join,
        results=found.results,
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(f"is 1 or more, got {text}")
    return number


def _join_seconds(text: str | None) -> float:
    if text is None:
        return DEFAULT_JOIN_SECONDS
    try:
        return float(text)
    except ValueError:
        raise OptionsError(f"MPI_JOIN_SECONDS: is a number of seconds, got {text!r}; correct it") from None
