"""Changes of jobs' states, pushed into a queue that whoever follows jobs can wait at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib.errors import PropertyError

_RETENTION: Final = cdk.Duration.hours(1)
"""A change that nobody took is no news after that: who comes later asks Batch."""

_LONGEST_WAIT: Final = cdk.Duration.seconds(20)
"""Of a ReceiveMessage at an empty queue, SQS's most: each costs a request, so the fewest."""


class JobEvents(Construct):
    """A message for every change of a job of these queues: Batch to EventBridge, a rule, an SQS queue.

    A message is a hint to look, not the record: EventBridge may bring it late, twice or out of order, of several who
    wait at the queue one gets it, and after an hour it is gone.
    """

    queue: sqs.IQueue

    def __init__(self, scope: Construct, construct_id: str, *, job_queues: Sequence[batch.IJobQueue]) -> None:
        super().__init__(scope, construct_id)
        if not job_queues:
            problem = "a rule without a job queue would push the changes of every job of the region, got none; name one"
            raise PropertyError(self, "job_queues", problem)
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=_RETENTION,
            receive_message_wait_time=_LONGEST_WAIT,
        )
        cdk.Validations.of(self.queue).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-SQS3",
                reason="A message only says that a job changed: who misses one learns the same from DescribeJobs, so "
                "there is nothing to set aside in a dead-letter queue",
            )
        )
        events.Rule(
            self,
            "Rule",
            description="Changes of jobs' states, for those who follow them",
            # https://docs.aws.amazon.com/batch/latest/userguide/batch_cwe_events.html
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={"jobQueue": [queue.job_queue_arn for queue in job_queues]},
            ),
            targets=[targets.SqsQueue(self.queue)],
        )
