"""Fair shares: how much each share identifier of a queue has used, and whose turn it is.

Theory of operation. Use is vCPUs times time. What was used at age `a` counts `1 - a / W`, W being the policy's decay
window: linear, as the CDK's documentation of shareDecay gives it (30 s into a window of 60 s counts half). The sum over
the past of `v * (1 - (now - t) / W)` is `A * (1 - now / W) + B / W` with A the integral of v and B that of v * t. So
two numbers for each share answer at any time, and a few buckets of the past say what to take off them once it is older
than the window. vCPUs are counted in thousandths: whole numbers add up to the same sums in every replay.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/fair-share-scheduling-policies.html and
https://docs.aws.amazon.com/batch/latest/APIReference/API_FairsharePolicy.html
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from local_batch.engine.resources import SchedulingPolicy

MIN_WINDOW_SECONDS = 600
"""What a shareDecaySeconds of 0 stands for."""

BUCKETS_PER_WINDOW = 64
"""How finely the past is forgotten."""

PLACED_AS_SECONDS = 1
"""A running vCPU counts as having run this long already: else all jobs placed at one moment would be of one share."""

MAX_ACTIVE_SHARES = 500


@dataclass(slots=True)
class _Bucket:
    end_ms: int
    use: int = 0
    moment: int = 0


@dataclass(slots=True)
class Share:
    """What is known about one share identifier of one queue. Times are epoch milliseconds."""

    running_millivcpus: int = 0
    jobs: int = 0
    """Submitted and not ended."""

    active_until_ms: int = 0
    """When it stops being active, unless it has jobs: the decay window after the last of them ended."""

    counted_ms: int = 0
    use: int = 0
    moment: int = 0
    buckets: deque[_Bucket] = field(default_factory=deque)

    def advance(self, now_ms: int, window_ms: int) -> None:
        """Count what runs up to `now_ms`, and forget what is older than the window."""
        horizon = now_ms - window_ms
        if self.running_millivcpus:
            self._count(max(self.counted_ms, horizon), now_ms, max(1, window_ms // BUCKETS_PER_WINDOW))
        self.counted_ms = now_ms
        while self.buckets and self.buckets[0].end_ms <= horizon:
            gone = self.buckets.popleft()
            self.use -= gone.use
            self.moment -= gone.moment

    def _count(self, begin_ms: int, now_ms: int, bucket_ms: int) -> None:
        while begin_ms < now_ms:
            if not self.buckets or self.buckets[-1].end_ms <= begin_ms:
                self.buckets.append(_Bucket(begin_ms - begin_ms % bucket_ms + bucket_ms))
            bucket = self.buckets[-1]
            end_ms = min(now_ms, bucket.end_ms)
            use = self.running_millivcpus * (end_ms - begin_ms)
            moment = use * (begin_ms + end_ms) // 2
            bucket.use += use
            bucket.moment += moment
            self.use += use
            self.moment += moment
            begin_ms = end_ms

    def weighted_use(self, now_ms: int, window_ms: int) -> int:
        """Decayed use and what runs, times the window: comparable between the shares of a queue."""
        past = self.use * (window_ms - now_ms) + self.moment
        return past + self.running_millivcpus * PLACED_AS_SECONDS * 1000 * window_ms


class QueueShares:
    """The shares of one queue. Its policy is handed in with each call: it may be replaced."""

    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}

    def submitted(self, identifier: str) -> None:
        """A job of this share was accepted."""
        self.shares.setdefault(identifier, Share()).jobs += 1

    def ended(self, identifier: str, policy: SchedulingPolicy, now_ms: int) -> None:
        """A job of this share reached its end."""
        share = self.shares[identifier]
        share.jobs -= 1
        share.active_until_ms = now_ms + window_ms(policy)

    def change(self, identifier: str, vcpus: float, policy: SchedulingPolicy, now_ms: int) -> None:
        """So many vCPUs more of this share run from now on; less where negative."""
        share = self.shares[identifier]
        share.advance(now_ms, window_ms(policy))
        share.running_millivcpus += round(vcpus * 1000)

    def turn(self, identifier: str, policy: SchedulingPolicy, now_ms: int) -> float:
        """The share with the lowest of these is next: decayed use of vCPUs, times its weight factor."""
        share = self.shares[identifier]
        window = window_ms(policy)
        share.advance(now_ms, window)
        return share.weighted_use(now_ms, window) * weight_of(policy, identifier)

    def active(self, now_ms: int) -> set[str]:
        """The shares that have jobs, or had until less than the decay window ago."""
        return {identifier for identifier, share in self.shares.items() if share.jobs or share.active_until_ms > now_ms}

    def reserved_ratio(self, policy: SchedulingPolicy, now_ms: int) -> float:
        """The part of maxvCpus that is kept for shares that are not active."""
        if not policy.reservation_percent:
            return 0.0
        ratio: float = (policy.reservation_percent / 100) ** len(self.active(now_ms))
        return ratio


def window_ms(policy: SchedulingPolicy) -> int:
    """How long past use counts."""
    return (policy.decay_seconds or MIN_WINDOW_SECONDS) * 1000


def weight_of(policy: SchedulingPolicy, identifier: str) -> float:
    """The weight factor of a share: its own, that of its prefix, else 1."""
    for pattern, weight in policy.weights:
        if pattern == identifier or (pattern.endswith("*") and identifier.startswith(pattern[:-1])):
            return weight
    return 1.0
