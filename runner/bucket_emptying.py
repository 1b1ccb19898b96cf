"""Buckets that are to be deleted, which has to be without a single object or version in them."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from runner.aws_clients import BucketEmptierClient
from runner.errors import HpcError

MAX_DELETIONS: Final = 1000
"""Of one DeleteObjects. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""

_GONE: Final = frozenset({"NoSuchBucket", "404"})


def empty(s3: BucketEmptierClient, bucket: str) -> int:
    """Delete every version and marker in the bucket; how many there were. A bucket may be gone.

    HpcError with S3's words for an object that it does not delete.
    """
    deleted = 0
    while True:
        try:
            page = s3.list_object_versions(Bucket=bucket, MaxKeys=MAX_DELETIONS)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return deleted
            raise
        found: list[dict[str, Any]] = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for entry in page.get(kind, ())
        ]
        if not found:
            return deleted
        # From the beginning each time: what was listed before is no more.
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
        for problem in answer.get("Errors", ()):
            raise HpcError(
                f"s3://{bucket}/{problem['Key']}: could not be deleted: {problem['Code']} {problem['Message']}"
            )
        deleted += len(found)
