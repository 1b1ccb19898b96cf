"""The modules that stacks, runner and local cloud share import nothing but the standard library.

import-linter checks packages; these are single modules at the top level.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def imported(source: str) -> set[str]:
    """Top-level names of everything a source imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize(
    "name",
    ["batch_limits.py", "deployment_outputs.py", "image_tags.py", "launcher_contract.py", "instance_type_facts.py"],
)
def test_shared_modules_import_nothing_of_ours(name: str) -> None:
    """Agreement has no dependencies."""
    assert imported((CHECKOUT / name).read_text(encoding="utf-8")) <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("folder", ["containers/dopi", "containers/dopisecond"])
def test_what_runs_in_the_cloud_imports_nothing_of_ours(folder: str) -> None:
    """An image holds its own folder and what its requirements name."""
    ours = {path.stem for path in CHECKOUT.glob("*.py")} | {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
    for program in (CHECKOUT / folder).glob("*.py"):
        assert imported(program.read_text(encoding="utf-8")).isdisjoint(ours)
