"""Pages of a list, with tokens that clients pass back unread."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from local_batch.api.errors import ApiError
from local_batch.api.refusals import refuse

MAX_NAMES: Final = 100
"""In one Describe request."""

Item = TypeVar("Item")


class Pages(Generic[Item]):
    """Cuts pages out of a sequence of items that only ever grows, or loses items, but is never put in another order.

    A token holds the key of the last item shown: what is added meanwhile shifts nothing, and what is no longer wanted
    (a queue that is not asked for) still marks the place.
    """

    def __init__(self, *, limit: int, key: Callable[[Item], str]) -> None:
        self._limit = limit
        self._key = key

    def cut(
        self, items: Iterable[Item], wanted: Callable[[Item], bool], request: dict[str, Any]
    ) -> tuple[list[Item], dict[str, str]]:
        """The wanted items of the page that the request asks for; `{"nextToken": …}` where another follows.

        No more items are drawn than the page needs.
        """
        size = page_size(request, self._limit)
        rest = iter(items)
        token = request.get("nextToken")
        if token is not None:
            last = _decoded(token)
            if not any(self._key(item) == last for item in rest):
                raise _unknown(token)
        shown = list(islice(filter(wanted, rest), size + 1))
        if len(shown) <= size:
            return shown, {}
        shown.pop()
        return shown, {"nextToken": _encoded(self._key(shown[-1]))}


def page_size(request: dict[str, Any], limit: int) -> int:
    """How many items the request wants at most; raises ApiError where it is less than 1 or more than the limit."""
    size: int = limit if request.get("maxResults") is None else request["maxResults"]
    if not 1 <= size <= limit:
        raise ApiError(f"maxResults: is 1 to {limit}, got {size}; ask for that many")
    return size


def refuse_size_beside(request: dict[str, Any], names: str) -> None:
    """A list of names and the size of a page exclude each other (https://github.com/k1LoW/awspec/pull/563)."""
    if request.get(names) and request.get("maxResults") is not None:
        raise refuse(f"{names[0].upper()}{names[1:]} and MaxResults cannot both be set")


def check_names(request: dict[str, Any], names: str) -> None:
    """Raise ApiError for a list of more names than one request may have.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobQueues.html and its like
    """
    count = len(request.get(names) or ())
    if count > MAX_NAMES:
        raise refuse(f"{names} can have at most {MAX_NAMES} entries, got {count}.")


def token_of(number: int, key: str) -> str:
    """A token for a list whose items have numbers that stay: the item with this number and key was shown last."""
    return _encoded(f"{number}/{key}")


def number_of(token: str, key_at: Callable[[int], str | None]) -> int:
    """The number in a token of token_of; raises ApiError unless the item with this number has the token's key."""
    digits, _, key = _decoded(token).partition("/")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18) or key_at(int(digits)) != key:
        raise _unknown(token)
    return int(digits)


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(f"after:{key}".encode()).decode()


def _decoded(token: str) -> str:
    try:
        word, _, key = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _unknown(token) from None
    if word != "after":
        raise _unknown(token)
    return key


def _unknown(token: str) -> ApiError:
    return ApiError(f"nextToken: is one that an earlier page gave, got {token[:80]!r}; begin again without it")
