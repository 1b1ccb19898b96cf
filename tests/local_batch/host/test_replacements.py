"""What CloudFormation replaces: the tables agree with the schemas of the resource types, as cfn-lint ships them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from local_batch.host import instance_resources, network_resources, vpc_endpoint_resources
from local_batch.host.batch_resources import COMPUTE_ENVIRONMENT, TYPES, BatchType, replaces_environment

RECORDS = {
    **network_resources.REPLACING,
    instance_resources.TYPE: instance_resources.REPLACING,
    vpc_endpoint_resources.TYPE: vpc_endpoint_resources.REPLACING,
}
NOT_PLAYED = {"ManagedInstancesProvider"}
"""Of ComputeResources: the API refuses it."""


def schema(kind: BatchType) -> dict[str, Any]:
    """The type's schema; in all Regions the same."""
    return schema_of(kind.name)


def schema_of(type_name: str) -> dict[str, Any]:
    """The schema of a type by its name."""
    found: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", type_name).schema
    return found


def paths(pointers: Iterable[str]) -> set[tuple[str, ...]]:
    """`/properties/A/B` as (A, B)."""
    return {tuple(pointer.split("/")[2:]) for pointer in pointers}


def of_compute_resources(pointers: Iterable[str]) -> set[str]:
    """Properties of ComputeResources that these lie in."""
    return {path[1] for path in paths(pointers) if path[0] == "ComputeResources"} - NOT_PLAYED


def replacing(*, may_replace: bool) -> set[str]:
    """Properties of ComputeResources whose change makes another environment, of all that there are."""
    names = schema(COMPUTE_ENVIRONMENT)["definitions"]["ComputeResources"]["properties"].keys() - NOT_PLAYED
    old = {"ComputeResources": {}, "ReplaceComputeEnvironment": may_replace}
    return {name for name in names if replaces_environment(old, {**old, "ComputeResources": {name: "another"}})}


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_create_only_properties_are_those_of_the_schema(kind: BatchType) -> None:
    """As wholes, but for ComputeResources, of which some can be changed; conditions are its own alone."""
    create_only = {path[0] for path in paths(schema(kind)["createOnlyProperties"])}
    assert set(kind.create_only) == create_only - {"ComputeResources"}
    conditional = {path[0] for path in paths(schema(kind).get("conditionalCreateOnlyProperties", ()))}
    assert conditional == ({"ComputeResources"} if kind is COMPUTE_ENVIRONMENT else set())


@pytest.mark.parametrize("type_name", RECORDS)
def test_records_are_replaced_as_their_schemas_say(type_name: str) -> None:
    """Of the properties that the local cloud takes at all; conditional ones replace where nothing else can happen."""
    of_schema = schema_of(type_name)
    create_only = {path[0] for path in paths(of_schema["createOnlyProperties"]) if len(path) == 1}
    taken = of_schema["properties"].keys()
    conditional: set[str] = set()
    if type_name == instance_resources.TYPE:
        taken = {*instance_resources.SHOWN, *instance_resources.KEPT}
        conditional = {"BlockDeviceMappings"}
        assert conditional <= {path[0] for path in paths(of_schema["conditionalCreateOnlyProperties"])}
    assert set(RECORDS[type_name]) == (create_only & taken) | conditional


def test_compute_resources_replace_as_the_schema_says() -> None:
    """Some always, some unless the template says otherwise, the others never."""
    of_schema = schema(COMPUTE_ENVIRONMENT)
    always = of_compute_resources(of_schema["createOnlyProperties"])
    assert replacing(may_replace=False) == always
    assert replacing(may_replace=True) == always | of_compute_resources(of_schema["conditionalCreateOnlyProperties"])


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_tags_are_updated_in_place_where_the_schema_says_so(kind: BatchType) -> None:
    """Those of an environment are not; a job definition has them in its next revision."""
    tagging = schema(kind)["tagging"]
    assert tagging["tagProperty"] == "/properties/Tags"
    assert ("Tags" not in kind.create_only) is tagging["tagUpdatable"]
    assert tagging["tagUpdatable"] is (kind is not COMPUTE_ENVIRONMENT)
