"""Temporary credentials of a role for a task, as ECS hands them out: sessions of STS, made for a service.

STS's own AssumeRole is for principals of IAM; a role that trusts ECS under conditions refuses everybody else.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from local_batch.host.account import ACCOUNT_ID
from local_batch.host.role_permissions import TASKS
from local_batch.host.seams import MiniStack

DURATION_SECONDS: Final = 3600


class RoleArnError(ValueError):
    """What was given is not the ARN of a role."""


def issue(ministack: MiniStack, role_arn: str, session_name: str) -> dict[str, str]:
    """The document that the credentials address answers with. Raises RoleArnError."""
    sts = ministack.sts
    assumed_arn, refusal = sts.assumed_role_arn(role_arn, session_name)
    if refusal is not None:
        raise RoleArnError(f"jobRoleArn: is the ARN of a role, got {role_arn!r}")
    expires_at = time.time() + DURATION_SECONDS
    access_key, secret, token = sts.gen_session_access_key(), sts.gen_secret(), sts.gen_session_token()
    with ministack.scope():
        session = {
            "Arn": assumed_arn,
            "UserId": f"{sts.role_id(role_arn)}:{session_name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": expires_at,
            "AccountId": ACCOUNT_ID,
            "PrincipalType": "AssumedRole",
            "SourceAccessKeyId": "",
            "SourcePrincipalArn": TASKS,
            "SessionTags": [],
            "SessionPolicies": None,
        }
        sts.register_session(access_key, session)
    return {
        "RoleArn": role_arn,
        "AccessKeyId": access_key,
        "SecretAccessKey": secret,
        "Token": token,
        "Expiration": datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
