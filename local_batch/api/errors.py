"""Errors as the service gives them."""

from __future__ import annotations

import json


class ApiError(Exception):
    """A refusal. `code` is ClientException for what the caller can mend."""

    def __init__(self, message: str, *, code: str = "ClientException", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status

    def reply(self) -> tuple[int, dict[str, str], bytes]:
        """The answer on the wire."""
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": self.code}
        return self.status, headers, json.dumps({"message": self.message}).encode()


def invalid(text: str, request_id: str) -> ApiError:
    """A finding of validation, in the wrapping that the service gives its own (observed on the live service)."""
    return ApiError(f"Error executing request, Exception : {text}, RequestId: {request_id}")
