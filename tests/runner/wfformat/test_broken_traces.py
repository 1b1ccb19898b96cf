"""What is no trace, or none that can be played: one clear text for each finding, exit code 2, never a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import InputError
from runner.wfformat.imported_workflow import Playing, import_trace
from runner.wfformat.trace import read_trace
from tests.runner.shell import Shell
from tests.runner.wfformat.instances import content, encoded, instance, old_instance

PLAYING = Playing(scale=0.01, cpu=False, files=True, job_definition="standin", queue="normal")
TASKS = "t.json: workflow.specification.tasks"


def findings(data: bytes) -> list[str]:
    """Everything that is wrong with a file named t.json."""
    with pytest.raises(InputError) as caught:
        import_trace(read_trace(data, "t.json"), PLAYING, "t.json")
    return list(caught.value.findings)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "t.json: is JSON, got an error: EOF while parsing a value at line 1 column 0; correct it"),
        (b'{"name": "a",}', "t.json: is JSON, got an error: trailing comma at line 1 column 14; correct it"),
        (b"\xff\xfe", "t.json: is JSON, got an error: expected value at line 1 column 1; correct it"),
        (b"name: a", "t.json: is JSON, got an error: expected ident at line 1 column 2; correct it"),
        (b"[" * 100_000, "t.json: is JSON, got an error: recursion limit exceeded at line 1 column 20"),
        (b"[1, 2]", "t.json: is a mapping, got [1, 2]; "),
        (b'"text"', "t.json: is a mapping, got 'text'; "),
        (b"{}", "t.json: needs the key 'name', got none; add it"),
    ],
    ids=["empty", "comma", "no-utf8", "yaml", "deep", "list", "text", "nothing"],
)
def test_what_is_no_json_object_is_refused(data: bytes, expected: str) -> None:
    """With the place where it stops to be one."""
    assert findings(data)[0].startswith(expected)


@pytest.mark.parametrize("version", ["1.3", "2.0", "", "x" * 1000])
def test_other_versions_are_refused(version: str) -> None:
    """With those that are read."""
    (text,) = findings(encoded(instance({"a": []}, version=version)))
    assert text.startswith(
        "t.json: schemaVersion: is one of the versions of WfFormat that are read here (1.4, 1.5, 1.6)"
    )
    assert len(text) < 300
    assert "; migrate the file with the tools of WfFormat" in text


def changed(path: str, value: object, document: dict[str, Any] | None = None) -> bytes:
    """A good document with one value changed; the path is written as in messages, without brackets."""
    document = document or instance({"a": [], "b": ["a"]})
    steps: list[Any] = [int(step) if step.isdigit() else step for step in path.split(".")]
    owner: Any = document
    for step in steps[:-1]:
        owner = owner[step]
    owner[steps[-1]] = value
    return encoded(document)


SPEC = "workflow.specification.tasks"
RUN = "workflow.execution.tasks"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (SPEC, [], f"{TASKS}: needs at least one entry, got none; add one"),
        (SPEC, {}, f"{TASKS}: is a list, got {{}}; "),
        (f"{SPEC}.0", "a", f"{TASKS}[0]: is a mapping, got 'a'; "),
        (f"{SPEC}.0.id", 7, f"{TASKS}[0].id: is text, got 7; "),
        (f"{SPEC}.0.id", "", f"{TASKS}[0].id: is not empty, got ''; "),
        (f"{SPEC}.1.parents", ["a", "lost"], f"{TASKS}[1].parents[1]: names a task of the trace, got 'lost'; correct"),
        (f"{SPEC}.0.children", ["lost"], f"{TASKS}[0].children[0]: names a task of the trace, got 'lost'; correct"),
        (
            f"{SPEC}.0.children",
            [],
            f"{TASKS}[1].parents[0]: a dependency stands at both of its tasks, got 'a', whose children do not name",
        ),
        (
            f"{SPEC}.1.parents",
            [],
            f"{TASKS}[0].children[0]: a dependency stands at both of its tasks, got 'b', whose parents do not name 'a'",
        ),
        (f"{SPEC}.1.id", "a", f"{TASKS}[1].id: a task's id stands once, got 'a' here and at [0]; "),
        (f"{RUN}.0.id", "lost", f"t.json: {RUN}[0].id: names a task of the specification, got 'lost'; "),
        (f"{RUN}.1.id", "a", f"t.json: {RUN}[1].id: a task's id stands once, got 'a' here and at [0]; "),
        (f"{RUN}.0.runtimeInSeconds", "1", f"t.json: {RUN}[0].runtimeInSeconds: is a number, got '1'; "),
        (f"{RUN}.0.runtimeInSeconds", -1, f"t.json: {RUN}[0].runtimeInSeconds: is greater than or equal to 0, got -1"),
        (f"{RUN}.0.runtimeInSeconds", float("nan"), f"t.json: {RUN}[0].runtimeInSeconds: is a finite number, got nan"),
        (
            f"{RUN}.0.runtimeInSeconds",
            1e300,
            f"t.json: {RUN}[0].runtimeInSeconds: a task takes up to 1209600 seconds, as a Fargate job does",
        ),
        ("workflow.execution", None, ""),
        ("workflow", None, "t.json: workflow: is a mapping, got None; "),
        ("name", "", "t.json: name: is not empty, got ''; "),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_finding_says_where_what_and_what_to_do(path: str, value: object, expected: str) -> None:
    """Of values of a wrong type, and of tasks that do not fit each other."""
    data = changed(path, value)
    if not expected:
        import_trace(read_trace(data, "t.json"), PLAYING, "t.json")
        return
    found = findings(data)
    assert any(text.startswith(expected) for text in found), found
    assert all(text.startswith("t.json: ") and ", got " in text and "; " in text for text in found)


def test_a_circle_is_refused_and_shown() -> None:
    """Whole where it is short; a task that waits for itself is one."""
    needs = {"a": ["c"], "b": ["a"], "c": ["b"], "d": []}
    (text,) = findings(encoded(instance(needs)))
    assert text.startswith(TASKS)
    assert "tasks do not wait for one another in a circle, got " in text
    assert all(f"{task} needs " in text for task in "abc")
    (text,) = findings(encoded(old_instance({"a": ["a"]})))
    assert text.startswith("t.json: workflow.tasks[0].parents: ")
    assert "got a needs a; " in text
    ring = {str(number): [str((number + 1) % 3000)] for number in range(3000)}
    (text,) = findings(encoded(instance(ring)))
    assert len(text) < 400
    assert "(3000 tasks)" in text


def test_an_id_that_an_environment_cannot_hold_is_refused() -> None:
    """Too long, or with a NUL in it."""
    for one in ("x" * 1001, "a\0b"):
        (text,) = findings(encoded(instance({one: []})))
        assert text.startswith(f"{TASKS}[0].id: a task's id has up to 1000 characters, none of them NUL, got ")


def test_all_findings_are_told_at_once() -> None:
    """Each with its place."""
    document = instance({"a": [], "b": ["a"]})
    document["workflow"]["specification"]["tasks"][0]["id"] = 1
    document["workflow"]["execution"]["tasks"][1]["runtimeInSeconds"] = None
    assert len(findings(encoded(document))) == 2


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every value of a document, by its owner and key."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


SMALL = {
    "1.4": json.loads(content("srasearch-58-v1.4.json")),
    "1.5": json.loads(content("ampliseq-14-v1.5.json")),
}
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**5000),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["${prefix}", "$", "\0", "\ud800", "AKIA" + "A" * 16, "a" * 3000]),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@settings(deadline=None, max_examples=200)
@given(st.data(), st.sampled_from(sorted(SMALL)))
def test_a_trace_with_junk_in_it_is_read_or_refused(data: st.DataObject, version: str) -> None:
    """Whatever stands somewhere, or is missing: a workflow or an InputError, and no other end."""
    document = copy.deepcopy(SMALL[version])
    known = list(places(document))
    for owner, key in data.draw(st.lists(st.sampled_from(known), max_size=3)):
        if isinstance(owner, dict) and data.draw(st.booleans()):
            owner.pop(key, None)
        elif isinstance(owner, dict) or key < len(owner):
            owner[key] = data.draw(JUNK)
    _import_or_refuse(_dumped(document))


def _dumped(document: object) -> bytes:
    """`json` refuses to write what `int` refuses to print: a number in its place becomes digits."""
    huge, marker = 10**5000, 123_454_321_987
    text = json.dumps(_replaced(document, huge, marker))
    return text.replace(str(marker), "1" + "0" * 5000).encode("utf-8", "surrogatepass")


def _replaced(value: Any, old: int, new: int) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, old, new) for inner in value]
    return new if isinstance(value, int) and value == old else value


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 3000), st.integers(0, 200))
def test_bytes_that_were_cut_or_overwritten_are_read_or_refused(junk: bytes, at: int, gap: int) -> None:
    """As after a broken download."""
    good = encoded(SMALL["1.5"])
    _import_or_refuse(good[:at] + junk + good[at + gap :])
    _import_or_refuse(good[:at] + junk)


def _import_or_refuse(data: bytes) -> None:
    findings: tuple[str, ...] = ()
    try:
        made = import_trace(read_trace(data, "t.json"), PLAYING, "t.json")
        made.workflow.graph()
    except InputError as error:
        findings = error.findings
    assert [text for text in findings if ", got " not in text] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("none.json",), "hpc: none.json: a trace is read here, got No such file or directory; check the path\n"),
        ((".",), "hpc: .: a trace is read here, got Is a directory; check the path\n"),
        (("t.json", "--scale", "-1"), "hpc: --scale: is a number, 0 or more, got -1; give such a number\n"),
        (("t.json", "--scale", "nan"), "hpc: --scale: is a number, 0 or more, got nan; give such a number\n"),
        (("t.json", "--name", "a b"), "hpc: --name: a name is 1 to 36 letters, digits, hyphens and underscores"),
        (("t.json", "--queue", ""), "hpc: --queue: names one of the deployment or of Batch, got none; write a name"),
        (
            ("t.json", "-o", "no/where.yaml"),
            "hpc: --output: is a file that can be written, got 'no/where.yaml': No such",
        ),
        (("w.yaml",), "hpc: w.yaml: is JSON, got an error: "),
    ],
)
def test_the_command_refuses_with_exit_code_2(shell: Shell, arguments: tuple[str, ...], expected: str) -> None:
    """And says so on stderr alone."""
    Path("t.json").write_bytes(encoded(instance({"a": []})))
    result = shell("import", *arguments, code=2)
    assert result.stderr.startswith(expected)
    assert result.stdout == ""
