"""The page that specifies the protocol says what the tables in the code do, row by row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mpi_bringup import connection, main_node, other_shell, peers, program
from mpi_bringup.main_node import MainNode
from mpi_bringup.other_node import OtherNode

PAGE = (Path(__file__).parents[2] / "docs" / "mpi-bring-up.md").read_text(encoding="utf-8")


def rows(title: str) -> list[tuple[str, str]]:
    """State and event of each row below a heading."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [
        (state, event)
        for state, event in re.findall(r"^\| (\w+) \| (\w+) \| ", section, flags=re.MULTILINE)
        if state != "State"
    ]


def table(core: type[MainNode | OtherNode]) -> set[tuple[str, str]]:
    """The same of the code."""
    found: Mapping = core.TABLE  # type: ignore[type-arg]
    return {(state.value, event.__name__) for state, row in found.items() for event in row}


def test_the_main_nodes_rows_are_those_of_the_code() -> None:
    """None is missing, none is made up; two hold in every state."""
    written = rows("The main node")
    everywhere = {event for state, event in written if state == "any"}
    states = {state.value for state in MainNode.TABLE}
    full = {(state, event) for state, event in written if state != "any"}
    assert full | {(state, event) for state in states for event in everywhere} == table(MainNode)
    assert len(written) == len(set(written))


def test_another_nodes_rows_are_those_of_the_code() -> None:
    """None is missing, none is made up."""
    written = rows("Another node")
    assert set(written) == table(OtherNode)
    assert len(written) == len(set(written))


def test_the_bounds_are_those_of_the_code() -> None:
    """Each number that the page gives."""
    for what, seconds in {
        "for the greeting of what answers at a port": other_shell.GREETING_SECONDS,
        "for a caller's proof": peers.HANDSHAKE_SECONDS,
        "for the compiler": program.COMPILE_SECONDS,
        "for all nodes to store the program": main_node.SHARE_SECONDS,
        "for an answer to the roll call": main_node.ROLL_CALL_SECONDS,
        "silence on a connection": connection.SILENCE_SECONDS,
        "for mpirun after a node was lost": main_node.LOST_GRACE_SECONDS,
        "for mpirun after a rank failed": main_node.RANK_GRACE_SECONDS,
        "for mpirun after SIGTERM came": main_node.STOP_SECONDS,
        "for the last words to reach the nodes": peers.FAREWELL_SECONDS,
    }.items():
        assert f"| {what} | {seconds:g} s" in PAGE, what
