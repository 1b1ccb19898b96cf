"""Keys: RFC 5869's own examples, and that nothing which must differ is alike."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from mpi_bringup.keys import KEY_BYTES, JobKeys, hkdf, job_key
from mpi_bringup.ssh import key_pair, write_private

SECRET = b"a secret of the stack"
A_2 = (
    "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271"
    "cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
)


@pytest.mark.parametrize(
    ("material", "salt", "info", "length", "expected"),
    [
        (
            b"\x0b" * 22,
            bytes(range(13)),
            bytes(range(0xF0, 0xFA)),
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(80)),
            bytes(range(0x60, 0xB0)),
            bytes(range(0xB0, 0x100)),
            82,
            A_2,
        ),
        (
            b"\x0b" * 22,
            b"",
            b"",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
    ids=["A.1", "A.2", "A.3"],
)
def test_the_vectors_of_rfc_5869(material: bytes, salt: bytes, info: bytes, length: int, expected: str) -> None:
    """Its appendix A, for SHA-256."""
    assert hkdf(material, salt=salt, info=info, length=length).hex() == expected


def test_nodes_of_one_job_derive_the_same_key_in_every_version() -> None:
    """An image of another day must not turn a node away: these values never change within version 1."""
    keys = JobKeys(job_key(SECRET, "job-1"))
    assert keys.key.hex() == "efa7a556a0c3996926d9c43cf7b9bab75a78a707bdea0c0c3fa29c4159d50e5f"
    assert keys.control.hex() == "3f191c3d1d4e29111331a919d15cb5314445d6a31da9061d19c7b67bd6ff664f"
    assert keys.user_seed.hex() == "792b7f63872d5fc7e87be12655404a08ea5e6a4a01dcb19f1dcc1ba165156fe7"
    assert keys.host_seed(3).hex() == "2c5f0f927b3651c53dcddee18e369ab401be0d47778b03ab10d78fd29b4ac291"
    assert keys.session(b"n" * 64, "main").hex() == "8528e62f9318de1c4cef663f22909f340a7c7d641a760c664a47d99a3e5cbd08"


def test_no_two_keys_are_alike() -> None:
    """Of other jobs, secrets, nodes, purposes, connections or directions."""
    all_keys = [
        key
        for secret in (SECRET, b"another")
        for job in ("job-1", "job-11", "job-2")
        for keys in [JobKeys(job_key(secret, job))]
        for key in (
            keys.key,
            keys.control,
            keys.user_seed,
            *(keys.host_seed(node) for node in (0, 1, 10, 11)),
            *(keys.session(bytes([connection]) * 64, side) for connection in (0, 1) for side in ("main", "node")),
        )
    ]
    assert len(set(all_keys)) == len(all_keys) == 2 * 3 * 11
    assert {len(key) for key in all_keys} == {KEY_BYTES}


def test_a_key_pair_is_one_of_openssh() -> None:
    """The two halves belong together, and the same seed gives the same pair."""
    private, public = key_pair(b"s" * 32, "node-1")
    loaded = load_ssh_private_key(private.encode(), None)
    assert isinstance(loaded, Ed25519PrivateKey)
    assert loaded.private_bytes_raw() == b"s" * 32
    assert load_ssh_public_key(public.encode()) == loaded.public_key()
    assert public.startswith("ssh-ed25519 ")
    assert public.endswith(" node-1")
    assert key_pair(b"s" * 32, "node-1")[1] == public
    assert key_pair(b"t" * 32, "node-1")[1] != public


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen: install OpenSSH's client")
def test_ssh_keygen_reads_a_key_pair(tmp_path: Path) -> None:
    """OpenSSH itself finds the public key in the private one."""
    private, public = key_pair(b"s" * 32, "node-1")
    write_private(tmp_path / "key", private)
    found = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(tmp_path / "key")], capture_output=True, text=True, check=True
    )
    assert found.stdout.split()[:2] == public.split()[:2]


def test_a_private_file_is_for_its_owner(tmp_path: Path) -> None:
    """ssh refuses a key that others may read."""
    write_private(tmp_path / "key", "text")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "key").read_text() == "text"
