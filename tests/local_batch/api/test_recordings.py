"""The notation of recorded facts, what is found with it, and the facts themselves against the service model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.model import ListShape, MapShape, Shape, StructureShape

from tests.contract.model_check import MODEL
from tests.local_batch.api.recordings import DATA, Record, load, members_of, misfits

RECORDS = load()
SOURCES = yaml.safe_load((DATA / "sources.yaml").read_text(encoding="utf-8"))
SHAPES = {"event": "JobDetail"}
"""Structures of the model for what is no operation's reply."""


def recorded(tmp_path: Path, members: Any, parts: dict[str, Any] | None = None) -> Record:
    """A record with these members, by way of files."""
    source = {"where": "owner/repository:path", "year": 2020, "kind": "raw"}
    entry = {"shows": "a thing", "operation": "event", "at": ".", "sources": ["one"], "members": members}
    for name, document in (("sources", {"one": source}), ("parts", parts or {}), ("things", {"thing": entry})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return load(tmp_path)["thing"]


@pytest.fixture
def plain(tmp_path: Path) -> Record:
    """A record of a few members of every kind."""
    return recorded(
        tmp_path,
        {
            "status": "= OK | WELL",
            "size": "number",
            "done": "flag",
            "maybe note": "text",
            "tags@2020": "texts",
            "code": 137,
            "sure": True,
            "share": "decimal",
            "path": "~ [a-z]+/[0-9]",
            "owner": "arn role | ip",
            "none": [],
            "parts": [{"name": "text"}],
            "ends": ["number", "..."],
            "inner": {"free": "any"},
        },
    )


def reply(**other: Any) -> dict[str, Any]:
    """What fits the record, with other values for some members."""
    return {
        "status": "WELL",
        "size": 1,
        "done": True,
        "tags": {"a": "b"},
        "code": 137,
        "sure": True,
        "share": 0.5,
        "path": "ab/1",
        "owner": "127.0.0.1",
        "none": [],
        "parts": [{"name": "a"}, {"name": "b"}],
        "ends": [1],
        "inner": {"free": None},
        **other,
    }


def test_a_reply_that_fits_has_no_misfits(plain: Record) -> None:
    """With and without a member that is only sometimes there."""
    assert misfits(plain, reply()) == []
    assert misfits(plain, reply(note="n", owner="arn:aws:iam::123456789012:role/r")) == []


@pytest.mark.parametrize("name", ["status", "tags", "none", "inner"])
def test_a_missing_member_is_found(plain: Record, name: str) -> None:
    """One that the service has had only since some year is as much there as any other."""
    given = reply()
    del given[name]
    assert misfits(plain, given) == [f"{name}: is missing"]


def test_a_member_that_no_recording_has_is_found(plain: Record) -> None:
    """On the first level and below."""
    given = reply(inner={"free": 1, "secret": 2}, parts=[{"name": "a", "colour": "red"}], mine=None)
    assert sorted(misfits(plain, given)) == [
        "inner.secret: no recording has it",
        "mine: no recording has it",
        "parts[0].colour: no recording has it",
    ]


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("size", "1", "size: is an integer, got '1'"),
        ("size", True, "size: is an integer, got True"),
        ("done", 1, "done: is a boolean, got 1"),
        ("note", None, "note: is a string, got None"),
        ("tags", {"a": 1}, "tags: is an object of strings, got {'a': 1}"),
        ("status", "FINE", "status: is OK or WELL, got 'FINE'"),
        ("code", 1, "code: is 137, got 1"),
        ("sure", 1, "sure: is True, got 1"),
        ("share", "1", "share: is a number, got '1'"),
        ("share", False, "share: is a number, got False"),
        ("path", "ab/12", "path: has the form '~ [a-z]+/[0-9]', got 'ab/12'"),
        ("owner", "me", "owner: has the form 'arn role | ip', got 'me'"),
        ("none", [1], "none: is empty, got [1]"),
        ("none", {}, "none: is a list, got {}"),
        ("parts", [{"name": "a"}, {}], "parts[1].name: is missing"),
        ("ends", [], "ends: has an entry, got []"),
        ("ends", [1, "2"], "ends[1]: is an integer, got '2'"),
        ("parts", ["a"], "parts[0]: is an object, got 'a'"),
        ("inner", [], "inner: is an object, got []"),
    ],
)
def test_a_wrong_type_or_word_is_found(plain: Record, name: str, value: Any, rule: str) -> None:
    """With the path to it, the rule and the value."""
    assert misfits(plain, reply(**{name: value})) == [rule]


def test_a_record_can_be_like_others(tmp_path: Path) -> None:
    """Models one after the other, less what is left out, then what is its own, inside structures member by member."""
    parts = {
        "one": {"a": "text", "maybe b": "text", "inner": {"x": "text", "y": "text"}},
        "two": {"like": "one", "c@2020": "text"},
        "three": {"d": "text"},
    }
    members = {"like": ["two", "three"], "without": ["a"], "b": "number", "inner": {"y": "number", "z": "text"}}
    record = recorded(tmp_path, members, parts)
    assert misfits(record, {"b": 1, "inner": {"x": "", "y": 2, "z": ""}, "c": "", "d": ""}) == []
    assert misfits(record, {"b": 1, "inner": {"x": "", "y": 2, "z": ""}, "c": "", "d": "", "a": ""}) == [
        "a: no recording has it"
    ]


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"a": "texte"}, "thing.a: 'texte' is no fact"),
        ({"a": [{"b": "arn moon"}]}, r"thing.a\[\].b: 'arn moon' is no fact"),
        ({"a": None}, "thing.a: None is no fact"),
        ({"a": ["text", "number"]}, r"thing.a: \['text', 'number'\] is no list of the notation"),
        ({"perhaps a": "text"}, "'perhaps a' is no member's name"),
        ({"a@20": "text"}, "'a@20' is no member's name"),
    ],
)
def test_what_is_not_of_the_notation_is_refused(tmp_path: Path, members: Any, text: str) -> None:
    """A slip of the pen must not pass for a fact."""
    with pytest.raises(ValueError, match=text):
        recorded(tmp_path, members)


def test_every_source_says_where_it_is_and_is_used() -> None:
    """A place, a year since the service began, and how far it is to be trusted."""
    assert {source["kind"] for source in SOURCES.values()} <= {"raw", "edited", "step", "told", "document"}
    assert all(source["where"] and 2016 <= source["year"] <= 2026 for source in SOURCES.values())
    used = {source for record in RECORDS.values() for source in record.sources}
    assert {source["where"] for source in SOURCES.values()} == {source.where for source in used}
    assert all(record.sources and record.shows for record in RECORDS.values())


def shape_of(record: Record) -> Shape | None:
    """The shape of the service model that the record is about; None for HTTP and the envelopes of events."""
    if record.operation not in MODEL.operation_names:
        return MODEL.shape_for(SHAPES[record.operation]) if record.at == "detail" else None
    shape: Shape = MODEL.operation_model(record.operation).output_shape
    for step in record.at.strip(".").split(".") if record.at != "." else ():
        shape = shape.members[step.removesuffix("[]")]
        shape = shape.member if isinstance(shape, ListShape) else shape
    return shape


def unknown_to(shape: Shape, fact: Any, path: str) -> list[str]:
    """Paths in a fact that the model does not have, or has with another type."""
    if isinstance(fact, dict) and isinstance(shape, StructureShape):
        found = []
        for member in members_of(fact):
            inner, where = shape.members.get(member.name), f"{path}.{member.name}"
            found += [where] if inner is None else unknown_to(inner, member.fact, where)
        return found
    if isinstance(fact, list) and isinstance(shape, ListShape):
        return [item for entry in fact[:1] for item in unknown_to(shape.member, entry, f"{path}[]")]
    if isinstance(shape, MapShape):
        return [] if fact == "texts" or isinstance(fact, dict) else [path]
    kind = {bool: "flag", int: "number"}.get(type(fact), str(fact))
    types = {"number": ("integer", "long"), "decimal": ("double", "float"), "flag": ("boolean",)}
    return [] if shape.type_name in types.get(kind, ("string",)) else [path]


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_recorded_members_are_of_the_service_model(name: str) -> None:
    """Names and types agree with what boto3 is built from, so no fact is misspelled."""
    record = RECORDS[name]
    shape = shape_of(record)
    if shape is not None:
        assert unknown_to(shape, dict(record.members), name) == []
