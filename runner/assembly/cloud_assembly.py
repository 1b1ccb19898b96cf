"""Resources of a cloud assembly, and what refers to what: `Ref`, `Fn::GetAtt`, `Fn::Sub` and imports between stacks.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from runner.assembly.template_files import MANIFEST, template_files
from runner.errors import InputError

_PATH_METADATA: Final = "aws:cdk:path"
_SUBSTITUTED: Final = re.compile(r"\$\{([^!}][^}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of one stack's template."""

    stack: str
    logical_id: str
    type: str
    path: str
    """Construct path below the stack, without CDK's own last part `Resource`; the logical id where CDK wrote none."""
    properties: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def at(self, *keys: str) -> Any:
        """A value inside of the properties; None where any of the keys is missing."""
        value: Any = self.properties
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def mappings(self, *keys: str) -> list[Mapping[str, Any]]:
        """The mappings in a list inside of the properties, none where there is no list."""
        value = self.at(*keys)
        return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


@dataclass(frozen=True)
class Assembly:
    """All stacks of one synthesis."""

    resources: tuple[Resource, ...]
    exports: Mapping[str, tuple[str, Any]]
    """Name of an export -> the stack that exports, and the value that it exports."""

    @cached_property
    def _by_id(self) -> dict[tuple[str, str], Resource]:
        return {(resource.stack, resource.logical_id): resource for resource in self.resources}

    @property
    def stacks(self) -> tuple[str, ...]:
        """Names, in the order of the alphabet."""
        return tuple(sorted({resource.stack for resource in self.resources}))

    def of_type(self, *types: str) -> list[Resource]:
        """Every resource of these CloudFormation types."""
        return [resource for resource in self.resources if resource.type in types]

    def references(self, value: Any, stack: str) -> Iterator[Resource]:
        """Resources that a value of a stack's template names, each as often as it is named."""
        if isinstance(value, list):
            for entry in value:
                yield from self.references(entry, stack)
        elif isinstance(value, Mapping):
            for key, entry in value.items():
                yield from self._named(key, entry, stack)

    def referenced(self, resource: Resource, *keys: str) -> list[Resource]:
        """What a property names, each resource once; without keys, what any property names."""
        value = resource.at(*keys) if keys else resource.properties
        return list(dict.fromkeys(self.references(value, resource.stack)))

    def _named(self, key: str, entry: Any, stack: str) -> Iterator[Resource]:
        if key == "Ref" and isinstance(entry, str):
            yield from self._found(stack, entry)
        elif key == "Fn::GetAtt":
            name = entry[0] if isinstance(entry, list) else str(entry).partition(".")[0]
            yield from self._found(stack, str(name))
        elif key == "Fn::ImportValue" and isinstance(entry, str) and entry in self.exports:
            exporter, value = self.exports[entry]
            yield from self.references(value, exporter)
        else:
            text = entry[0] if key == "Fn::Sub" and isinstance(entry, list) else entry
            if key == "Fn::Sub" and isinstance(text, str):
                for name in _SUBSTITUTED.findall(text):
                    yield from self._found(stack, name.partition(".")[0])
            yield from self.references(entry, stack)

    def _found(self, stack: str, logical_id: str) -> Iterator[Resource]:
        # Parameters and pseudo parameters such as AWS::Region are named alike and are no resources.
        resource = self._by_id.get((stack, logical_id))
        if resource is not None:
            yield resource


def read_assembly(folder: Path, where: str = "--assembly") -> Assembly:
    """The assembly that `cdk synth --output FOLDER` wrote; InputError where there is none that can be read."""
    files = template_files(folder)
    if not files:
        raise InputError(
            f"{where}: is a folder that cdk synth wrote, with a {MANIFEST} that names stacks, got {str(folder)!r}; "
            "write one with: hpc synth"
        )
    templates = {}
    for name, file in files.items():
        try:
            templates[name] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{where}: a template is JSON, got {str(file)!r}: {error}; synthesise again") from None
    return assembly_of(templates)


def assembly_of(templates: Mapping[str, Mapping[str, Any]]) -> Assembly:
    """The assembly of templates by stack name."""
    resources, exports = [], {}
    for stack, template in sorted(templates.items()):
        for logical_id, body in template.get("Resources", {}).items():
            path = body.get("Metadata", {}).get(_PATH_METADATA, f"{stack}/{logical_id}")
            resources.append(
                Resource(
                    stack=stack,
                    logical_id=logical_id,
                    type=body["Type"],
                    path=path.removeprefix(f"{stack}/").removesuffix("/Resource"),
                    properties=body.get("Properties", {}),
                )
            )
        for output in template.get("Outputs", {}).values():
            name = output.get("Export", {}).get("Name")
            if isinstance(name, str):
                exports[name] = (stack, output["Value"])
    return Assembly(tuple(resources), exports)
