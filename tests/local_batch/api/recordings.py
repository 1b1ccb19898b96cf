"""Facts about recorded replies of the real service, and how a reply of ours is held against them.

The notation is explained in tests/data/service_replies/README.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DATA = Path(__file__).resolve().parents[2] / "data" / "service_replies"
_SOURCES, _PARTS = "sources.yaml", "parts.yaml"

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CLUSTER = rf"(AWSBatch-[\w-]+-|[\w-]+_Batch_){_UUID}"
_BATCH, _ECS = (rf"arn:aws[a-z-]*:{service}:[a-z0-9-]+:[0-9]{{12}}:" for service in ("batch", "ecs"))
_IAM = r"arn:aws[a-z-]*:iam::[0-9]{12}:"
FORMS: Mapping[str, str] = {
    "id": _UUID,
    "child id": rf"{_UUID}:[0-9]{{1,4}}",
    "node id": rf"{_UUID}#[0-9]{{1,3}}",
    "arn job": rf"{_BATCH}job/{_UUID}",
    "arn child": rf"{_BATCH}job/{_UUID}:[0-9]{{1,4}}",
    "arn node": rf"{_BATCH}job/{_UUID}#[0-9]{{1,3}}",
    "arn job-queue": rf"{_BATCH}job-queue/[\w-]+",
    "arn job-definition": rf"{_BATCH}job-definition/[\w-]+:[0-9]+",
    "arn compute-environment": rf"{_BATCH}compute-environment/[\w-]+",
    "arn cluster": rf"{_ECS}cluster/{_CLUSTER}",
    "arn task": rf"{_ECS}task/{_CLUSTER}/[0-9a-f]{{32}}",
    "arn container-instance": rf"{_ECS}container-instance/{_CLUSTER}/[0-9a-f]{{32}}",
    "arn role": rf"{_IAM}role/.+",
    "arn instance-profile": rf"{_IAM}instance-profile/.+",
    "log stream": r"[^:*]+/default/[0-9a-f]{32}",
    "ip": r"[0-9]{1,3}(\.[0-9]{1,3}){3}",
    "trace": r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}",
}
_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "text": (str, "a string"),
    "number": (int, "an integer"),
    "decimal": ((int, float), "a number"),
    "flag": (bool, "a boolean"),
}
_MORE = "..."
_NAME = re.compile(r"(?P<maybe>maybe )?(?P<name>[A-Za-z0-9_-]+)(@(?P<since>20\d\d))?")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a recording is; `kind` is one of those that sources.yaml explains."""

    where: str
    year: int
    kind: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a structure. `since` is the year from which the service has had it, 0 for as long as is known."""

    name: str
    fact: Any
    is_always_there: bool
    since: int


@dataclass(frozen=True, slots=True)
class Record:
    """What all recordings of one kind in one state have in common."""

    name: str
    shows: str
    operation: str
    at: str
    sources: tuple[Source, ...]
    members: Mapping[str, Any]
    """As written, with everything that it is like put in."""


def load(folder: Path = DATA) -> dict[str, Record]:
    """All records of a folder by name; ValueError for a fact or a member's name that is not of the notation."""
    documents = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))}
    sources = {name: Source(**entry) for name, entry in documents.pop(_SOURCES).items()}
    parts = dict(documents.pop(_PARTS, None) or {})
    entries = {name: entry for document in documents.values() for name, entry in document.items()}
    known = {**parts, **{name: entry["members"] for name, entry in entries.items()}}
    records = {
        name: Record(
            name=name,
            shows=entry["shows"],
            operation=entry["operation"],
            at=entry["at"],
            sources=tuple(sources[key] for key in entry["sources"]),
            members=_resolved(entry["members"], known),
        )
        for name, entry in entries.items()
    }
    for record in records.values():
        _check(record.members, record.name)
    return records


def members_of(structure: Mapping[str, Any]) -> Iterator[Member]:
    """The members that a structure of a record names."""
    for written, fact in structure.items():
        parts = _NAME.fullmatch(written)
        if parts is None:
            raise ValueError(f"{written!r} is no member's name")
        yield Member(parts["name"], fact, not parts["maybe"], int(parts["since"] or 0))


def misfits(record: Record, reply: Mapping[str, Any]) -> list[str]:
    """What the record does not allow in the structure of a reply that it is about: a path and a rule each."""
    return list(_structure_misfits(record.members, reply, ""))


def _resolved(fact: Any, known: Mapping[str, Any]) -> Any:
    """The fact with everything that it is like put in."""
    if isinstance(fact, list):
        return [_resolved(entry, known) for entry in fact]
    if not isinstance(fact, dict):
        return fact
    models = fact.get("like", [])
    whole: dict[str, Any] = {}
    for model in [models] if isinstance(models, str) else models:
        whole = _overlaid(whole, _resolved(known[model], known))
    whole = {written: value for written, value in whole.items() if _bare(written) not in fact.get("without", [])}
    own = {written: _resolved(value, known) for written, value in fact.items() if written not in ("like", "without")}
    return _overlaid(whole, own)


def _overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The members of both; of a member that both have, the upper one's word holds, inside structures one by one."""
    names = {_bare(written): written for written in below}
    whole = dict(below)
    for written, value in above.items():
        old = whole.pop(names[_bare(written)], None) if _bare(written) in names else None
        whole[written] = _overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return whole


def _bare(written: str) -> str:
    return written.removeprefix("maybe ").partition("@")[0]


def _check(fact: Any, path: str) -> None:
    """Raise ValueError for a fact that the notation does not know."""
    if isinstance(fact, dict):
        for member in members_of(fact):
            _check(member.fact, f"{path}.{member.name}")
    elif isinstance(fact, list):
        if fact[1:] not in ([], [_MORE]):
            raise ValueError(f"{path}: {fact!r} is no list of the notation")
        for entry in fact[:1]:
            _check(entry, f"{path}[]")
    elif not isinstance(fact, int) and not _is_known(fact):
        raise ValueError(f"{path}: {fact!r} is no fact")


def _is_known(fact: Any) -> bool:
    if not isinstance(fact, str):
        return False
    return fact in (*_TYPES, "texts", "any") or fact.startswith(("= ", "~ ")) or set(fact.split(" | ")) <= FORMS.keys()


def _structure_misfits(structure: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: is an object, got {value!r}"
        return
    members = {member.name: member for member in members_of(structure)}
    for member in members.values():
        where = f"{path}.{member.name}".lstrip(".")
        if member.name in value:
            yield from _misfits(member.fact, value[member.name], where)
        elif member.is_always_there:
            yield f"{where}: is missing"
    for name in value.keys() - members.keys():
        yield f"{path}.{name}".lstrip(".") + ": no recording has it"


def _misfits(fact: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(fact, dict):
        yield from _structure_misfits(fact, value, path)
    elif isinstance(fact, list):
        yield from _list_misfits(fact, value, path)
    elif isinstance(fact, int):
        if value != fact or isinstance(value, bool) is not isinstance(fact, bool):
            yield f"{path}: is {fact}, got {value!r}"
    elif rule := _broken_rule(fact, value):
        yield f"{path}: {rule}, got {value!r}"


def _broken_rule(fact: str, value: Any) -> str | None:
    """What the fact says that the value is not."""
    if fact == "any":
        return None
    if fact in _TYPES:
        kind, name = _TYPES[fact]
        fits = isinstance(value, kind) and isinstance(value, bool) is (kind is bool)
        return None if fits else f"is {name}"
    if fact == "texts":
        fits = isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values())
        return None if fits else "is an object of strings"
    if fact.startswith("= "):
        words = fact.removeprefix("= ").split(" | ")
        return None if value in words else f"is {' or '.join(words)}"
    pattern = fact.removeprefix("~ ") if fact.startswith("~ ") else "|".join(FORMS[name] for name in fact.split(" | "))
    fits = isinstance(value, str) and re.fullmatch(pattern, value) is not None
    return None if fits else f"has the form {fact!r}"


def _list_misfits(entries: list[Any], value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: is a list, got {value!r}"
    elif not entries and value:
        yield f"{path}: is empty, got {value!r}"
    elif _MORE in entries and not value:
        yield f"{path}: has an entry, got []"
    else:
        for number, entry in enumerate(value):
            yield from _misfits(entries[0], entry, f"{path}[{number}]")
