"""Jobs by what users call them: an id, the beginning of one, an ARN, a name; with `:index` or `#node` behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

from runner.aws_clients import Answer, BatchClient
from runner.describer import describe
from runner.errors import InputError
from runner.job_listing import ALL, jobs_of_queue, named
from runner.template_values import listed

_PART: Final = re.compile(r"(?P<whole>.+?)(?P<part>[:#]\d{1,5})?")
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BEGINNING: Final = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")
"""Four characters at least: what is killed by mistake is not brought back."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_MOST_SHOWN: Final = 5


class JobDirectory:
    """Looks jobs up: ids in Batch itself, beginnings and names among the jobs of some queues."""

    def __init__(self, batch: BatchClient, queues: Callable[[], Sequence[str]], where: str) -> None:
        self._batch = batch
        self._ask_queues = queues
        self._where = where

    def find(self, said: str) -> list[Answer]:
        """JobDetail of every job that is called so; empty for none."""
        match = _PART.fullmatch(re.sub(r"^arn:[^/]*:job/", "", said))
        if match is None:
            return []
        whole, part = match["whole"], match["part"] or ""
        ids = [whole] if _ID.fullmatch(whole) else self._ids(whole)
        found = describe(self._batch, [job_id + part for job_id in ids])
        return list(found.values())

    def all_called(self, said: str) -> list[Answer]:
        """As `find`; InputError for none."""
        found = self.find(said)
        if not found:
            raise InputError(self.unknown(said))
        return found

    def one(self, said: str) -> Answer:
        """The one job that is called so; InputError for none, and for several."""
        found = self.all_called(said)
        if len(found) > 1:
            raise InputError(self.ambiguous(said, found))
        return found[0]

    def unknown(self, said: str) -> str:
        """Says that nothing is called so."""
        return (
            f"JOB: is a job in {self._where}, by its id, a beginning of it (4 characters or more) or its name, "
            f"with :index for a child and #index for a node, got {said!r}; see: hpc stat --status ALL"
        )

    def ambiguous(self, said: str, found: Sequence[Answer]) -> str:
        """Says that several jobs are called so."""
        ids = [detail["jobId"] for detail in found]
        more = f" and {len(ids) - _MOST_SHOWN} more" if len(ids) > _MOST_SHOWN else ""
        return f"JOB: names one job, got {said!r} for {len(ids)}; use one of: {listed(ids[:_MOST_SHOWN])}{more}"

    @cached_property
    def _queues(self) -> Sequence[str]:
        return self._ask_queues()

    def _ids(self, said: str) -> list[str]:
        if _NAME.fullmatch(said):
            ids = [job.job_id for queue in self._queues for job in named(self._batch, queue, said)]
            if ids:
                return ids
        if not _BEGINNING.fullmatch(said):
            return []
        jobs = [job for queue in self._queues for job in jobs_of_queue(self._batch, queue, ALL)]
        return [job.job_id for job in jobs if job.job_id.startswith(said)]
