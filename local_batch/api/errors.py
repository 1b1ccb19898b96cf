"""Errors as the service gives them.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import json

Reply = tuple[int, dict[str, str], bytes]


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


def reply_headers(request_id: str) -> dict[str, str]:
    """Headers of every answer."""
    return {"Content-Type": "application/json", "x-amzn-RequestId": request_id}


def _json(document: dict[str, str]) -> bytes:
    return json.dumps(document).encode()
