"""Keys of one job: what its nodes know and nobody else, derived alike on every node and never sent.

The stack's secret is the only thing that is stored. From it and the job's id comes the job's key, and from that, by
name, whatever the nodes need. Who learns a key of one job can open nothing of another.
Source: RFC 5869 (HKDF), with SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
_SALT: Final = b"cloud-hpc mpi bring-up, version 1"


def hkdf(material: bytes, *, salt: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """`length` bytes, at most 8,160, that depend on all three and tell nothing of them."""
    key = hmac.digest(salt or bytes(hashlib.sha256().digest_size), material, "sha256")
    block, found, number = b"", b"", 0
    while len(found) < length:
        number += 1
        block = hmac.digest(key, block + info + bytes([number]), "sha256")
        found += block
    return found[:length]


def job_key(secret: bytes, job_id: str) -> bytes:
    """The key of one job, by its id without a node's number."""
    return hkdf(secret, salt=_SALT, info=b"job " + job_id.encode())


@dataclass(frozen=True)
class JobKeys:
    """Everything that is derived from a job's key."""

    key: bytes
    job_id: str = "none"
    """Without a node's number."""

    @property
    def job_tag(self) -> bytes:
        """What anybody may know the job by: two jobs' main nodes on one address are told apart by it."""
        return hashlib.sha256(_SALT + self.job_id.encode()).digest()[:TAG_BYTES]

    @property
    def control(self) -> bytes:
        """Of the control channel between the main node and the others."""
        return self._derived("control channel")

    @property
    def user_seed(self) -> bytes:
        """Of the Ed25519 key that the main node logs in with."""
        return self._derived("user key")

    def host_seed(self, node: int) -> bytes:
        """Of the Ed25519 host key of a node."""
        return self._derived(f"host key {node}")

    def session(self, transcript: bytes, direction: str) -> bytes:
        """Of one connection of the control channel, one for each direction; `transcript` is both sides' nonces."""
        return hkdf(self.control, salt=transcript, info=direction.encode())

    def _derived(self, purpose: str) -> bytes:
        return hkdf(self.key, salt=_SALT, info=purpose.encode())
