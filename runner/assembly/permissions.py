"""Who may use what, from the policy statements of the templates.

A statement that names a resource of the assembly grants its verbs there; one for `*` names none. Deny is left out: it
takes from everybody alike. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.assembly.cloud_assembly import Assembly, Resource

_POLICY_TYPES: Final = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")

_OWN_POLICY: Final[Mapping[str, str]] = {
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::KMS::ReplicaKey": "KeyPolicy",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::EFS::FileSystem": "FileSystemPolicy",
}
"""Types whose resources carry a policy about themselves, and the property that it is."""

_RESOURCE_POLICY_TYPES: Final = (
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::Logs::ResourcePolicy",
)
NOBODY: Final = "the stacks"
"""Whom no policy names may use it: those who deploy alone."""

NOT_YET: Final = "whom the account's owner gives it"
"""Of a managed policy that the stacks attach to no role."""


@dataclass(frozen=True)
class Grant:
    """One statement as it concerns one resource."""

    who: Resource | str
    """A role, a managed policy that no role has, or the name of somebody outside of the assembly."""
    verbs: tuple[str, ...]
    """Actions without their service."""
    resource: Resource


def grants(assembly: Assembly) -> list[Grant]:
    """Every right that the templates give to somebody on a resource of theirs, in the order of the templates."""
    return list(dict.fromkeys(_grants(assembly)))


def roles_of(assembly: Assembly, policy: Resource) -> list[Resource]:
    """The roles that a policy is attached to."""
    attached = assembly.referenced(policy, "Roles")
    for role in assembly.of_type("AWS::IAM::Role"):
        if policy in assembly.referenced(role, "ManagedPolicyArns"):
            attached.append(role)
    return list(dict.fromkeys(attached))


def users(assembly: Assembly) -> dict[Resource, str]:
    """Each resource -> who may use it and with which verbs, in one text."""
    by_resource: dict[Resource, dict[str, dict[str, None]]] = {}
    for grant in grants(assembly):
        who = grant.who if isinstance(grant.who, str) else _name(grant.who)
        by_resource.setdefault(grant.resource, {}).setdefault(who, {}).update(dict.fromkeys(grant.verbs))
    told = {resource: _told(by_who) for resource, by_who in by_resource.items()}
    for policy in assembly.of_type(*_POLICY_TYPES):
        told.setdefault(policy, _together([role.path for role in roles_of(assembly, policy)]) or NOT_YET)
    return {resource: told.get(resource, NOBODY) for resource in assembly.resources}


def _grants(assembly: Assembly) -> Iterator[Grant]:
    for resource in assembly.resources:
        if resource.type in _POLICY_TYPES:
            yield from _by_policy(assembly, resource)
        elif resource.type == "AWS::IAM::Role":
            yield from _by_role(assembly, resource)
        elif resource.type in _RESOURCE_POLICY_TYPES:
            yield from _by_resource_policy(assembly, resource)
        elif resource.type == "AWS::Lambda::Permission":
            who = str(resource.at("Principal"))
            for function in assembly.referenced(resource, "FunctionName"):
                yield Grant(who, _verbs(resource.at("Action")), function)
        elif own := _OWN_POLICY.get(resource.type):
            for statement in _statements(resource.at(own)):
                yield from _to_principals(assembly, resource, statement, [resource])


def _by_policy(assembly: Assembly, policy: Resource) -> Iterator[Grant]:
    for who in roles_of(assembly, policy) or [policy]:
        yield from _granted(assembly, policy, who, _statements(policy.at("PolicyDocument")))


def _by_role(assembly: Assembly, role: Resource) -> Iterator[Grant]:
    for policy in role.mappings("Policies"):
        yield from _granted(assembly, role, role, _statements(policy.get("PolicyDocument")))
    for statement in _statements(role.at("AssumeRolePolicyDocument")):
        yield from _to_principals(assembly, role, statement, [role])


def _by_resource_policy(assembly: Assembly, policy: Resource) -> Iterator[Grant]:
    for statement in _statements(policy.at("PolicyDocument") or policy.at("ResourcePolicy")):
        named = dict.fromkeys(assembly.references(statement.get("Resource"), policy.stack))
        yield from _to_principals(assembly, policy, statement, named)


def _granted(
    assembly: Assembly, policy: Resource, who: Resource | str, statements: Iterable[Mapping[str, Any]]
) -> Iterator[Grant]:
    for statement in statements:
        for named in dict.fromkeys(assembly.references(statement.get("Resource"), policy.stack)):
            yield Grant(who, _verbs(statement.get("Action")), named)


def _to_principals(
    assembly: Assembly, policy: Resource, statement: Mapping[str, Any], resources: Iterable[Resource]
) -> Iterator[Grant]:
    for who in _principals(assembly, policy.stack, statement.get("Principal")):
        for named in resources:
            yield Grant(who, _verbs(statement.get("Action")), named)


def _statements(given: Any) -> list[Mapping[str, Any]]:
    """Those that allow something."""
    document = _from_text(given)
    found = document.get("Statement", []) if isinstance(document, Mapping) else []
    statements = found if isinstance(found, list) else [found]
    return [entry for entry in statements if isinstance(entry, Mapping) and entry.get("Effect") == "Allow"]


def _from_text(document: Any) -> Any:
    """The document, if it is the text of one: CDK joins such texts from pieces, with references between them."""
    pieces = [document]
    if isinstance(document, Mapping) and "Fn::Join" in document:
        pieces = document["Fn::Join"][1]
    if not any(isinstance(piece, str) for piece in pieces):
        return document
    text = "".join(piece if isinstance(piece, str) else f"{{{number}}}" for number, piece in enumerate(pieces))
    try:
        return json.loads(
            text, object_hook=lambda found: {key: _with_references(value, pieces) for key, value in found.items()}
        )
    except ValueError:
        return None


def _with_references(value: Any, pieces: list[Any]) -> Any:
    """A string of such a text as what it stands for: all references in it."""
    numbers = [int(number) for number in re.findall(r"\{(\d+)\}", value)] if isinstance(value, str) else []
    return [pieces[number] for number in numbers] or value


def _verbs(action: Any) -> tuple[str, ...]:
    actions = action if isinstance(action, list) else [action]
    return tuple(str(entry).rpartition(":")[2] for entry in actions)


def _principals(assembly: Assembly, stack: str, principal: Any) -> Iterator[Resource | str]:
    if isinstance(principal, str):
        yield "everybody" if principal == "*" else principal
        return
    for kind, value in principal.items() if isinstance(principal, Mapping) else ():
        for entry in value if isinstance(value, list) else [value]:
            named = list(assembly.references(entry, stack))
            if named:
                yield from named
            elif isinstance(entry, str):
                yield "everybody" if entry == "*" else entry
            else:
                # A service's name by region, or the account's root: an intrinsic function that names nothing of ours.
                yield "the account, by IAM" if kind == "AWS" else "a service of AWS"


def _name(who: Resource) -> str:
    return f"who has {who.path}" if who.type in _POLICY_TYPES else who.path


def _told(by_who: Mapping[str, Iterable[str]]) -> str:
    """Those who have the same verbs together."""
    by_verbs: dict[tuple[str, ...], list[str]] = {}
    for who, verbs in by_who.items():
        by_verbs.setdefault(tuple(sorted(verbs)), []).append(who)
    return "; ".join(f"{_together(who)}: {', '.join(verbs)}" for verbs, who in by_verbs.items())


def _together(paths: Iterable[str]) -> str:
    """Paths, those that end alike together: `JobRole of JobDopi, JobStandin`; what has words is no path."""
    by_end: dict[str, list[str]] = {}
    for path in paths:
        parent, _, end = ("", "", path) if " " in path else path.rpartition("/")
        by_end.setdefault(end, []).append(parent)
    return ", ".join(f"{end} of {', '.join(parents)}" if all(parents) else end for end, parents in by_end.items())
