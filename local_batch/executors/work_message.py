"""Work as it is sent to the process agent: plain values, which cost a tenth of what dataclasses cost to hand over."""

from __future__ import annotations

from local_batch.executors.channel import Message
from local_batch.executors.work import PLAIN, AttemptWork


def sent_work(work: AttemptWork) -> Message:
    """On the server's side. Secrets are not sent: their values are in the environment by now."""
    return (
        work.job_id,
        work.attempt,
        work.image,
        work.command,
        dict(work.environment),
        work.vcpus,
        work.memory_mib,
        work.gpus,
        None if work.options == PLAIN else work.options,
        work.node,
    )


def received_work(message: Message) -> AttemptWork:
    """On the agent's side."""
    job_id, attempt, image, command, environment, vcpus, memory_mib, gpus, options, node = message
    return AttemptWork(
        job_id, attempt, image, command, environment, vcpus, memory_mib, gpus, options=options or PLAIN, node=node
    )
