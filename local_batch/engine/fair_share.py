"""Fair shares: how much each share identifier of a queue has used, and whose turn it is.

Theory of operation. Use is vCPUs times time. What was used at age `a` counts `1 - a / W`, W being the policy's decay
window: linear, as the CDK's documentation of shareDecay gives it (30 s into a window of 60 s counts half). The sum over
the past of `v * (1 - (now - t) / W)` is `A * (1 - now / W) + B / W` with A the integral of v and B that of v * t. So
two numbers for each share answer at any time, and a few buckets of the past say what to take off them once it is older
than the window. All are whole numbers (vCPUs are counted in thousandths, B twice): they add up to the same sums however
the past is cut into pieces, and so in every replay.

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


@dataclass(slots=True)
class _Bucket:
    begin_ms: int
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
        if now_ms <= self.counted_ms:
            return
        horizon = now_ms - window_ms
        if self.running_millivcpus:
            self._count(max(self.counted_ms, horizon), now_ms, max(1, window_ms // BUCKETS_PER_WINDOW))
        self.counted_ms = now_ms
        while self.buckets and self.buckets[0].end_ms <= horizon:
            gone = self.buckets.popleft()
            self.use -= gone.use
            self.moment -= gone.moment

    def weighted_use(self, now_ms: int, window_ms: int) -> int:
        """Decayed use, times twice the window: comparable between the shares of a queue. Changes nothing."""
        horizon = now_ms - window_ms
        use, moment = self.use, self.moment
        for bucket in self.buckets:
            if bucket.begin_ms >= horizon:
                break
            use -= bucket.use
            moment -= bucket.moment
            if bucket.end_ms > horizon:
                part = bucket.use * (bucket.end_ms - horizon) // (bucket.end_ms - bucket.begin_ms)
                use += part
                moment += part * (horizon + bucket.end_ms)
        begin_ms = max(self.counted_ms, horizon)
        if self.running_millivcpus and now_ms > begin_ms:
            more = self.running_millivcpus * (now_ms - begin_ms)
            use += more
            moment += more * (begin_ms + now_ms)
        placed = self.running_millivcpus * PLACED_AS_SECONDS * 1000
        return 2 * use * (window_ms - now_ms) + moment + 2 * placed * window_ms

    def _count(self, begin_ms: int, now_ms: int, bucket_ms: int) -> None:
        while begin_ms < now_ms:
            bucket = self.buckets[-1] if self.buckets else None
            if bucket is None or _full_ms(bucket, bucket_ms) <= begin_ms:
                bucket = _Bucket(begin_ms, begin_ms)
                self.buckets.append(bucket)
            end_ms = min(now_ms, _full_ms(bucket, bucket_ms))
            use = self.running_millivcpus * (end_ms - begin_ms)
            moment = use * (begin_ms + end_ms)
            bucket.end_ms = end_ms
            bucket.use += use
            bucket.moment += moment
            self.use += use
            self.moment += moment
            begin_ms = end_ms


class QueueShares:
    """The shares of one queue, under its policy of the moment."""

    def __init__(self, policy: SchedulingPolicy) -> None:
        self.shares: dict[str, Share] = {}
        self.follow(policy)

    def follow(self, policy: SchedulingPolicy) -> None:
        """This is the policy from now on."""
        self._policy = policy
        self._window_ms = (policy.decay_seconds or MIN_WINDOW_SECONDS) * 1000
        self._weights: dict[str, float] = {}

    @property
    def has_jobs(self) -> bool:
        """Whether any share has a job that has not ended."""
        return any(share.jobs for share in self.shares.values())

    def submitted(self, identifier: str, now_ms: int) -> None:
        """A job of this share was accepted."""
        if identifier not in self.shares:
            active = self.active(now_ms)
            self.shares = {name: share for name, share in self.shares.items() if name in active}
            self.shares[identifier] = Share()
            self._weights.clear()
        self.shares[identifier].jobs += 1

    def ended(self, identifier: str, now_ms: int) -> None:
        """A job of this share reached its end."""
        share = self.shares[identifier]
        share.jobs -= 1
        share.active_until_ms = now_ms + self._window_ms

    def change(self, identifier: str, vcpus: float, now_ms: int) -> None:
        """So many vCPUs more of this share run from now on; less where negative."""
        share = self.shares[identifier]
        share.advance(now_ms, self._window_ms)
        share.running_millivcpus += round(vcpus * 1000)

    def turn(self, identifier: str, now_ms: int) -> float:
        """The share with the lowest of these is next: decayed use of vCPUs, times its weight factor."""
        return self.shares[identifier].weighted_use(now_ms, self._window_ms) * self.weight_of(identifier)

    def turn_after(self, turn: float, identifier: str, vcpus: float) -> float:
        """What a `turn` becomes when a job of this share is placed."""
        return turn + 2 * round(vcpus * 1000) * PLACED_AS_SECONDS * 1000 * self._window_ms * self.weight_of(identifier)

    def active(self, now_ms: int) -> set[str]:
        """The shares that have jobs, or had until less than the decay window ago."""
        return {identifier for identifier, share in self.shares.items() if share.jobs or share.active_until_ms > now_ms}

    def reserved_ratio(self, now_ms: int) -> float:
        """The part of maxvCpus that is kept for shares that are not active."""
        if not self._policy.reservation_percent:
            return 0.0
        ratio: float = (self._policy.reservation_percent / 100) ** len(self.active(now_ms))
        return ratio

    def weight_of(self, identifier: str) -> float:
        """The weight factor of a share: its own, that of its prefix, else 1."""
        weight = self._weights.get(identifier)
        if weight is None:
            matching = (weight for pattern, weight in self._policy.weights if _matches(pattern, identifier))
            weight = self._weights[identifier] = next(matching, 1.0)
        return weight


def _full_ms(bucket: _Bucket, bucket_ms: int) -> int:
    return bucket.begin_ms - bucket.begin_ms % bucket_ms + bucket_ms


def _matches(pattern: str, identifier: str) -> bool:
    return pattern == identifier or (pattern.endswith("*") and identifier.startswith(pattern[:-1]))
