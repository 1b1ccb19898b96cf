"""Errors as the service gives them, and the headers that every answer has.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html; headers and the refusal of broken JSON
follow recorded answers (tests/data/service_replies/http.yaml).
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from typing import Final

Reply = tuple[int, dict[str, str], bytes]

_EXPOSED: Final = "X-amzn-errortype,X-amzn-requestid,X-amzn-errormessage,X-amzn-trace-id,X-amz-apigw-id,date"


class ApiError(Exception):
    """A refusal. `code` is ClientException for what the caller can mend.

    `is_validation` marks findings that the service wraps, with the request's id, before it sends them; callers in
    the process get the bare text.
    """

    def __init__(
        self, message: str, *, code: str = "ClientException", status: int = 400, is_validation: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.is_validation = is_validation

    def reply(self, request_id: str) -> Reply:
        """The answer on the wire."""
        message = self.message
        if self.is_validation:
            message = f"Error executing request, Exception : {message}, RequestId: {request_id}"
        return self.status, {**reply_headers(request_id), "x-amzn-ErrorType": self.code}, _json({"message": message})


class BrokenJsonError(ApiError):
    """The body is no JSON object. Refused before the service itself sees it: the error has its name in the body."""

    def __init__(self) -> None:
        super().__init__("An error occurred during JSON parsing")

    def reply(self, request_id: str) -> Reply:
        """The answer on the wire."""
        return self.status, reply_headers(request_id), _json({"message": self.message, "__type": self.code})


class UnknownOperationError(ApiError):
    """Method and path are none of the service's operations.

    The front of the service cannot tell what to authorise; the words, and the capital in the body, are those of
    answers recorded of services with the same front (apigateway and amplify, 2020): none of Batch's own is known.
    """

    def __init__(self) -> None:
        text = "Unable to determine service/operation name to be authorized"
        super().__init__(text, code="AccessDeniedException", status=403)

    def reply(self, request_id: str) -> Reply:
        """The answer on the wire."""
        status, headers, _ = super().reply(request_id)
        return status, headers, _json({"Message": self.message})


def reply_headers(request_id: str) -> dict[str, str]:
    """Headers of every answer. `request_id` is a UUID, from which the ids of the service's front are derived."""
    digits = request_id.replace("-", "")
    return {
        "Content-Type": "application/json",
        "x-amzn-RequestId": request_id,
        "access-control-allow-origin": "*",
        "x-amz-apigw-id": urlsafe_b64encode(bytes.fromhex(digits[:22])).decode(),
        "access-control-expose-headers": _EXPOSED,
        "X-Amzn-Trace-Id": f"Root=1-{int(time.time()):08x}-{digits[:24]}",
    }


def _json(document: dict[str, str]) -> bytes:
    return json.dumps(document).encode()
