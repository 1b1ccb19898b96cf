"""AWS::S3::Bucket encrypted with the KMS key that its template names, which MiniStack passes over.

Where it names none, AWS takes the account's key aws/s3; MiniStack has no such key and refuses writes that ask for it,
as cdk does when it publishes to a bucket described so. Such buckets are described as those with S3's own encryption.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-bucketencryption.html
"""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree

from local_batch.host.ec2_actions import Properties
from local_batch.host.seams import MiniStack

TYPE: Final = "AWS::S3::Bucket"
ENCRYPTION: Final = "BucketEncryption"
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
Created = tuple[str, dict[str, str]]


class BucketEncryptionError(ValueError):
    """S3 refused the encryption; the text is the stack event's reason."""


def install(ministack: MiniStack) -> None:
    """Have stacks' buckets encrypted as they say, as GetBucketEncryption shows it."""
    handlers = ministack.provisioners.RESOURCE_HANDLERS[TYPE]
    create, update = handlers["create"], handlers["update"]

    def encrypt(bucket: str, properties: Properties) -> None:
        wanted = properties.get(ENCRYPTION)
        if not wanted or not names_keys(wanted):
            ministack.s3.delete_bucket_encryption(bucket)
            return
        status, _, body = ministack.s3.put_bucket_encryption(bucket, encryption_document(wanted))
        if status >= 300:
            raise BucketEncryptionError(f"{ENCRYPTION}: {body.decode()}")

    def create_bucket(logical_id: str, properties: Properties, stack_name: str) -> Created:
        name, attributes = create(logical_id, properties, stack_name)
        if properties.get(ENCRYPTION):
            encrypt(name, properties)
        return name, attributes

    def update_bucket(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Created:
        name, attributes = update(physical_id, old, new, stack_name)
        if old.get(ENCRYPTION) != new.get(ENCRYPTION) or name != physical_id:
            encrypt(name, new)
        return name, attributes

    handlers.update({"create": create_bucket, "update": update_bucket})


def names_keys(encryption: Properties) -> bool:
    """Whether every rule that encrypts with KMS says with which key."""
    rules = encryption.get("ServerSideEncryptionConfiguration") or ()
    defaults = [rule.get("ServerSideEncryptionByDefault") or {} for rule in rules]
    return all(default.get("KMSMasterKeyID") for default in defaults if default.get("SSEAlgorithm") != "AES256")


def encryption_document(encryption: Properties) -> bytes:
    """The body of PutBucketEncryption for a template's BucketEncryption."""
    root = ElementTree.Element("ServerSideEncryptionConfiguration", xmlns=_NAMESPACE)
    for entry in encryption.get("ServerSideEncryptionConfiguration") or ():
        rule = ElementTree.SubElement(root, "Rule")
        default = entry.get("ServerSideEncryptionByDefault") or {}
        by_default = ElementTree.SubElement(rule, "ApplyServerSideEncryptionByDefault")
        for name in ("SSEAlgorithm", "KMSMasterKeyID"):
            if default.get(name):
                ElementTree.SubElement(by_default, name).text = str(default[name])
        ElementTree.SubElement(rule, "BucketKeyEnabled").text = _flag(entry.get("BucketKeyEnabled", False))
    return ElementTree.tostring(root)


def _flag(value: Any) -> str:
    return str(value).lower()
