"""How fast jobs are submitted: one rate for a machine, slower when Batch says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_limits import MAX_SUBMIT_JOB_PER_SECOND
from runner.errors import InputError
from runner.submit_rate import NoRate, SubmitRate, submit_rate
from tests.runner.submitted import Clock


def rate(clock: Clock, file: Path | None, per_second: float = 10.0) -> SubmitRate:
    """Of a runner whose time passes only in sleep."""
    return SubmitRate(file, per_second, clock=clock, sleep=clock.sleep)


def calls_in(seconds: float, clock: Clock, *rates: SubmitRate) -> int:
    """How many calls these runners, in turn, make in that time."""
    end, calls = clock.now + seconds, 0
    while clock.now < end:
        rates[calls % len(rates)].wait()
        calls += 1
    return calls


@pytest.mark.parametrize("runners", [1, 3])
def test_all_runners_of_a_machine_together_keep_to_the_rate(tmp_path: Path, runners: int) -> None:
    """After what a pause has saved up, which is a second's worth."""
    clock = Clock()
    together = [rate(clock, tmp_path / "rate") for _ in range(runners)]
    calls_in(2.0, clock, *together)
    assert calls_in(60.0, clock, *together) == pytest.approx(600, abs=2)


def test_a_throttled_call_slows_all_down_and_they_come_back_within_a_minute(tmp_path: Path) -> None:
    """To half at first; a second one halves what is left."""
    clock = Clock()
    mine, theirs = rate(clock, tmp_path / "rate"), rate(clock, tmp_path / "rate")
    calls_in(2.0, clock, mine)
    theirs.throttled()
    assert calls_in(6.0, clock, mine) == pytest.approx(33, abs=2)
    theirs.throttled()
    theirs.throttled()
    assert calls_in(6.0, clock, mine) < 20
    calls_in(60.0, clock, mine)
    assert calls_in(6.0, clock, mine) == pytest.approx(60, abs=2)


@pytest.mark.parametrize("content", ["", "nonsense", '{"next": 1e12, "slowed": 0, "slowed_at": 1e12}', '{"next": "x"}'])
def test_a_file_of_another_boot_or_a_broken_one_stops_nobody(tmp_path: Path, content: str) -> None:
    """The wait is bounded whatever it says."""
    (tmp_path / "rate").write_text(content)
    clock = Clock()
    calls_in(5.0, clock, rate(clock, tmp_path / "rate"))
    assert max(clock.slept, default=0) < 1


def test_the_rate_is_below_the_accounts_and_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local cloud has no limit of its own; what is no number is refused."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HPC_SUBMIT_RATE", raising=False)
    assert isinstance(submit_rate("a", is_local=True), NoRate)
    default = submit_rate("a", is_local=False)
    assert isinstance(default, SubmitRate)
    assert 0 < default.per_second < MAX_SUBMIT_JOB_PER_SECOND
    monkeypatch.setenv("HPC_SUBMIT_RATE", "7.5")
    chosen = submit_rate("a", is_local=True)
    assert isinstance(chosen, SubmitRate)
    assert chosen.per_second == 7.5
    for wrong in ("0", "-1", "fast", "nan", "1e9"):
        monkeypatch.setenv("HPC_SUBMIT_RATE", wrong)
        with pytest.raises(InputError, match=f"HPC_SUBMIT_RATE: is a number of SubmitJob calls .* got '{wrong}'"):
            submit_rate("a", is_local=False)
