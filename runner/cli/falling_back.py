"""Tasks that Spot capacity was taken away from too often go on where nobody takes it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.options import Context
from runner.cli.sending import submit_rest, upload_objects
from runner.described_job import RECLAIMED
from runner.durations import count
from runner.rerun import plan_again, with_dependents
from runner.run import Run
from runner.run_again import run_place
from runner.run_state import RunState
from runner.task_state import NOT_RUN, TaskState

if TYPE_CHECKING:
    from runner.aws import AwsClients


def reclaimed(state: RunState) -> dict[str, str]:
    """By task, the queue on which each goes on whose last attempt was lost to a reclaim."""
    found = {}
    for task in state.troubled():
        if task.name in state.record.positions:
            queue = state.record.requests[state.record.positions[task.name].request].fallback_queue
            if queue is not None and not task.failed_dependency and _is_reclaimed(task):
                found[task.name] = queue
    return found


def _is_reclaimed(task: TaskState) -> bool:
    job = task.job
    if job is None or job.is_stopped_by_user:
        return False
    # Of most children of a large array only the reason as a whole is known.
    return (job.attempts[-1].status_reason if job.attempts else job.status_reason).startswith(RECLAIMED)


def fall_back(context: Context, run: Run, clients: AwsClients, state: RunState) -> bool:
    """Submit again what was lost to reclaims, on the other queue, and what was not run because of it: whether there was
    anything. A run that was cancelled is left as it is.
    """
    queues = {} if state.record.cancelled_at is not None else reclaimed(state)
    if not queues:
        return False
    record = state.record
    below = with_dependents(record.requests, queues) - queues.keys()
    victims = {name for name in below if state.tasks[name].status in {NOT_RUN} or state.tasks[name].job is None}
    again = plan_again(record.requests, {*queues, *victims}, run_place(record, clients, record.requests, {}), queues)
    upload_objects(clients, record.bucket, again.objects)
    run.ledger.add(again.requests)
    where = ", ".join(dict.fromkeys(queue.rpartition("/")[2] for queue in queues.values()))
    context.say(
        f"{record.run_id}: {count(len(queues), 'task')} lost to reclaims of Spot capacity, submitted again on {where}"
        + (f", with {count(len(victims), 'task')} that waited for them" if victims else "")
    )
    if submit_rest(context, run.ledger, clients) is None:
        raise KeyboardInterrupt
    return True
