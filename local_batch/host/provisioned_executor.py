"""An executor in front of the real one: it asks what an attempt may, and fetches the values of its secrets, at last.

The dispatcher must not wait, and MiniStack's stores belong to the event loop. So work with secrets makes a detour over
the loop, and all work where rights are checked; other work goes straight on. Values of secrets exist in the work that
is handed over and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from local_batch.engine.resources import Platform
from local_batch.executors.work import AttemptWork, Executor, Reporter, StartFailed
from local_batch.host.attempt_permissions import AttemptPermissions
from local_batch.host.container_environment import EXECUTION_ENVIRONMENTS
from local_batch.host.secret_values import MayRead, SecretError, SecretValues, anybody

_FAULT: Final = "ResourceInitializationError: unable to pull secrets: the local cloud failed; its server.log says why"

_LOG = logging.getLogger(__name__)


class ProvisionedExecutor:
    """Implements executors.work.Executor; made on the loop's thread."""

    def __init__(
        self,
        executor: Executor,
        reporter: Reporter,
        secrets: SecretValues,
        permissions: AttemptPermissions | None = None,
    ) -> None:
        """`permissions` is None where rights are not checked."""
        self._executor = executor
        self._reporter = reporter
        self._secrets = secrets
        self._permissions = permissions
        self._loop = asyncio.get_running_loop()
        self._detours: set[tuple[str, int]] = set()

    def start(self, works: Sequence[AttemptWork]) -> None:
        """See Executor."""
        is_asked = self._permissions is not None
        ready = [work for work in works if not (work.secrets or is_asked)]
        detouring = [work for work in works if work.secrets or is_asked]
        if ready:
            self._executor.start(ready)
        if detouring:
            self._detours.update((work.job_id, work.attempt) for work in detouring)
            self._loop.call_soon_threadsafe(self._provide, detouring)

    def stop(self, job_id: str, attempt: int, grace_seconds: float) -> None:
        """See Executor. It goes the way that the start went, so that it does not overtake it."""
        stop = partial(self._executor.stop, job_id, attempt, grace_seconds)
        if (job_id, attempt) in self._detours:
            self._loop.call_soon_threadsafe(stop)
        else:
            stop()

    def close(self) -> None:
        """See Executor."""
        self._executor.close()

    def _provide(self, works: Sequence[AttemptWork]) -> None:
        """On the loop."""
        ready, failed = [], []
        for work in works:
            try:
                values = self._values(work)
            except SecretError as error:
                failed.append(StartFailed(work.job_id, work.attempt, str(error)))
            except Exception:  # noqa: BLE001 - whatever it is, the attempt must not wait for ever
                _LOG.exception("job %s could not be provided with what it needs", work.job_id)
                failed.append(StartFailed(work.job_id, work.attempt, _FAULT))
            else:
                ready.append(replace(work, environment={**work.environment, **values}, secrets=()))
        if ready:
            self._executor.start(ready)
        if failed:
            self._reporter.report(failed)
        self._detours.difference_update((work.job_id, work.attempt) for work in works)

    def _values(self, work: AttemptWork) -> dict[str, str]:
        """Of its secrets. Raises SecretError with the reason of an attempt that may not start."""
        may_read: MayRead = anybody
        if self._permissions is not None:
            refusal = self._permissions.refusal(work)
            if refusal:
                raise SecretError(refusal)
            may_read = self._permissions.may_read(work)
        on_fargate = work.environment.get("AWS_EXECUTION_ENV") == EXECUTION_ENVIRONMENTS[Platform.FARGATE]
        return self._secrets.values(work.secrets, on_fargate=on_fargate, may_read=may_read)
