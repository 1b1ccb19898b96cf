"""Credentials in a request: recognised and refused, never repeated.

What SubmitJob is given can be read by everyone who may call DescribeJobs, and is kept for days after the job. The
patterns are those that the issuers publish or that secret scanners use; a false alarm costs a renamed variable, a
miss costs an account.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_PATTERNS: Final = (
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    ("an AWS access key id", re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),
    ("a Google API key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}")),
    ("an API key", re.compile(r"\bsk-[A-Za-z0-9_-]{32,}")),
    ("a PyPI token", re.compile(r"\bpypi-[A-Za-z0-9_-]{32,}")),
    ("a JSON web token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")),
    ("a URL with a password", re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s:@]+@")),
)
_SECRET_KEY: Final = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_MIN_SECRET_ENTROPY_BITS: Final = 4.3
"""Per character. Random secret keys lie at 4.5 to 5; paths and identifiers of that length below 4.3."""

_CREDENTIAL_VARIABLES: Final = frozenset(
    {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"}
)
_SECRET_NAME: Final = re.compile(
    r"(?i)(?:^|[_-])(?:password|passwd|secret|secret[_-]?key|token|api[_-]?key|private[_-]?key)$"
)
_REFERENCE: Final = re.compile(r"(?:arn:|s3://|https?://|/|\./|\$)|\d*$|(?i:true|false|none|null|yes|no)$")
"""A value that only says where a secret is, or is none: an ARN, a path, a URL without password, a number, a word."""

_FIX: Final = (
    "let the job role grant what is needed, or keep it in Secrets Manager and name it under `secrets` of the job "
    "definition"
)


def kind_of_credential(text: str) -> str | None:
    """What credential a text seems to hold; None for none."""
    for kind, pattern in _PATTERNS:
        if pattern.search(text):
            return kind
    if any(_looks_random(match[0]) for match in _SECRET_KEY.finditer(text)):
        return "an AWS secret access key"
    return None


def shown(value: object) -> str:
    """A value for a message: its repr, cut at 120 characters, unless it seems to hold a credential."""
    text = repr(value)
    kind = kind_of_credential(text)
    if kind:
        return f"a value that looks like {kind} (not shown)"
    return text if len(text) <= 120 else f"{text[:117]}..."


def in_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variable name and finding, for every variable that seems to carry a credential."""
    for name, value in environment.items():
        kind = kind_of_credential(value)
        if kind:
            yield name, _finding(f"a value that looks like {kind}")
        elif name in _CREDENTIAL_VARIABLES or (_SECRET_NAME.search(name) and not _REFERENCE.match(value)):
            yield name, _finding("a variable whose name says it holds one")


def in_command(command: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Index and finding, for every element that seems to carry a credential."""
    for index, element in enumerate(command):
        kind = kind_of_credential(element)
        if kind:
            yield index, _finding(f"a value that looks like {kind}")
            continue
        option, assigned, value = element.partition("=")
        if not option.startswith("-") or not _SECRET_NAME.search(option):
            continue
        following = command[index + 1] if index + 1 < len(command) else ""
        given = value if assigned else following
        if given and not given.startswith("-") and not _REFERENCE.match(given):
            yield index, _finding("an option whose name says it gives one")


def _finding(what: str) -> str:
    return f"a request carries no credential, as everyone who may describe jobs can read it, got {what}; {_FIX}"


def _looks_random(text: str) -> bool:
    has_all_kinds = all(re.search(kind, text) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    counts = Counter(text).values()
    entropy = -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
    return has_all_kinds and entropy >= _MIN_SECRET_ENTROPY_BITS
