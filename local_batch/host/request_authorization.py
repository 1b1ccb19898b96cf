"""Who may call Batch: MiniStack's evaluator of IAM policies, asked for every request as it is for its own services.

Loopback counts as a secure transport: nothing leaves the machine, and policies that deny what is not sent over TLS
(aws:SecureTransport, as CDK writes them for buckets) mean the wire.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import parse_qs

from local_batch.api.errors import ApiError
from local_batch.host.account import ACCOUNT_ID, REGION
from local_batch.host.asgi import Scope
from local_batch.host.batch_permissions import Check, Place, checks
from local_batch.host.seams import MiniStack

DENIED: Final = "AccessDeniedException"
_SERVICE: Final = "batch"
_access_key: ContextVar[str] = ContextVar("access_key_of_the_request", default="")

TagsOf = Callable[[str], Mapping[str, str]]


class RequestAuthorization:
    """Decides on requests to Batch; loop thread only."""

    def __init__(self, ministack: MiniStack, tags_of: TagsOf) -> None:
        """`tags_of` gives the tags of a Batch resource by its ARN, none for what there is not."""
        self._ministack = ministack
        self._evaluator = ministack.iam_evaluator
        self._tags_of = tags_of

    def pin(self, scope: Scope, access_key: str, body: bytes) -> None:
        """Keep the request as it was sent, for the check of its signature."""
        client = (scope.get("client") or ("127.0.0.1",))[0]
        query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
        self._ministack.responses.set_request_account_id(
            self._evaluator.find_iam_access_key_account(access_key) or access_key
        )
        self._ministack.responses.set_request_region(REGION)
        self._evaluator.pin_request_origin(client, secure_transport=True)
        path: bytes = scope.get("raw_path") or str(scope["path"]).encode()
        self._evaluator.pin_signed_request(scope["method"], path.decode("latin-1"), query, scope["headers"])
        self._evaluator.pin_signed_body(body)
        _access_key.set(access_key)

    def check(self, operation: str, request: Mapping[str, Any]) -> None:
        """Raise ApiError, in the words of AWS, for a request that is not allowed to the caller who was pinned."""
        for needed in checks(operation, request, Place(ACCOUNT_ID, REGION)):
            self._require(needed)

    def _require(self, needed: Check) -> None:
        context = dict(needed.context)
        if needed.resource.startswith(f"arn:aws:{_SERVICE}:") and not needed.resource.endswith("*"):
            tags = self._tags_of(needed.resource)
            context |= {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
        key = _access_key.get()
        denied = self._evaluator.enforce(key, needed.action, _SERVICE, REGION, needed.resource, context)
        if denied is None:
            return
        if isinstance(denied, self._evaluator.AuthError):
            raise self._unauthenticated(needed.action, denied)
        explicit = denied.decision == "Deny"
        text = self._ministack.iam_actions.identity_denial_message(
            needed.action, denied.principal_arn, needed.resource, explicit
        )
        raise ApiError(text, code=DENIED, status=403)

    def _unauthenticated(self, action: str, failure: Any) -> ApiError:
        status, _, body = self._ministack.iam_actions.access_denied_response(
            _SERVICE, action, "", str(uuid.uuid4()), error_code=failure.code, message=failure.message, headers={}
        )
        document = json.loads(body)
        return ApiError(document["message"], code=document["__type"], status=status)


def install(ministack: MiniStack) -> None:
    """Have MiniStack's own services take loopback for a secure transport as well."""
    pin = ministack.iam_evaluator.pin_request_origin
    ministack.replace("app", "pin_request_origin", lambda source_ip, _: pin(source_ip, secure_transport=True))
