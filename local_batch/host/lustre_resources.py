"""AWS::FSx::FileSystem (Lustre) and AWS::FSx::DataRepositoryAssociation: records that a stack holds, and nothing else.

There is no API of FSx here, no file is served and nothing is imported or exported: what a template says of a file
system is checked for what its attributes need, and its attributes have the form of AWS's.
Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-fsx-filesystem.html and
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-fsx-datarepositoryassociation.html
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from local_batch.host.account import ACCOUNT_ID, REGION
from local_batch.host.ec2_actions import Properties
from local_batch.host.seams import MiniStack

FILE_SYSTEM: Final = "AWS::FSx::FileSystem"
ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
LUSTRE: Final = "LUSTRE"
MOUNT_NAME_CHARACTERS: Final = 8
Created = tuple[str, dict[str, str]]

REPLACING_LUSTRE_PROPERTIES: Final = frozenset(
    {"DeploymentType", "DriveCacheType", "EfaEnabled", "ExportPath", "ImportPath", "ImportedFileChunkSize"}
)
"""Of LustreConfiguration: a change makes another file system. PerUnitStorageThroughput and the like do not."""


class LustreError(ValueError):
    """The file system cannot be; the text is the stack event's reason."""


def create_file_system(logical_id: str, properties: Properties, stack_name: str) -> Created:  # noqa: ARG001
    """A Lustre file system. Raises LustreError for another type: nothing here stands for it."""
    kind = properties.get("FileSystemType")
    if kind != LUSTRE:
        raise LustreError(f"FileSystemType: is {LUSTRE} in a local cloud, got {kind!r}; leave the file system out")
    if "BackupId" not in properties and "StorageCapacity" not in properties:
        raise LustreError("StorageCapacity: is required for a file system that is not made from a backup, in GiB")
    return file_system(f"fs-{secrets.token_hex(9)[:17]}")


def file_system(file_system_id: str) -> Created:
    """The file system of this id with its attributes, which follow from it: there is no other record."""
    return file_system_id, {
        "Id": file_system_id,
        "DNSName": f"{file_system_id}.fsx.{REGION}.amazonaws.com",
        "LustreMountName": hashlib.sha256(file_system_id.encode()).hexdigest()[:MOUNT_NAME_CHARACTERS],
        "ResourceARN": f"arn:aws:fsx:{REGION}:{ACCOUNT_ID}:file-system/{file_system_id}",
    }


def is_another_file_system(old: Properties, new: Properties) -> bool:
    """Whether a change of LustreConfiguration, or a smaller capacity, makes another file system."""
    before, after = old.get("LustreConfiguration") or {}, new.get("LustreConfiguration") or {}
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    shrinks = int(new.get("StorageCapacity", 0)) < int(old.get("StorageCapacity", 0))
    return shrinks or bool(changed & REPLACING_LUSTRE_PROPERTIES)


def create_association(logical_id: str, properties: Properties, stack_name: str) -> Created:  # noqa: ARG001
    """A link between a directory of a file system and a prefix of a bucket."""
    for name in ("FileSystemId", "FileSystemPath", "DataRepositoryPath"):
        if not properties.get(name):
            raise LustreError(f"{name}: is required")
    return association(f"dra-{secrets.token_hex(9)[:17]}", properties)


def association(association_id: str, properties: Properties) -> Created:
    """The association of this id with its attributes."""
    arn = f"arn:aws:fsx:{REGION}:{ACCOUNT_ID}:association/{properties['FileSystemId']}/{association_id}"
    return association_id, {"AssociationId": association_id, "ResourceARN": arn}


def update_file_system(physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
    """The same file system, or the one that takes its place."""
    is_another = is_another_file_system(old, new)
    return create_file_system(logical_id, new, stack_name) if is_another else file_system(physical_id)


def update_association(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Created:  # noqa: ARG001
    """The same association."""
    return association(physical_id, new)


def install(ministack: MiniStack) -> None:
    """Make stacks able to hold both types."""
    provisioners = ministack.provisioners

    provisioners.RESOURCE_HANDLERS[FILE_SYSTEM] = {
        "create": create_file_system,
        "update": update_file_system,
        "update_with_logical_id": True,
        "delete": _delete,
    }
    provisioners.RESOURCE_HANDLERS[ASSOCIATION] = {
        "create": create_association,
        "update": update_association,
        "delete": _delete,
    }
    provisioners.REPLACING_PROPERTIES[FILE_SYSTEM] = (
        "BackupId",
        "FileSystemType",
        "KmsKeyId",
        "SecurityGroupIds",
        "StorageType",
        "SubnetIds",
    )
    provisioners.CONDITIONALLY_REPLACING_PROPERTIES[FILE_SYSTEM] = ("LustreConfiguration", "StorageCapacity")
    provisioners.REPLACING_PROPERTIES[ASSOCIATION] = (
        "BatchImportMetaDataOnCreate",
        "DataRepositoryPath",
        "FileSystemId",
        "FileSystemPath",
    )


def _delete(physical_id: str, properties: Properties) -> None:
    """Nothing beside the stack's own record."""
