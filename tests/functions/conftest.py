"""The code of Lambda functions, called as it is, against a local cloud."""

from __future__ import annotations

from tests.contract.conftest import service

__all__ = ["service"]
