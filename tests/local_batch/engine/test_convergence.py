"""In the long run the vCPUs of a shared queue are divided by 1 / weight factor, whatever the jobs are like."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from local_batch.engine import events
from local_batch.engine.actions import Action, StartAttempt
from local_batch.engine.jobs import Job
from tests.local_batch.engine.cloud import SHARED, Cloud, job_spec

VCPUS = 16
NOT_SHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""A world is small as it is, and takes a second."""

TOLERANCE = 0.15
"""Of a share's part. Jobs are whole, and a share gets ahead or falls behind by some of them."""


@dataclass(frozen=True)
class World:
    """Shares, each with a weight, the seconds of its longest job, and the vCPUs of each of its jobs."""

    shares: dict[str, tuple[float, int, int]]
    decay_seconds: int
    seed: int


class BusyShares:
    """A queue in which each share always has jobs waiting, on a clock that jumps from one end to the next."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.used = dict.fromkeys(world.shares, 0.0)
        """vCPU seconds of jobs that ended."""
        self.cloud = Cloud(fargate_vcpus=VCPUS)
        self._random = random.Random(world.seed)
        self._ends: list[tuple[int, int, Job]] = []
        self._numbers = itertools.count()
        weights = [(share, weight) for share, (weight, _, _) in world.shares.items()]
        self.cloud.share_out(*weights, decay_seconds=world.decay_seconds)
        for share in world.shares:
            self._watch(self._line_up(share))

    def run(self, seconds: int) -> None:
        """Let that much time go by."""
        until_ms = self.cloud.now_ms + seconds * 1000
        while self._ends[0][0] < until_ms:
            end_ms, _, job = heapq.heappop(self._ends)
            # Every event takes a millisecond of its own.
            self.cloud.now_ms = max(self.cloud.now_ms, end_ms)
            share = job.profile.share_identifier or ""
            seconds_run = (self.cloud.now_ms - (job.started_at or 0)) / 1000
            self.used[share] += job.container.demand.vcpus * seconds_run
            self._watch(self.cloud.exit(job.job_id))

    def _line_up(self, share: str) -> list[Action]:
        vcpus = self.world.shares[share][2]
        name = f"{share}-{next(self._numbers)}"
        return self.cloud.submit(job_spec(name, queue=SHARED, share=share, vcpus=vcpus, array_size=100))

    def _watch(self, actions: list[Action]) -> None:
        waiting = [action.job for action in actions if isinstance(action, StartAttempt)]
        while waiting:
            job = waiting.pop()
            share = job.profile.share_identifier or ""
            self.cloud.happen(events.ContainerStarted(job.job_id, 1))
            length_ms = self._random.randint(1000, self.world.shares[share][1] * 1000)
            heapq.heappush(self._ends, (self.cloud.now_ms + length_ms, next(self._numbers), job))
            if job.index == 0:
                more = self._line_up(share)
                waiting += [action.job for action in more if isinstance(action, StartAttempt)]


def parts(world: World, windows: int) -> dict[str, float]:
    """Each share's part of the use, after two windows to settle."""
    shares, window = BusyShares(world), world.decay_seconds or 600
    shares.run(2 * window)
    shares.used = dict.fromkeys(shares.used, 0.0)
    shares.run(windows * window)
    total = sum(shares.used.values())
    return {share: used / total for share, used in shares.used.items()}


def fair_parts(world: World) -> dict[str, float]:
    """What the weights say."""
    whole = sum(1 / weight for weight, _, _ in world.shares.values())
    return {share: 1 / weight / whole for share, (weight, _, _) in world.shares.items()}


worlds = st.builds(
    World,
    shares=st.dictionaries(
        st.sampled_from("wxyz"),
        st.tuples(st.floats(0.25, 2).map(lambda weight: round(weight, 3)), st.integers(5, 40), st.sampled_from([1, 2])),
        min_size=2,
        max_size=4,
    ),
    decay_seconds=st.sampled_from([0, 600, 1200]),
    seed=st.integers(0, 2**32),
)


@settings(max_examples=8, deadline=None, print_blob=True, phases=NOT_SHRUNK)
@given(world=worlds)
def test_use_converges_to_the_inverse_of_the_weights(world: World) -> None:
    """Random weights, random jobs, five windows of virtual time."""
    assert parts(world, windows=5) == pytest.approx(fair_parts(world), rel=TOLERANCE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=200, deadline=None, print_blob=True, phases=NOT_SHRUNK)
@given(world=worlds)
def test_use_converges_in_many_worlds(world: World) -> None:
    """The same for longer, and more often."""
    assert parts(world, windows=30) == pytest.approx(fair_parts(world), rel=TOLERANCE)


def test_the_documentations_example_of_an_eighth() -> None:
    """A weight factor of 0.125 gets eight times the vCPUs of one of 1."""
    found = parts(World({"UserA": (0.125, 30, 1), "UserB": (1.0, 30, 1)}, 600, seed=1), windows=10)
    assert found["UserA"] / found["UserB"] == pytest.approx(8, rel=TOLERANCE)
