"""A deployed front for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_batch.api.front import Front, opened


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """A Batch with its resources, nothing running."""
    with opened(tmp_path / "journal.jsonl") as front:
        yield front
