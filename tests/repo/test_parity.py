"""The parity table is true: its tests exist, its states are words, and nothing that is refused is missing from it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from local_batch.api import container_properties, job_definitions, job_queues, submission
from tests.local_batch.api.test_http import NOT_PLAYED

CHECKOUT = Path(__file__).resolve().parents[2]
TABLE = (CHECKOUT / "docs" / "local-batch-parity.md").read_text(encoding="utf-8")
STATES = ("as AWS", "chosen", "differs: ", "refused")


def rows() -> list[list[str]]:
    """Behaviour, source, test and status of every row."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.splitlines() if line.startswith("| ")
    ]
    return [row for row in cells if row[0] != "Behaviour"]


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Names of all functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_there_are_rows_to_check() -> None:
    """A table in another form would pass every other test."""
    assert len(rows()) > 70


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_a_row_is_complete_and_its_test_exists(row: list[str]) -> None:
    """Four cells; a status of the legend that says in what it differs; a test that can be run."""
    assert len(row) == 4
    behaviour, source, test, status = row
    assert behaviour
    assert source
    assert status.startswith(STATES)
    assert "ignored" not in " ".join(row).lower()
    name, _, function = test.partition("::")
    assert function in functions_of(CHECKOUT / "tests" / name)


def test_no_behaviour_has_two_rows() -> None:
    """One of them would be stale."""
    behaviours = [row[0] for row in rows()]
    assert len(set(behaviours)) == len(behaviours)


def test_what_is_refused_is_listed() -> None:
    """Every member and operation that the API refuses by name has its place in the document."""
    members = {
        *container_properties._UNPLAYED,
        *job_definitions._UNPLAYED,
        *job_queues._UNPLAYED,
        *submission._UNPLAYED,
    }
    assert members <= set(re.findall(r"`(\w+)`", TABLE))
    assert set(NOT_PLAYED) <= set(re.findall(r"\b[A-Z]\w+\b", TABLE.partition("## Operations that are not played")[2]))
