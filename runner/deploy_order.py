"""Which stacks go first when a deployment is changed: CloudFormation keeps what another stack imports.

cdk deploys a stack before those that use it. What settings take away has to go in the other order, first out of the
stack that uses it; what they would replace cannot be done at all while it is in use. Source:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-importvalue.html
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from runner.errors import InputError

Templates = Mapping[str, Mapping[str, Any]]
"""By stack."""

FIXED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "AWS::EC2::Subnet": ("AvailabilityZone", "CidrBlock", "VpcId"),
        "AWS::EC2::VPC": ("CidrBlock",),
        "AWS::EFS::FileSystem": ("AvailabilityZoneName", "Encrypted", "KmsKeyId"),
        "AWS::FSx::FileSystem": ("KmsKeyId", "SubnetIds"),
    }
)
"""Of types that stacks export, properties that settings decide and that make another one of it.

Source: createOnlyProperties of the types' schemas, as cfn-lint ships them.
"""


def stacks_to_deploy_first(deployed: Templates, wanted: Templates) -> list[str]:
    """Those that have to give up what others take away, before all are deployed in their usual order.

    InputError, before anything is deployed, for changes that cannot be made to stacks that are there: what is replaced,
    and what is taken away from a stack that at the same time needs something new.
    """
    replaced = list(_replaced(deployed, wanted))
    if replaced:
        raise InputError.of(replaced)
    there = {name: stack for stack, template in deployed.items() for name in exports(template)}
    staying = {name for template in wanted.values() for name in exports(template)}
    gone = there.keys() - staying
    first = [stack for stack in _users_first(deployed, there) if gone & set(imports(deployed[stack]))]
    findings = []
    for stack in first:
        new = set(imports(wanted.get(stack, {}))) - there.keys()
        if new:
            lost = sorted(gone & set(imports(deployed[stack])))
            findings.append(
                f"{stack}: can be changed in one go where it only gets what is new, or only loses what it has, got "
                f"settings that take away {_named(lost, deployed, there)} and bring what takes its place; make one "
                "change at a time: deploy first with what is taken away, then with what is new. A network stays as it "
                "is: hpc destroy keeps the results, or deploy beside it with --deployment NAME"
            )
    if findings:
        raise InputError.of(findings)
    return first


def exports(template: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names that a template exports them under."""
    outputs: Mapping[str, Any] = template.get("Outputs", {})
    return {str(output["Export"]["Name"]): output["Value"] for output in outputs.values() if "Export" in output}


def imports(value: object) -> Iterator[str]:
    """Names that a template, or a part of one, imports."""
    if isinstance(value, Mapping):
        if "Fn::ImportValue" in value:
            yield str(value["Fn::ImportValue"])
        for item in value.values():
            yield from imports(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from imports(item)


def _users_first(deployed: Templates, there: Mapping[str, str]) -> list[str]:
    uses = {stack: {there[name] for name in imports(template) if name in there} for stack, template in deployed.items()}
    return list(graphlib.TopologicalSorter(uses).static_order())[::-1]


def _replaced(deployed: Templates, wanted: Templates) -> Iterator[str]:
    for stack, template in deployed.items():
        used = {name for other, body in deployed.items() if other != stack for name in imports(body)}
        shown = {_resource_of(value) for name, value in exports(template).items() if name in used}
        after = wanted.get(stack, {}).get("Resources", {})
        for logical_id in sorted(shown & after.keys()):
            before, now = template["Resources"][logical_id], after[logical_id]
            changed = [
                name
                for name in FIXED.get(now["Type"], ())
                if before.get("Properties", {}).get(name) != now.get("Properties", {}).get(name)
            ]
            if changed:
                yield (
                    f"{stack}: {_path(before, logical_id)} stays the one that it is while others use it, got settings "
                    f"that change its {' and '.join(changed)}, which makes another one; leave these settings as they "
                    "were, or deploy beside it with --deployment NAME"
                )


def _named(names: Sequence[str], deployed: Templates, there: Mapping[str, str]) -> str:
    """What exports are of, as the paths of their constructs."""
    found = []
    for name in names:
        template = deployed[there[name]]
        logical_id = _resource_of(exports(template)[name])
        found.append(_path(template["Resources"].get(logical_id, {}), logical_id))
    return ", ".join(dict.fromkeys(found))


def _resource_of(value: object) -> str:
    if isinstance(value, Mapping):
        named = value.get("Fn::GetAtt", [value.get("Ref", "")])
        return str(named[0] if isinstance(named, list) else named)
    return ""


def _path(resource: Mapping[str, Any], logical_id: str) -> str:
    path = str(resource.get("Metadata", {}).get("aws:cdk:path", logical_id))
    return path.removesuffix("/Resource")
