"""`${...}`: substitution and its mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.template_values import listed, names, problems, substitute

VALUES = {"prefix": "results/r/", "jobs.a-b": "r-a-b", "x": "$$ ${y} \\1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${prefix}${jobs.a-b}.txt", "results/r/r-a-b.txt"),
        ("$$", "$"),
        ("$${prefix}", "${prefix}"),
        ("$$${prefix}", "$results/r/"),
        ("cost 5$", "cost 5$"),
        ("echo $HOME $1 $?", "echo $HOME $1 $?"),
        ("${x}", "$$ ${y} \\1"),
    ],
)
def test_names_become_values_and_values_are_left_alone(text: str, expected: str) -> None:
    """What a value holds is never looked at again."""
    assert problems(text, VALUES) == []
    assert substitute(text, VALUES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${y}", "got '${y}'; use one of: prefix, x, jobs.a-b, or write $${y} where a dollar is meant"),
        ("${}", "got '${}'"),
        ("a${prefix", "'${' begins a name that ends with '}'"),
        ("$prefix-1", "got '$prefix'; write ${prefix}, or $$prefix for a dollar"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, expected: str) -> None:
    """Unknown names, unclosed braces, forgotten braces."""
    (found,) = problems(text, VALUES)
    assert expected in found


@given(st.text(st.sampled_from("${}xy$ "), max_size=20))
def test_a_text_without_problems_can_be_substituted_and_names_only_what_is_known(text: str) -> None:
    """problems, names and substitute read a text alike."""
    if problems(text, {"x"}):
        return
    assert set(names(text)) <= {"x"}
    substitute(text, {"x": "1"})


@given(st.text(max_size=40))
def test_doubled_dollars_keep_any_text_as_it_is(text: str) -> None:
    """The way to write anything."""
    doubled = text.replace("$", "$$")
    assert problems(doubled, {"x"}) == []
    assert substitute(doubled, {}) == text


def test_long_lists_of_names_are_cut() -> None:
    """A workflow of a thousand tasks has a thousand names."""
    assert listed([f"jobs.{n:02}" for n in range(25)] + ["run_id"]).startswith("run_id, jobs.00")
    assert listed([f"jobs.{n:02}" for n in range(25)]).endswith("and 5 more")
