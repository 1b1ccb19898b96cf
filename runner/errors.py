"""What the runner raises for its users; anything else is a defect of the runner.

HpcError                exit code 1: it could not be done
├── InputError          exit code 2: what was given is wrong; nothing was submitted
├── ServiceError        AWS refused, or could not be reached
└── SubmissionError     a run was submitted in part; the text says what became of that part
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self


class HpcError(Exception):
    """Base of everything that is told to the user as one text, without a traceback."""

    exit_code: int = 1


class InputError(HpcError):
    """What was given is wrong: a file, an option, a value. `findings` holds every complaint."""

    exit_code: int = 2

    def __init__(self, *findings: str) -> None:
        super().__init__("\n".join(findings))
        self.findings: Final = findings

    @classmethod
    def of(cls, findings: Iterable[str]) -> Self:
        """One error for all findings, each said once."""
        return cls(*dict.fromkeys(findings))


class ServiceError(HpcError):
    """AWS, or what stands in for it, refused a call or could not be reached."""


class SubmissionError(HpcError):
    """A run was submitted in part, or may have been."""
