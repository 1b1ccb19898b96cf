"""Sends the requests of a run to Batch, each once, however often this is interrupted.

SubmitJob has no idempotency token: a call repeated after a lost answer makes a second job. So the SDK's own retries are
off for it, the intent is on disk before each call and the id after it, and where it is not known whether a call was
served the job is looked up by its name, which no other job has, before it is sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from runner.errors import HpcError, SubmissionError
from runner.ledger import Ledger
from runner.look_up import find_jobs
from runner.renewal import RENEWAL_SECONDS, RenewableClients, expired
from runner.requests import with_dependencies
from runner.run_record import RunRecord
from runner.submit_call import BatchClients, CredentialsError, OutageError, Pause, Rate, SubmitCall
from runner.termination import terminate

CONNECTIONS: Final = 8
"""Calls under way at once: SubmitJob takes some 50 to 200 ms, and an account has 50 a second."""

_STOP_REASON: Final = "The run was not submitted completely"


class CancelledError(SubmissionError):
    """Another process has cancelled the run."""


class Clients(RenewableClients, BatchClients, Protocol):
    """Clients for Batch, which can be made anew."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """Who is told what happens."""

    submitted: Callable[[int], None]
    """How many requests have their jobs by now."""
    say: Callable[[str], None]


class Submission:
    """Sends what a ledger says is not sent yet."""

    def __init__(
        self,
        ledger: Ledger,
        clients: Clients,
        pause: Pause,
        rate: Rate,
        voice: Voice,
        *,
        on_progress: Callable[[], None] = lambda: None,
        stopping: threading.Event | None = None,
    ) -> None:
        """`on_progress` is called after each writing to the ledger, such as to mirror it.

        `stopping` is set once no call is to be made any more: where pauses are waits for it, nobody has to wait.
        """
        self._ledger = ledger
        self._clients = clients
        self._pause = pause
        self._voice = voice
        self._on_progress = on_progress
        self._stopping = stopping or threading.Event()
        self._call = SubmitCall(clients, pause, rate, self._stopping.is_set)
        self._record = ledger.read()
        self._ids: dict[int, str] = dict(self._record.job_ids)
        self._expired: CredentialsError | None = None

    def run(self, ended: Collection[int] = ()) -> list[int]:
        """Submit every request that can be; those that wait for jobs to end, which are none of `ended`, are returned.

        Raises SubmissionError: where a request is refused, what this submission made is terminated, as dependents will
        never come; where Batch cannot be reached, nothing is, and the run can be resumed.
        """
        record = self._record
        self._reconcile()
        over = {*record.ended, *ended}
        wanted = [index for index in range(len(record.requests)) if index not in self._ids]
        held = self._held(wanted, over)
        queue = _Queue(record, [index for index in wanted if index not in held], self._ids)
        with ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="submit") as pool:
            self._send(queue, pool)
        return sorted(held)

    def _held(self, wanted: Collection[int], over: Collection[int]) -> set[int]:
        held: set[int] = set()
        for index in sorted(wanted):
            planned = self._record.requests[index]
            if any(other not in over for other in planned.waits_for) or any(
                dependency.request in held for dependency in planned.depends_on
            ):
                held.add(index)
        return held

    def _reconcile(self) -> None:
        """Find the jobs of calls whose answer a dead runner did not live to write down."""
        unknown = {index: self._record.requests[index] for index in self._record.attempted if index not in self._ids}
        settle, waited = self._pause.settle_seconds, 0.0
        while unknown:
            try:
                found = find_jobs(self._clients.batch, unknown, self._record.run_id)
            except (ClientError, BotoCoreError) as error:
                raise SubmissionError(
                    f"ListJobs: tells what was submitted, got: {error}; try again with: hpc resume "
                    f"{self._record.run_id}{self._record.target.options()}"
                ) from error
            if found:
                self._ledger.submitted(found, self._pause.clock())
                self._ids |= found
                unknown = {index: planned for index, planned in unknown.items() if index not in found}
            # ListJobs may lag behind SubmitJob: what was just sent is looked for until it must be there. A clock
            # that was set back makes nobody wait longer than that.
            began = max((self._record.attempted[index] for index in unknown), default=0.0)
            left = min(began + settle - self._pause.clock(), settle - waited)
            if not unknown or left <= 0:
                return
            nap = min(left, self._pause.longest_seconds)
            self._pause.sleep(nap)
            waited += nap

    def _send(self, queue: _Queue, pool: ThreadPoolExecutor) -> None:
        running: dict[Future[str], int] = {}
        failure: BaseException | None = None
        # Before threads ask for them: a session of boto3 makes clients in one thread at a time only.
        _ = self._clients.batch, self._clients.submitter
        try:
            while True:
                if failure is None and self._expired is None:
                    self._start(queue, pool, running)
                if not running and self._expired is not None and failure is None:
                    self._await_renewal(self._expired)
                    continue
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                failure = self._collect(queue, {future: running.pop(future) for future in done}) or failure
        except BaseException as error:
            # Calls under way are answered before anybody leaves, and none is repeated.
            self._stopping.set()
            if isinstance(error, (KeyboardInterrupt, CancelledError)):
                self._collect(queue, running)
            raise
        if isinstance(failure, (ClientError, HpcError)):
            raise self._failed(queue, failure) from failure
        if failure is not None:
            raise failure

    def _start(self, queue: _Queue, pool: ThreadPoolExecutor, running: dict[Future[str], int]) -> None:
        if self._ledger.read().cancelled_at is not None:
            raise CancelledError(f"run {self._record.run_id}: was cancelled while it was submitted")
        ready = queue.take(2 * CONNECTIONS - len(running))
        if not ready:
            return
        self._ledger.begin(ready, self._pause.clock())
        for index in ready:
            planned = self._record.requests[index]
            dependencies = [
                dependency
                for dependency in planned.depends_on
                # Batch forgets jobs a week after their end.
                if self._record.ended.get(dependency.request, {}).get("status") != "SUCCEEDED"
            ]
            request = with_dependencies(planned.request, planned.after, dependencies, self._ids)
            running[pool.submit(self._call, request)] = index

    def _collect(self, queue: _Queue, done: Mapping[Future[str], int]) -> BaseException | None:
        """Write down what came of calls; the first failure that ends the submission, where there is one."""
        found: dict[int, str] = {}
        expired: list[int] = []
        failure: BaseException | None = None
        for future, index in done.items():
            try:
                found[index] = future.result()
            except CredentialsError as error:
                expired.append(index)
                self._expired = error
            except (BotoCoreError, ClientError, HpcError) as error:
                queue.failed = index
                failure = failure or error
        if found:
            self._ledger.submitted(found, self._pause.clock())
            self._ids |= found
            queue.made(found)
            self._voice.submitted(len(self._ids))
            self._on_progress()
        queue.give_back(expired)
        return failure

    def _await_renewal(self, reason: CredentialsError) -> None:
        self._voice.say(f"{expired(str(reason))}, or later with: hpc resume (Ctrl-C leaves)")
        while True:
            self._pause.sleep(RENEWAL_SECONDS)
            self._clients.renew()
            try:
                self._clients.batch.describe_jobs(jobs=["00000000-0000-0000-0000-000000000000"])
            except (ClientError, BotoCoreError) as error:
                if self._call.is_about_credentials(error):
                    continue
            self._voice.say("credentials: renewed, submission goes on")
            self._expired = None
            return

    def _failed(self, queue: _Queue, error: ClientError | HpcError) -> SubmissionError:
        total, made = len(self._record.requests), len(self._ids)
        if isinstance(error, (OutageError, SubmissionError)) or not isinstance(error, ClientError):
            return SubmissionError(
                f"{error}; {made} of {total} jobs are submitted and run on; go on with: hpc resume "
                f"{self._record.run_id}{self._record.target.options()}"
            )
        own = [index for index in sorted(self._ids, reverse=True) if index >= self._first_of_this_submission()]
        left = terminate(self._clients.batch, [self._ids[index] for index in own], _STOP_REASON)
        if left:
            fate = f"jobs {', '.join(left)} could not be terminated: end them with hpc cancel"
        elif own:
            fate = f"the {len(own)} jobs submitted before it were terminated"
        else:
            fate = "nothing was submitted"
        self._ledger.cancelled(self._pause.clock())
        group = self._record.requests[queue.failed].group
        return SubmissionError(
            f"task {group}: is accepted by SubmitJob, got: {error.response['Error']['Message']}; {fate}"
        )

    def _first_of_this_submission(self) -> int:
        return self._record.submissions[-1] if self._record.submissions else 0


class _Queue:
    """Requests that are to be sent, each after all that it depends on."""

    def __init__(self, record: RunRecord, wanted: Collection[int], ids: Mapping[int, str]) -> None:
        self._missing: dict[int, int] = {}
        self._dependents: dict[int, list[int]] = {}
        self._ready: list[int] = []
        self.failed = 0
        """The request that ended it."""
        for index in wanted:
            others = {dependency.request for dependency in record.requests[index].depends_on}
            others = {other for other in others if other not in ids}
            self._missing[index] = len(others)
            for other in others:
                self._dependents.setdefault(other, []).append(index)
            if not others:
                self._ready.append(index)
        self._ready.reverse()

    def take(self, number: int) -> list[int]:
        """Some that can be sent now."""
        return [self._ready.pop() for _ in range(min(max(number, 0), len(self._ready)))]

    def give_back(self, indices: Collection[int]) -> None:
        """These were not served after all."""
        self._ready += sorted(indices, reverse=True)

    def made(self, indices: Collection[int]) -> None:
        """These have their jobs."""
        for index in sorted(indices):
            for dependent in self._dependents.pop(index, ()):
                self._missing[dependent] -= 1
                if not self._missing[dependent]:
                    self._ready.insert(0, dependent)
