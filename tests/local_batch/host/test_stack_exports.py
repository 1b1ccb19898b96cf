"""What other stacks import stays as it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local_batch.host.conftest import Client
from tests.local_batch.host.stack_client import StackClient

EXPORT = f"exported-{uuid.uuid4().hex[:8]}"
USES_IT = {
    "User": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Fn::ImportValue": EXPORT}}}
}
USES_NOTHING = {"User": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "nothing"}}}


def topics(*names: str) -> dict[str, Any]:
    """Resources whose names are their ids."""
    return {name: {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"{EXPORT}-{name}"}} for name in names}


@pytest.fixture
def stacks(client: Client) -> Iterator[tuple[StackClient, StackClient]]:
    """One that exports the ARN of a topic, and one that imports it."""
    exporter, importer = (
        StackClient(client("cloudformation"), f"{role}-{uuid.uuid4().hex[:8]}") for role in ("exporter", "importer")
    )
    assert exporter.deploy(topics("A", "B"), exports={EXPORT: {"Ref": "A"}}) == "CREATE_COMPLETE"
    assert importer.deploy(USES_IT) == "CREATE_COMPLETE"
    yield exporter, importer
    importer.delete()
    exporter.delete()


@pytest.mark.parametrize(
    ("exports", "change"), [({}, "deleted"), ({EXPORT: {"Ref": "B"}}, "updated")], ids=["taken away", "changed"]
)
def test_an_update_that_changes_what_is_imported_rolls_back(
    stacks: tuple[StackClient, StackClient], exports: dict[str, Any], change: str
) -> None:
    """The stack is as it was, with what the update would have removed; the reason names export and user."""
    exporter, importer = stacks
    assert exporter.deploy(topics("B"), exports=exports) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Export {EXPORT} cannot be {change} as it is in use by {importer.name}" in exporter.reasons()
    assert set(exporter.physical_ids()) == {"A", "B"}
    assert exporter.deploy(topics("A", "B", "C"), exports={EXPORT: {"Ref": "A"}}) == "UPDATE_COMPLETE"


def test_once_nobody_imports_it_it_goes(stacks: tuple[StackClient, StackClient], client: Client) -> None:
    """First the stack that uses it, then the one that exports it; the name is free again."""
    exporter, importer = stacks
    assert importer.deploy(USES_NOTHING) == "UPDATE_COMPLETE"
    assert exporter.deploy(topics("B")) == "UPDATE_COMPLETE", exporter.reasons()
    names = {export["Name"] for export in client("cloudformation").list_exports()["Exports"]}
    assert EXPORT not in names
