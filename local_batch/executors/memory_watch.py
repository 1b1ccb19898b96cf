"""Who uses more memory than it asked for.

Theory of operation. An ordinary user has no cgroups to bound a job with, and RLIMIT_DATA counts what is reserved, which
numpy and threads do generously, rather than what is used. So the processes of an attempt are summed up a few times a
second: first their resident sizes, which one pass over the process table gives, and only where those exceed the request
their proportional sizes, which count shared pages once but take the kernel a walk over every page. Between two samples
an attempt may exceed its request. On systems without /proc nothing is watched.
"""

from __future__ import annotations

from collections.abc import Mapping

from local_batch.executors.process_table import ProcessStat, pids, proportional_bytes_of, stat_of
from local_batch.executors.running_attempt import RunningAttempt

OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
"""ECS's words."""

_MIB = 1 << 20


class MemoryWatch:
    """Samples the attempts of one executor."""

    def __init__(self, attempts: Mapping[int, RunningAttempt]) -> None:
        """`attempts` is by pid of the first process, and is looked at in place."""
        self._attempts = attempts

    def sample(self) -> tuple[list[RunningAttempt], float]:
        """The attempts above their request, and the largest share of its request that any attempt has resident."""
        members = self._members()
        above: list[RunningAttempt] = []
        largest_share = 0.0
        for attempt, stats in members.items():
            limit_bytes = attempt.work.memory_mib * _MIB
            share = sum(stat.resident_bytes for stat in stats) / limit_bytes
            largest_share = max(largest_share, share)
            if share > 1 and sum(proportional_bytes_of(stat.pid) for stat in stats) > limit_bytes:
                above.append(attempt)
        return above, largest_share

    def _members(self) -> dict[RunningAttempt, list[ProcessStat]]:
        """The processes of each attempt: its session, its orphans, and the descendants of both."""
        table = {stat.pid: stat for stat in map(stat_of, pids()) if stat is not None}
        owners: dict[int, RunningAttempt | None] = {
            pid: attempt for attempt in self._attempts.values() for pid in (attempt.pid, *attempt.orphans)
        }
        members: dict[RunningAttempt, list[ProcessStat]] = {}
        for stat in table.values():
            owner = self._owner(stat, table, owners)
            if owner is not None:
                members.setdefault(owner, []).append(stat)
        return members

    def _owner(
        self, stat: ProcessStat, table: Mapping[int, ProcessStat], owners: dict[int, RunningAttempt | None]
    ) -> RunningAttempt | None:
        path: list[int] = []
        current: ProcessStat | None = stat
        owner: RunningAttempt | None = None
        while current is not None:
            if current.pid in owners:
                owner = owners[current.pid]
                break
            path.append(current.pid)
            owner = self._attempts.get(current.session)
            if owner is not None or current.pid in path[:-1]:
                break
            current = table.get(current.parent)
        owners.update(dict.fromkeys(path, owner))
        return owner
