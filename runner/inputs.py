"""The objects that tasks say they read: there, and what they hold at this moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from botocore.exceptions import ClientError

from runner.aws_clients import S3Client
from runner.child_content import GroupContent, RunValues
from runner.deployment import Deployment
from runner.errors import InputError
from runner.graph import TaskGraph
from runner.places import Places

_ABSENT: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_CONNECTIONS: Final = 8
_MAX_TOLD: Final = 20


def input_tags(graph: TaskGraph, deployed: Deployment, run_id: str, s3: S3Client, places: Places) -> dict[str, str]:
    """The entity tags of all inputs, by what tasks call them: a key of the bucket, or `s3://BUCKET/KEY`.

    One HeadObject for each different object. Raises InputError for those that are not there.
    """
    shared = RunValues(run_id, deployed.bucket, f"{deployed.results_prefix}{run_id}/")
    wanted: dict[str, str] = {}
    for group in graph.groups:
        if not group.task.inputs:
            continue
        content = GroupContent(graph, group, shared)
        for number in range(group.start, group.stop):
            for index, named in enumerate(content.inputs(number)):
                wanted.setdefault(named, places.where((*group.task.path, "inputs", index)))
    if not wanted:
        return {}
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        tags = dict(zip(wanted, pool.map(lambda named: _tag(s3, named, deployed.bucket), wanted), strict=True))
    missing = [named for named, tag in tags.items() if tag is None]
    if missing:
        raise InputError.of(
            f"{wanted[named]}: is an object that is there, a key of the bucket or s3://BUCKET/KEY, got {named!r}; "
            "correct it, or put it there first"
            for named in missing[:_MAX_TOLD]
        )
    return {named: tag for named, tag in tags.items() if tag is not None}


def _tag(s3: S3Client, named: str, bucket: str) -> str | None:
    key = named
    if named.startswith("s3://"):
        bucket, _, key = named.removeprefix("s3://").partition("/")
    try:
        return str(s3.head_object(Bucket=bucket, Key=key)["ETag"])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _ABSENT:
            return None
        raise
