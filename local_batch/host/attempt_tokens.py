"""Addresses that only one attempt knows: names of attempts, signed.

Nothing is kept for an address: whether the attempt still runs is the engine's knowledge. So ten thousand attempts cost
nothing, an address dies with its attempt, and one that a restarted server finds running keeps its address.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import Final

SIGNATURE_BYTES: Final = 18

_TO_PATH: Final = str.maketrans({":": "~", "#": "_"})
_FROM_PATH: Final = str.maketrans({"~": ":", "_": "#"})


@dataclass(frozen=True, slots=True)
class AttemptName:
    """One attempt of a single job, child or node."""

    job_id: str
    attempt: int


class AttemptTokens:
    """Makes tokens and recognises its own. `key` is the server's secret."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, purpose: str, name: AttemptName) -> str:
        """A token that fits into a URL's path as it is, good for `purpose` only."""
        told = f"{name.job_id.translate(_TO_PATH)}.{name.attempt}"
        return f"{told}.{self._signature(purpose, told)}"

    def read(self, purpose: str, token: str) -> AttemptName | None:
        """Whose token it is; None for one that was never issued for `purpose`."""
        told, _, signature = token.rpartition(".")
        job_id, _, attempt = told.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(purpose, told).encode()):
            return None
        return AttemptName(job_id.translate(_FROM_PATH), int(attempt))

    def _signature(self, purpose: str, told: str) -> str:
        digest = hmac.digest(self._key, f"{purpose} {told}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).decode()
