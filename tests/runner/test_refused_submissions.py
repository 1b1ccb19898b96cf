"""Submissions of which nothing is left: what was refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import SubmissionError
from tests.runner.fake_batch import client_error
from tests.runner.faulty_batch import FaultyBatch, in_turn
from tests.runner.planned import planned
from tests.runner.submitted import submitted


def test_a_refusal_of_the_first_job_leaves_nothing(tmp_path: Path) -> None:
    """And says that there is nothing."""
    batch = FaultyBatch(before=in_turn(lambda: client_error("ClientException", "no")))
    with pytest.raises(SubmissionError, match="nothing was submitted"):
        submitted(tmp_path, batch, planned({"a": {}, "b": {"needs": ["a"]}}))
    assert batch.jobs == {}
