"""Pages of a list, with tokens that clients pass back unread."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

from local_batch.api.errors import ApiError

Item = TypeVar("Item")


def page(items: Sequence[Item], request: dict[str, Any], *, limit: int) -> tuple[Sequence[Item], dict[str, str]]:
    """The page that the request asks for, and `{"nextToken": …}` where another follows, else nothing."""
    size = request.get("maxResults") or limit
    if not 1 <= size <= limit:
        raise ApiError(f"maxResults: is 1 to {limit}, got {size}; ask for less")
    start = _position(request.get("nextToken"))
    end = start + size
    if end >= len(items):
        return items[start:], {}
    return items[start:end], {"nextToken": base64.urlsafe_b64encode(f"from:{end}".encode()).decode()}


def _position(token: str | None) -> int:
    if token is None:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if word == "from":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise ApiError(f"nextToken: is one that an earlier page gave, got {token!r}; begin again without it")
