"""The parity table is true: its tests exist, its counts are right, and nothing that is tested or refused is missing."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from tests.contract.model_check import MODEL
from tests.local_batch.api.test_http import NOT_PLAYED

CHECKOUT = Path(__file__).resolve().parents[2]
TESTS = CHECKOUT / "tests"
API = CHECKOUT / "local_batch" / "api"
PAGE = (CHECKOUT / "docs" / "local-batch-parity.md").read_text(encoding="utf-8")
TABLES, _, NOT_PLAYED_SECTION = PAGE.partition("\n## Operations that are not played\n")

STATUS = re.compile(r"as AWS|as AWS, in our words|refused|chosen(: .+)?|differs: .+")
KEPT_WHOLE = frozenset({"launchTemplate", "ec2Configuration", "scalingPolicy", "updatePolicy", "networkConfiguration"})
"""Members of which nothing is played: the page says of each as a whole that it is kept and described."""

SOURCE = re.compile(
    r"none|UG [a-z0-9_-]+|API [A-Z]\w+|ECS ([a-z0-9_-]+|API_\w+)|AWS [\w./-]+|re:Post [a-z-]+"
    r"|CFN|Docker|model|PF|recorded|[\w.-]+/[\w.-]+(#\d+)?"
)
TOLD_SUITES = (
    "contract/*.py",
    "clients/*.py",
    "robustness/*.py",
    "local_batch/executors/test_behaviour.py",
    "local_batch/executors/test_container_options.py",
)
"""Suites whose every test shows a behaviour that the page must tell of."""


class Row(NamedTuple):
    """One behaviour."""

    behaviour: str
    source: str
    tests: str
    status: str


def section_rows() -> dict[str, list[list[str]]]:
    """The cells of every row that is neither a heading nor a line, by section."""
    return {
        title: [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in lines
            if line.startswith("| ") and not line.startswith("| Behaviour ")
        ]
        for title, *lines in (part.splitlines() for part in TABLES.split("\n## ")[1:])
    }


def rows() -> list[Row]:
    """Every row of every section; cells that are too many or too few make an unpacking error."""
    return [Row(*cells) for cells in (cells for section in section_rows().values() for cells in section)]


def shown_by(row: Row) -> list[str]:
    """What the row's third cell names."""
    return row.tests.split("; ")


def file_of(name: str) -> Path:
    """A test file as the page names it: below tests/ or tests/local_batch/."""
    found = [path for path in (TESTS / name, TESTS / "local_batch" / name) if path.is_file()]
    assert len(found) == 1, f"{name} is {len(found)} files"
    return found[0]


@cache
def shown_in(path: Path) -> frozenset[str]:
    """Names of the tests in a file: functions, methods of test classes, cases of state machines and their rules."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and ast.unparse(node.value).endswith(".TestCase"):
            names |= {ast.unparse(target) for target in node.targets}
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{name}" for name in _methods_shown(node)}
    return frozenset(names)


def _methods_shown(owner: ast.ClassDef) -> Iterator[str]:
    for item in owner.body:
        if isinstance(item, ast.FunctionDef):
            is_test = owner.name.startswith("Test") and item.name.startswith("test_")
            decorators = [ast.unparse(decorator) for decorator in item.decorator_list]
            if is_test or any(decorator.startswith(("invariant(", "rule(")) for decorator in decorators):
                yield item.name


@cache
def refused_names() -> frozenset[str]:
    """Members, options and types that the API's modules refuse by name, read from their source."""
    return frozenset(_refused_names())


def _refused_names() -> Iterator[str]:
    for path in sorted(API.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id == "refuse_unplayed" and isinstance(node.args[1], ast.Name):
                yield from getattr(import_module(f"local_batch.api.{path.stem}"), node.args[1].id)
            elif node.func.id == "refuse_unplayed":
                yield from ast.literal_eval(node.args[1])
            elif node.func.id == "not_played" and (text := _last_text(node.args[0])):
                yield text.rpartition(".")[2]


def _last_text(node: ast.expr) -> str:
    """The text that a string literal, also one with values in it, ends with; empty where that is a value."""
    last = node.values[-1] if isinstance(node, ast.JoinedStr) else node
    return str(last.value) if isinstance(last, ast.Constant) else ""


def members_of(shape: Shape, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """All that a request of this shape may say, but inside of what is refused or kept as a whole."""
    if isinstance(shape, StructureShape) and shape.name not in above:
        for name, member in shape.members.items():
            yield name
            if name not in KEPT_WHOLE | refused_names():
                yield from members_of(member, above | {shape.name})
    elif isinstance(shape, ListShape):
        yield from members_of(shape.member, above)
    elif isinstance(shape, MapShape):
        yield from members_of(shape.value, above)


def named(text: str) -> set[str]:
    """The last words of what stands in code style: `a.b` names b."""
    return {word.rpartition(".")[2] for word in re.findall(r"`([^`]+)`", text)}


def test_there_are_rows_to_check() -> None:
    """A table in another form would pass every other test."""
    assert len(rows()) > 250
    assert min(len(section) for section in section_rows().values()) > 4


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.behaviour[:60])
def test_a_row_is_complete_and_its_tests_exist(row: Row) -> None:
    """Sources and a status of the legend; as AWS only what somebody documents or saw; tests that can be run."""
    assert row.behaviour
    assert all(SOURCE.fullmatch(source) for source in row.source.split(", ")), row.source
    assert STATUS.fullmatch(row.status), row.status
    assert not (row.status.startswith("as AWS") and row.source == "none")
    assert "ignored" not in f"{row.behaviour} {row.status}".lower()
    for test in shown_by(row):
        name, _, function = test.partition("::")
        assert function in shown_in(file_of(name)), test
    assert len(set(shown_by(row))) == len(shown_by(row))


def test_no_behaviour_has_two_rows() -> None:
    """One of them would be stale."""
    assert [behaviour for behaviour, count in Counter(row.behaviour for row in rows()).items() if count > 1] == []


def test_the_counts_at_the_top_are_right() -> None:
    """By status, as the legend has them."""
    legend = {status: int(count) for status, count in re.findall(r"^\| ([a-zA-Z, ]+) \| (\d+) \|", PAGE, re.MULTILINE)}
    assert legend == Counter(row.status.partition(":")[0] for row in rows())


def test_the_table_of_contents_is_that_of_the_page() -> None:
    """Every section in its order, with a link that leads to it."""
    titles = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    contents = [(title, title.lower().replace(" ", "-")) for title in titles]
    assert re.findall(r"\[([^]]+)\]\(#([^)]+)\)", PAGE) == contents


@pytest.mark.parametrize("suite", TOLD_SUITES)
def test_what_is_tested_is_told(suite: str) -> None:
    """A behaviour shown through the API's front door, or by every executor, has its row."""
    told = {
        (file_of(name), function) for row in rows() for name, _, function in (t.partition("::") for t in shown_by(row))
    }
    told |= {
        (file_of(name), function) for name, function in re.findall(r"([\w/]+\.py)::(test_\w+)", NOT_PLAYED_SECTION)
    }
    shown = {(path, test) for path in TESTS.glob(suite) for test in shown_in(path)}
    assert shown
    assert sorted(f"{path.name}::{test}" for path, test in shown - told) == []


def test_what_is_refused_is_listed_and_nothing_else() -> None:
    """Rows of status refused name exactly what the API's modules refuse by name."""
    refused = [row for row in rows() if row.status == "refused"]
    assert {name for row in refused for name in named(row.behaviour)} == refused_names()


def test_every_operation_is_played_or_listed_as_not_played() -> None:
    """Those of the service model: each has a row, or its place in the last section."""
    words = set(re.findall(r"\b[A-Z][A-Za-z]+\b", " ".join(" ".join(row) for row in rows())))
    assert sorted(set(MODEL.operation_names) - set(NOT_PLAYED) - words) == []
    listed = re.findall(r"\b[A-Z][a-z]+[A-Z]\w+\b", NOT_PLAYED_SECTION)
    assert sorted(set(listed) & set(MODEL.operation_names)) == NOT_PLAYED


def test_nothing_that_a_request_may_say_is_unheard_of() -> None:
    """A member that neither the code nor the page has the name of would be taken and do nothing."""
    sources = [path for path in (CHECKOUT / "local_batch").rglob("*.py") if path.parent.name != "executors"]
    words = set(re.findall(r"\w+", PAGE + "".join(path.read_text(encoding="utf-8") for path in sources)))
    for operation in set(MODEL.operation_names) - set(NOT_PLAYED):
        request = MODEL.operation_model(operation).input_shape
        assert sorted(set(members_of(request)) - words) == [], operation
