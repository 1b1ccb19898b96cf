"""Which stacks are deployed first when settings change, and which changes are refused before anything is deployed."""

from __future__ import annotations

from typing import Any

import pytest

from runner.deploy_order import stacks_to_deploy_first
from runner.errors import InputError


def stack(
    uses: tuple[str, ...] = (),
    *,
    gives: tuple[str, ...] = (),
    kind: str = "AWS::S3::Bucket",
    properties: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A template that imports and exports resources, by names such as `Storage:Key`."""
    made = {
        name.partition(":")[2]: {
            "Type": kind,
            "Properties": properties or {},
            "Metadata": {"aws:cdk:path": f"{name.replace(':', '/')}/Resource"},
        }
        for name in gives
    }
    user = {"Type": "AWS::Batch::JobQueue", "Properties": {"Order": [{"Fn::ImportValue": name} for name in uses]}}
    return {
        "Resources": {**made, "User": user},
        "Outputs": {
            f"Export{number}": {
                "Value": {"Fn::GetAtt": [name.partition(":")[2], "Arn"]}
                if number % 2
                else {"Ref": name.partition(":")[2]},
                "Export": {"Name": name},
            }
            for number, name in enumerate(gives)
        },
    }


BEFORE = {
    # In the order of the alphabet, as an assembly has them, and not in that in which they are deployed.
    "Batch": stack(("Network:A", "Network:B", "Storage:Key")),
    "Network": stack(gives=("Network:A", "Network:B")),
    "Storage": stack(("Network:B",), gives=("Storage:Bucket", "Storage:Key")),
}


def test_nothing_goes_first_where_nothing_is_taken_away() -> None:
    """A first deployment, the same again, and more than there was."""
    assert stacks_to_deploy_first({}, BEFORE) == []
    assert stacks_to_deploy_first(BEFORE, BEFORE) == []
    more = {**BEFORE, "Storage": stack(gives=("Storage:Bucket", "Storage:Key", "Storage:Files"))}
    assert stacks_to_deploy_first(BEFORE, more) == []
    unused = {**BEFORE, "Storage": stack(("Network:B",), gives=("Storage:Key",))}
    assert stacks_to_deploy_first(BEFORE, unused) == []


def test_who_uses_what_is_taken_away_goes_first() -> None:
    """Of several, who uses the others before these."""
    without_key = {
        **BEFORE,
        "Batch": stack(("Network:A", "Network:B")),
        "Storage": stack(("Network:B",), gives=("Storage:Bucket",)),
    }
    assert stacks_to_deploy_first(BEFORE, without_key) == ["Batch"]
    one_zone = {
        "Batch": stack(("Network:A", "Storage:Key")),
        "Network": stack(gives=("Network:A",)),
        "Storage": stack(gives=("Storage:Bucket", "Storage:Key")),
    }
    assert stacks_to_deploy_first(BEFORE, one_zone) == ["Batch", "Storage"]


def test_what_is_exchanged_is_refused() -> None:
    """Neither stack can go first; the text says what is lost, and the way in two steps."""
    exchanged = {
        **BEFORE,
        "Batch": stack(("Network:C", "Storage:Key")),
        "Network": stack(gives=("Network:B", "Network:C")),
    }
    with pytest.raises(InputError) as caught:
        stacks_to_deploy_first(BEFORE, exchanged)
    (finding,) = caught.value.findings
    assert finding.startswith("Batch: can be changed in one go where it only gets what is new, or only loses ")
    assert "got settings that take away Network/A and bring what takes its place; make one change at a time" in finding


@pytest.mark.parametrize(
    ("kind", "changed"), [("AWS::EFS::FileSystem", "KmsKeyId"), ("AWS::FSx::FileSystem", "SubnetIds")]
)
def test_what_would_be_replaced_while_it_is_used_is_refused(kind: str, changed: str) -> None:
    """CloudFormation would roll back in the middle; what nobody uses may be replaced."""
    used = {
        "Batch": stack(("Storage:Files",)),
        "Storage": stack(gives=("Storage:Files",), kind=kind, properties={"Size": 1}),
    }
    other = {**used, "Storage": stack(gives=("Storage:Files",), kind=kind, properties={"Size": 2, changed: "key"})}
    with pytest.raises(InputError) as caught:
        stacks_to_deploy_first(used, other)
    assert str(caught.value).startswith(
        f"Storage: Storage/Files stays the one that it is while others use it, got settings that change its {changed}, "
        "which makes another one; leave these settings as they were"
    )
    assert stacks_to_deploy_first({**used, "Batch": stack()}, {**other, "Batch": stack()}) == []
    larger = {**used, "Storage": stack(gives=("Storage:Files",), kind=kind, properties={"Size": 3})}
    assert stacks_to_deploy_first(used, larger) == []
