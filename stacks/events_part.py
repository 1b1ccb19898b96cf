"""The part of the entry stack that pushes changes of jobs' states, where that is wanted, and its output."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import deployment_outputs
from constructs_lib.job_events import JobEvents


class EventsPart(Construct):
    """The queue of changes of the jobs of these job queues, or the word that there is none."""

    queue: sqs.IQueue | None

    def __init__(
        self, scope: Construct, construct_id: str, *, push_job_events: bool, job_queues: Sequence[batch.IJobQueue]
    ) -> None:
        super().__init__(scope, construct_id)
        url = deployment_outputs.NONE
        self.queue = None
        if push_job_events:
            self.queue = JobEvents(self, "JobEvents", job_queues=job_queues).queue
            url = self.queue.queue_url
        key = deployment_outputs.JOB_EVENTS_QUEUE_URL
        cdk.CfnOutput(self, key, value=url).override_logical_id(key)
