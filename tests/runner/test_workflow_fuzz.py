"""Workflow files that nobody would write, and some that somebody did: told in words, never with a traceback."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runner.shell import Shell

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.yaml"))
KEYS = (
    *("name", "tasks", "defaults", "variables", "needs", "foreach", "command", "queue", "job_definition", "retries"),
    *(
        "attempts",
        "on",
        "environment",
        "vcpus",
        "memory_mib",
        "gpus",
        "timeout_seconds",
        "after",
        "inputs",
        "allow_failure",
    ),
    *("finally", "fallback", "nodes", "program", "from", "to", "step", "label", "files", "flags", "on_main", "x", ""),
)
TEXTS = (
    *("", "a", "dopi", "high", "normal", "simulate", "${i}", "${nope}", "${", "$$", "${jobs.dopi}", "${jobs.${i}}"),
    *("a" * 300, "ü\u2028", "\x00", "-", "..", "s3://b/k", "no", "1e5", "AKIAQ3EXAMPLE7EXAMPL"),  # allowed: test value
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.sampled_from([-1, 0, 1, 2, 20, 61, 10_001, 2**31]),
        st.floats(),
        st.sampled_from(TEXTS),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.sampled_from(TEXTS), st.integers()), inner, max_size=3),
    ),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """An example of ours, with some keys and values taken out, put elsewhere or replaced."""
    document = yaml.safe_load(draw(st.sampled_from(EXAMPLES)).read_text(encoding="utf-8"))
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(document))
        parent, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(["replace", "replace", "remove", "add", "copy"]))
        if change == "remove":
            parent.pop(key)
        elif change == "replace":
            parent[key] = draw(values)
        elif change == "copy":
            other, from_key = draw(st.sampled_from(places))
            if _has(other, from_key):
                parent[key] = copy.deepcopy(other[from_key])
        elif isinstance(parent, dict):
            parent[draw(st.sampled_from(KEYS))] = draw(values)
        else:
            parent.append(draw(values))
    return str(yaml.safe_dump(document, allow_unicode=True))


def _has(parent: Any, key: Any) -> bool:
    return key in parent if isinstance(parent, dict) else key < len(parent)


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield value, key
            yield from _places(value[key])


def said(shell: Shell, text: str) -> None:
    """Exit code 0, or 2 with a message that begins with file and line, or with the option that is meant."""
    shell.clients.batch.calls.clear()
    try:
        done = shell("run", "-", "--dry-run", standard_input=text)
    except AssertionError:
        done = shell("run", "-", "--dry-run", code=2, standard_input=text)
        assert re.match(r"hpc: (<stdin>|--\w+)", done.stderr), done.stderr
        assert "; " in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert "SubmitJob" not in shell.clients.batch.calls


@pytest.fixture
def examples(shell: Shell, tmp_path: Path) -> Shell:
    """Where the programs of the examples are."""
    (tmp_path / "mpi").mkdir()
    return shell


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=mutated())
def test_a_broken_workflow_is_told_what_is_wrong_with_it(examples: Shell, text: str) -> None:
    """Each example of ours, changed at random."""
    said(examples, text)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(max_size=60), values.map(lambda value: str(yaml.safe_dump(value, allow_unicode=True)))))
def test_what_is_no_workflow_at_all_is_told_so(examples: Shell, text: str) -> None:
    """Any text, any document."""
    said(examples, text)
