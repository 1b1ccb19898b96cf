"""Volumes of a container and where they are mounted.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_Volume.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from local_batch.api.refusals import not_played, refuse
from local_batch.engine.resources import Platform

_CONFIGURATIONS: Final = ("host", "efsVolumeConfiguration", "s3filesVolumeConfiguration")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_FILE_SYSTEM_ID: Final = re.compile(r"fs-[0-9a-f]{8,40}")
_EFS_WITHOUT_FARGATE: Final = frozenset({"1.0.0", "1.1.0", "1.2.0", "1.3.0"})
_MAX_ROOT_DIRECTORY_CHARACTERS: Final = 4096
_MAX_PORT: Final = 65_535


def check_volumes(container: Mapping[str, Any], platform: Platform) -> None:
    """Raise ApiError for volumes and mount points that the service refuses or the local cloud does not play."""
    names: set[str] = set()
    for volume in container.get("volumes") or ():
        name = volume.get("name") or ""
        if not _NAME.fullmatch(name):
            raise refuse(f"Volume names have 1 to 255 letters, digits, hyphens and underscores, got {name!r}.")
        if name in names:
            raise refuse(f"Volume names must be unique, got {name!r} twice.")
        names.add(name)
        _check_volume(volume, container, platform)
    paths: set[str] = set()
    for point in container.get("mountPoints") or ():
        _check_mount_point(point, names, paths)
        paths.add(point["containerPath"])


def is_absolute(path: str) -> bool:
    """Whether a path of a container or a host is one that can be mounted."""
    return path.startswith("/") and "\0" not in path and ".." not in path.split("/")


def _check_volume(volume: Mapping[str, Any], container: Mapping[str, Any], platform: Platform) -> None:
    # `host: {}` says no more than that Docker picks the place; CDK writes it beside nothing else.
    if sum(bool(volume.get(name)) for name in _CONFIGURATIONS) > 1:
        raise refuse("When the volume parameter is specified, only one volume configuration type is supported")
    if volume.get("s3filesVolumeConfiguration"):
        raise not_played("containerProperties.volumes.s3filesVolumeConfiguration", volume["s3filesVolumeConfiguration"])
    source = (volume.get("host") or {}).get("sourcePath")
    if source:
        if platform is Platform.FARGATE:
            raise refuse("host.sourcePath should not be set for volumes in Fargate.")
        if not is_absolute(source):
            raise refuse(f"host.sourcePath of a volume must be an absolute path, got {source!r}.")
    if volume.get("efsVolumeConfiguration"):
        _check_efs(volume["efsVolumeConfiguration"], container)


def _check_efs(efs: Mapping[str, Any], container: Mapping[str, Any]) -> None:
    if not _FILE_SYSTEM_ID.fullmatch(efs["fileSystemId"]):
        raise refuse(f"EFS configuration fileSystemId is not valid: {efs['fileSystemId']}.")
    version = (container.get("fargatePlatformConfiguration") or {}).get("platformVersion")
    if version in _EFS_WITHOUT_FARGATE:
        raise refuse(f"EFS is supported for Fargate platform versions 1.4.0 or later, provided {version}")
    authorization = efs.get("authorizationConfig") or {}
    root, is_encrypted = efs.get("rootDirectory") or "/", efs.get("transitEncryption") == "ENABLED"
    if authorization.get("accessPointId") and root != "/":
        raise refuse('When using an EFS access point, the root directory must either be set to "/" or omitted')
    if authorization.get("accessPointId") and not is_encrypted:
        raise refuse("EFS IAM access point requires TransitEncryption to be enabled.")
    if authorization.get("iam") == "ENABLED":
        if not is_encrypted:
            raise refuse("EFS IAM authorization requires TransitEncryption to be enabled.")
        if not container.get("jobRoleArn"):
            raise refuse("EFS IAM authorization requires jobRoleArn to be specified.")
    if len(root) > _MAX_ROOT_DIRECTORY_CHARACTERS or not is_absolute(root):
        raise refuse(f"EFS configuration rootDirectory must be an absolute path, got {root[:80]!r}.")
    if not 0 <= efs.get("transitEncryptionPort", 0) <= _MAX_PORT:
        raise refuse("TransitEncryptionPort must be a valid port number.")


def _check_mount_point(point: Mapping[str, Any], names: set[str], paths: set[str]) -> None:
    if point.get("sourceVolume") not in names:
        raise refuse(f"Unknown volume '{point.get('sourceVolume')}'.")
    path = point.get("containerPath") or ""
    if not is_absolute(path):
        raise refuse(f"containerPath of a mount point must be an absolute path, got {path!r}.")
    if path in paths:
        raise refuse(f"Each containerPath can be mounted once, got {path!r} twice.")
