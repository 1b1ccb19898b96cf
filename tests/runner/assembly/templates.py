"""Small templates made by hand: what bills, permissions and diagrams are told from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from runner.assembly.bill import Bill
from runner.assembly.billing import bill_of
from runner.assembly.cloud_assembly import Assembly, assembly_of
from runner.assembly.price_table import shipped_table


def template(resources: Mapping[str, tuple[str, Mapping[str, Any]]], stack: str = "S") -> dict[str, Any]:
    """Of resources by logical id, each a type and its properties; its path is its id."""
    return {
        "Resources": {
            name: {"Type": kind, "Properties": properties, "Metadata": {"aws:cdk:path": f"{stack}/{name}/Resource"}}
            for name, (kind, properties) in resources.items()
        }
    }


def write_assembly(folder: Path, **templates: str) -> None:
    """A cloud assembly of these templates by stack, as texts."""
    folder.mkdir(parents=True, exist_ok=True)
    artifacts: dict[str, dict[str, Any]] = {"Tree": {"type": "cdk:tree", "properties": {"file": "tree.json"}}}
    for stack, text in templates.items():
        name = f"{stack}.template.json"
        (folder / name).write_text(text, encoding="utf-8")
        artifacts[stack] = {"type": "aws:cloudformation:stack", "properties": {"templateFile": name}}
    (folder / "manifest.json").write_text(json.dumps({"version": "53.0.0", "artifacts": artifacts}), encoding="utf-8")


def one_stack(**resources: tuple[str, Mapping[str, Any]]) -> Assembly:
    """An assembly of one stack named S."""
    return assembly_of({"S": template(resources)})


def bill(kind: str, properties: Mapping[str, Any] | None = None, **others: tuple[str, Mapping[str, Any]]) -> Bill:
    """The bill of one resource, called `it`, beside others that it may name."""
    assembly = one_stack(it=(kind, properties or {}), **others)
    return bill_of(assembly.resources[0], assembly, shipped_table())


def usd(text: str) -> Decimal:
    """An amount."""
    return Decimal(text)
