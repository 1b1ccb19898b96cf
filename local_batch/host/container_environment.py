"""What the platform gives a container: where the cloud is, and where to fetch its job role's credentials.

As on ECS, credentials are never in the environment; the container fetches them from an address that only it knows.
Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from local_batch.engine.jobs import Job
from local_batch.engine.resources import Platform
from local_batch.host.account import ACCOUNT_ID, REGION
from local_batch.host.asgi import Reply
from local_batch.host.gateway import OWN_PREFIX
from local_batch.host.seams import MiniStack
from local_batch.publisher import PlatformError

CREDENTIALS: Final = "credentials/"
"""Path under OWN_PREFIX; the token follows."""

_EXECUTION_ENV: Final = {Platform.FARGATE: "AWS_ECS_FARGATE", Platform.EC2: "AWS_ECS_EC2"}
_ROLE_ARN: Final = re.compile(r"arn:[\w-]+:iam::(\d{12}):role/(?:.*/)?([^/]+)")


class ContainerEnvironment:
    """The EnvironmentSource of the local cloud, and the address that answers for credentials. Thread-safe."""

    def __init__(self, ministack: MiniStack, endpoint: str) -> None:
        self._ministack = ministack
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._roles: dict[str, tuple[str, str]] = {}
        self._tokens: dict[str, str] = {}

    def environment(self, job: Job) -> Mapping[str, str]:
        """See EnvironmentSource. Raises PlatformError, in ECS's words, where the job role does not exist."""
        environment = {
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_ENDPOINT_URL_S3": self._endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EXECUTION_ENV": _EXECUTION_ENV[job.spec.platform],
            # No instance profile shines through: a container has its job role's rights or none.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        role_arn = job.spec.container.get("jobRoleArn")
        if role_arn:
            self._require_role(role_arn)
            address = f"{self._endpoint}{OWN_PREFIX}{CREDENTIALS}{self._token(job.spec.job_id, role_arn)}"
            environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = address
        return environment

    def forget(self, job_id: str) -> None:
        """The job ended: its address answers no more."""
        with self._lock:
            token = self._tokens.pop(job_id, None)
            if token is not None:
                del self._roles[token]

    async def credentials(self, token: str) -> Reply:
        """The answer at a container's address: temporary credentials of its job role."""
        with self._lock:
            known = self._roles.get(token)
        if known is None:
            return _json_reply(404, {"code": "InvalidId", "message": "no running container has this address"})
        role_arn, session_name = known
        form = urlencode(
            {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role_arn, "RoleSessionName": session_name}
        )
        headers = {"content-type": "application/x-www-form-urlencoded"}
        with self._ministack.scope():
            status, _, body = await self._ministack.sts.handle_request("POST", "/", headers, form.encode(), {})
        xml = body.decode() if isinstance(body, bytes) else str(body)
        if status != 200:
            return _json_reply(500, {"code": "InternalServerError", "message": xml})
        return _json_reply(
            200,
            {
                "RoleArn": role_arn,
                "AccessKeyId": _element(xml, "AccessKeyId"),
                "SecretAccessKey": _element(xml, "SecretAccessKey"),
                "Token": _element(xml, "SessionToken"),
                "Expiration": _element(xml, "Expiration"),
            },
        )

    def _token(self, job_id: str, role_arn: str) -> str:
        """A new address for the attempt that is about to start; the last attempt's stops answering."""
        self.forget(job_id)
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[job_id] = token
            self._roles[token] = (role_arn, re.sub(r"[^\w+=,.@-]", "-", job_id)[:64])
        return token

    def _require_role(self, role_arn: str) -> None:
        found = _ROLE_ARN.fullmatch(role_arn)
        if found and found[1] == ACCOUNT_ID and self._ministack.iam.roles.get_scoped(ACCOUNT_ID, None, found[2]):
            return
        raise PlatformError(
            f"ECS was unable to assume the role '{role_arn}' that was provided for this task. Please verify that the "
            "role being passed has the proper trust relationship and permissions and that your IAM user has "
            "permissions to pass this role."
        )


def _element(xml: str, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", xml)
    if found is None:
        raise ValueError(f"AssumeRole's answer holds no {name}, got {xml[:200]!r}")
    return found[1]


def _json_reply(status: int, document: Mapping[str, str]) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()
