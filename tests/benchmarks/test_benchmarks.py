"""The table of benchmarks; what they measure is not for tests."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import main, names, table
from benchmarks.row import Row


def test_benchmarks_are_found_by_their_run() -> None:
    """A module without one is none."""
    assert "process_rate" in names()
    assert "row" not in names()


def test_the_table_shows_ratios() -> None:
    """Each beside what it is a share of."""
    rows = [Row("bare", 1600.4, "jobs/s"), Row("ours", 1200, "jobs/s", 1600, "bare")]
    assert table(rows).splitlines() == [
        "benchmark  value unit    ratio  of",
        "bare       1,600 jobs/s",
        "ours       1,200 jobs/s   0.75  bare",
    ]


def test_an_unknown_name_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with the names there are."""
    with pytest.raises(SystemExit) as stopped:
        main(["no-such"])
    assert stopped.value.code == 2
    assert "NAME: a benchmark is one of" in capsys.readouterr().err


def test_a_ratio_too_small_for_two_places_is_shown_all_the_same() -> None:
    """Two calls of ten thousand."""
    assert table([Row("ours", 2, "calls", 10_000, "loop")]).splitlines()[1] == "ours           2 calls  0.0002  loop"
