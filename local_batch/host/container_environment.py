"""What the platform gives a container: where the cloud is, and where to ask for credentials and for itself.

As on ECS, credentials are never in the environment; the container fetches them from an address that only it knows. ECS
answers at 169.254.170.2, which an ordinary user cannot; SDKs take a loopback address as well.
Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from local_batch.engine.jobs import Job
from local_batch.engine.resources import Platform
from local_batch.host.account import ACCOUNT_ID, REGION
from local_batch.host.attempt_tokens import AttemptName, AttemptTokens
from local_batch.host.gateway import OWN_PREFIX
from local_batch.host.seams import MiniStack
from local_batch.publisher import PlatformError

CREDENTIALS: Final = "credentials/"
"""Path under OWN_PREFIX; the token follows."""

METADATA: Final = "v4/"
"""Path under OWN_PREFIX; the token follows."""

EXECUTION_ENVIRONMENTS: Final[Mapping[Platform, str]] = {
    Platform.FARGATE: "AWS_ECS_FARGATE",
    Platform.EC2: "AWS_ECS_EC2",
}
_ROLE_ARN: Final = re.compile(r"arn:[\w-]+:iam::(\d{12}):role/(?:.*/)?([^/]+)")


class ContainerEnvironment:
    """The ContainerPlatform of the local cloud. Thread-safe: of MiniStack it only looks up single records."""

    def __init__(self, ministack: MiniStack, endpoint: str, tokens: AttemptTokens, file_systems: Path) -> None:
        """`file_systems` is where shared file systems are kept, a directory each."""
        self._ministack = ministack
        self._tokens = tokens
        self._own = f"{endpoint}{OWN_PREFIX}"
        self._file_systems = file_systems
        self._common = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # No instance profile shines through: a container has its job role's rights or none.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def environment(self, job: Job) -> Mapping[str, str]:
        """See ContainerPlatform. Raises PlatformError, in ECS's words, where a role that it needs does not exist."""
        name = AttemptName(job.job_id, job.attempt.number)
        environment = {
            **self._common,
            "AWS_EXECUTION_ENV": EXECUTION_ENVIRONMENTS[job.profile.platform],
            "ECS_CONTAINER_METADATA_URI_V4": f"{self._own}{METADATA}{self._tokens.issue(METADATA, name)}",
        }
        detail = job.container.detail
        if detail.get("secrets"):
            self._require_role(detail.get("executionRoleArn") or "")
        if detail.get("jobRoleArn"):
            self._require_role(detail["jobRoleArn"])
            address = f"{self._own}{CREDENTIALS}{self._tokens.issue(CREDENTIALS, name)}"
            environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = address
        return environment

    def file_system(self, configuration: Mapping[str, Any]) -> str:
        """See ContainerPlatform: one directory for each file system id, whoever mounts it.

        An access point leads to its own root directory.
        """
        file_system_id = configuration["fileSystemId"]
        root = configuration.get("rootDirectory") or "/"
        access_point_id = (configuration.get("authorizationConfig") or {}).get("accessPointId")
        if access_point_id:
            found = self._ministack.efs.access_points.get_scoped(ACCOUNT_ID, REGION, access_point_id)
            if found is None or found["FileSystemId"] != file_system_id:
                raise _efs_error(f"access point {access_point_id} does not exist on file system {file_system_id}")
            root = (found.get("RootDirectory") or {}).get("Path") or "/"
        top = self._file_systems / file_system_id
        try:
            directory = (top / root.lstrip("/")).resolve()
            if not directory.is_relative_to(top.resolve()):
                raise _efs_error(f"{root} is not a directory of file system {file_system_id}")
            directory.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise _efs_error(f"{root!r} is no directory of file system {file_system_id}: {why}") from error
        return str(directory)

    def _require_role(self, role_arn: str) -> None:
        found = _ROLE_ARN.fullmatch(role_arn)
        if found and found[1] == ACCOUNT_ID and self._ministack.iam.roles.get_scoped(ACCOUNT_ID, None, found[2]):
            return
        raise PlatformError(
            f"ECS was unable to assume the role '{role_arn}' that was provided for this task. Please verify that the "
            "role being passed has the proper trust relationship and permissions and that your IAM user has "
            "permissions to pass this role."
        )


def _efs_error(text: str) -> PlatformError:
    return PlatformError(f"failed to invoke EFS utils commands to set up EFS volumes: {text}")
