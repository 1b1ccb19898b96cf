"""Pages of a list, with tokens that clients pass back unread."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from itertools import dropwhile, islice
from typing import Any, TypeVar

from local_batch.api.errors import ApiError

Item = TypeVar("Item")


def page(
    items: Iterable[Item], request: dict[str, Any], *, limit: int, key: Callable[[Item], str]
) -> tuple[list[Item], dict[str, str]]:
    """The page that the request asks for, and `{"nextToken": …}` where another follows, else nothing.

    A token holds the key of the last item shown, so that what is added meanwhile shifts nothing. `items` may be lazy:
    no more are drawn than the page needs, and one.
    """
    size = limit if request.get("maxResults") is None else request["maxResults"]
    if not 1 <= size <= limit:
        raise ApiError(f"maxResults: is 1 to {limit}, got {size}; ask for that many")
    token = request.get("nextToken")
    if token is not None:
        last = _key(token)
        # The item that the token names comes first in what is left, and was shown already.
        items = dropwhile(lambda item: key(item) != last, items)
        if next(iter(items), None) is None:
            raise _unknown(token)
    shown = list(islice(items, size + 1))
    if len(shown) <= size:
        return shown, {}
    shown.pop()
    return shown, {"nextToken": base64.urlsafe_b64encode(f"after:{key(shown[-1])}".encode()).decode()}


def _key(token: str) -> str:
    try:
        word, _, key = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _unknown(token) from None
    if word != "after":
        raise _unknown(token)
    return key


def _unknown(token: str) -> ApiError:
    return ApiError(f"nextToken: is one that an earlier page gave, got {token[:80]!r}; begin again without it")
