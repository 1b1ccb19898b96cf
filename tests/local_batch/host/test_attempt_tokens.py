"""Signed names of attempts."""

from __future__ import annotations

import re

import pytest

from local_batch.host.attempt_tokens import AttemptName, AttemptTokens

TOKENS = AttemptTokens(b"key")
IDS = ["0f7a-1", "0f7a-1:17", "0f7a-1#3"]


@pytest.mark.parametrize("job_id", IDS)
def test_token_names_its_attempt_and_fits_into_a_path(job_id: str) -> None:
    """No character of it means anything in a URL."""
    token = TOKENS.issue("a/", AttemptName(job_id, 2))
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", token)
    assert TOKENS.read("a/", token) == AttemptName(job_id, 2)


def test_token_is_good_for_one_purpose_and_one_server() -> None:
    """The address of the metadata does not open the credentials."""
    token = TOKENS.issue("a/", AttemptName("j", 1))
    assert TOKENS.read("b/", token) is None
    assert AttemptTokens(b"another").read("a/", token) is None


@pytest.mark.parametrize("change", [("j.1", "j.2"), ("j.1", "k.1"), ("j.1.", ""), ("j.1.", "j.1.x")])
def test_changed_token_is_nobodys(change: tuple[str, str]) -> None:
    """Nor one that was made up."""
    token = TOKENS.issue("a/", AttemptName("j", 1))
    assert TOKENS.read("a/", token.replace(*change)) is None


@pytest.mark.parametrize("token", ["", ".", "..", "x", "é.1.é"])
def test_noise_is_nobodys(token: str) -> None:
    """Whatever comes in a path."""
    assert TOKENS.read("a/", token) is None
