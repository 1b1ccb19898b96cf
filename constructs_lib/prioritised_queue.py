"""Where jobs wait, and for which capacity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aws_cdk import aws_batch as batch
from constructs import Construct

from batch_limits import MAX_COMPUTE_ENVIRONMENTS_PER_QUEUE
from constructs_lib.errors import PropertyError
from constructs_lib.stuck_jobs import also_unsupported_instances

_MAX_PRIORITY: Final = 1000
"""Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-batch-jobqueue.html"""


class PrioritisedQueue(Construct):
    """A job queue with a priority over others on the same environments, and its environments in order of preference.

    A job goes to the first environment in order that has room for it; of two queues that share an environment, the
    jobs of the higher priority are placed first.
    """

    queue: batch.IJobQueue

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        priority: int,
        environments: Sequence[batch.IComputeEnvironment],
        scheduling_policy: batch.ISchedulingPolicy | None = None,
        time_limits: Sequence[batch.JobStateTimeLimitAction] = (),
    ) -> None:
        """Declare the queue.

        Args:
            scheduling_policy: who comes first among jobs of the queue. Left out, who came first. Batch takes no policy
                for a queue that has had none, so whoever gives one later gives the queue another construct id, too.
            time_limits: what becomes of jobs that are stuck at the head of the queue; of instances that cannot start,
                as of other misfits. Left out, they wait for ever.
        """
        super().__init__(scope, construct_id)
        if not 0 <= priority <= _MAX_PRIORITY:
            problem = (
                f"a queue's priority is 0 to {_MAX_PRIORITY}, higher first (AWS::Batch::JobQueue), "
                f"got {priority!r}; choose one in that range"
            )
            raise PropertyError(self, "priority", problem)
        self._refuse_bad_environments(environments)
        queue = batch.JobQueue(
            self,
            "Queue",
            priority=priority,
            scheduling_policy=scheduling_policy,
            job_state_time_limit_actions=time_limits or None,
            compute_environments=[
                batch.OrderedComputeEnvironment(compute_environment=environment, order=order)
                for order, environment in enumerate(environments, start=1)
            ],
        )
        if not _on_fargate(environments[0]):
            also_unsupported_instances(queue, time_limits)
        self.queue = queue

    def _refuse_bad_environments(self, environments: Sequence[batch.IComputeEnvironment]) -> None:
        if not 1 <= len(environments) <= MAX_COMPUTE_ENVIRONMENTS_PER_QUEUE:
            problem = (
                f"a queue has 1 to {MAX_COMPUTE_ENVIRONMENTS_PER_QUEUE} compute environments "
                "(https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html), "
                f"got {len(environments)}; name the ones to try, best first"
            )
            raise PropertyError(self, "environments", problem)
        paths = [environment.node.path for environment in environments]
        if len(set(paths)) < len(paths):
            problem = f"a queue names a compute environment once, got {', '.join(paths)}; drop the repetition"
            raise PropertyError(self, "environments", problem)
        on_fargate = [_on_fargate(environment) for environment in environments]
        if any(on_fargate) and not all(on_fargate):
            kinds = ", ".join(
                f"{path} ({'Fargate' if fargate else 'EC2'})" for path, fargate in zip(paths, on_fargate, strict=True)
            )
            problem = (
                "a queue's compute environments are all Fargate or all EC2 "
                "(https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateJobQueue.html), "
                f"got {kinds}; give each kind a queue of its own"
            )
            raise PropertyError(self, "environments", problem)


def _on_fargate(environment: batch.IComputeEnvironment) -> bool:
    return isinstance(environment, batch.FargateComputeEnvironment)
