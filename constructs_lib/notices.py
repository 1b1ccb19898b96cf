"""Mails about single events: a job that failed, a queue that is stuck, an image with grave findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from constructs import Construct

from constructs_lib.errors import PropertyError

_ABSENT: Final = [{"exists": False}]
_SOME: Final = [{"numeric": [">", 0]}]


class Notices(Construct):
    """Rules from Batch's and ECR's events to the topic, each with a mail that says what, why and where to look on."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        deployment: str,
        topic: sns.ITopic,
        job_queues: Sequence[batch.IJobQueue],
        repositories: Sequence[ecr.IRepository],
    ) -> None:
        """Declare the rules.

        Args:
            deployment: as `hpc --deployment` takes it, for the commands that mails name.
        """
        super().__init__(scope, construct_id)
        if not job_queues or not repositories:
            problem = "rules without a job queue and a repository are about all of the region, got none; name them"
            raise PropertyError(self, "job_queues, repositories", problem)
        self._topic = topic
        hpc = f"hpc --deployment {deployment}"
        self._add_failed_jobs(hpc, job_queues)
        self._add_blocked_queues(hpc, job_queues)
        self._add_image_findings(hpc, repositories)

    def _add_failed_jobs(self, hpc: str, job_queues: Sequence[batch.IJobQueue]) -> None:
        """Of arrays and multi-node jobs the whole: a mail, not one for each of 10,000 children.

        https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html
        """
        job_id = _detail("jobId")
        self._add_rule(
            "FailedJobs",
            "Mails about jobs that failed",
            source="aws.batch",
            detail_type="Batch Job State Change",
            detail={
                "jobQueue": _arns(job_queues),
                "status": ["FAILED"],
                "arrayProperties": {"index": _ABSENT},
                "nodeDetails": {"nodeIndex": _ABSENT},
            },
            lines=[
                f"Job {_detail('jobName')} failed.",
                f"Why: {_detail('statusReason')}",
                f"Job id: {job_id}",
                f"Queue: {_detail('jobQueue')}",
                f"All about it: {hpc} stat {job_id}",
                f"What it printed: {hpc} out {job_id}",
            ],
        )

    def _add_blocked_queues(self, hpc: str, job_queues: Sequence[batch.IJobQueue]) -> None:
        """https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html."""
        job_id = _detail("jobId")
        self._add_rule(
            "BlockedQueues",
            "Mails about queues whose first job cannot start",
            source="aws.batch",
            detail_type="Batch Job Queue Blocked",
            detail={"jobQueue": _arns(job_queues)},
            lines=[
                f"A queue is stuck: its first job, {_detail('jobName')}, cannot start, and those behind it wait.",
                f"Why: {_detail('statusReason')}",
                f"Queue: {_detail('jobQueue')}",
                f"All about the job: {hpc} stat {job_id}",
                f"All about the queue: {hpc} queues --details",
                f"To let the others pass: {hpc} kill {job_id}",
            ],
        )

    def _add_image_findings(self, hpc: str, repositories: Sequence[ecr.IRepository]) -> None:
        """https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html."""
        repository = _detail("repository-name")
        image = f"--image-id imageDigest={_detail('image-digest')}"
        grave = [{"finding-severity-counts": {severity: _SOME}} for severity in ("CRITICAL", "HIGH")]
        self._add_rule(
            "ImageFindings",
            "Mails about images with vulnerabilities of severity CRITICAL or HIGH",
            source="aws.ecr",
            detail_type="ECR Image Scan",
            detail={
                "scan-status": ["COMPLETE"],
                "repository-name": [repository.repository_name for repository in repositories],
                "$or": grave,
            },
            lines=[
                f"A scan of an image in repository {repository} found known vulnerabilities.",
                f"By severity: {_detail('finding-severity-counts')}",
                f"Which: aws ecr describe-image-scan-findings --repository-name {repository} {image}",
                f"After its Dockerfile names a newer base image: {hpc} images push, and deploy again",
            ],
        )

    def _add_rule(
        self,
        construct_id: str,
        description: str,
        *,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        lines: Sequence[str],
    ) -> None:
        events.Rule(
            self,
            construct_id,
            description=description,
            event_pattern=events.EventPattern(source=[source], detail_type=[detail_type], detail=detail),
            targets=[
                targets.SnsTopic(self._topic, message=events.RuleTargetInput.from_multiline_text("\n".join(lines)))
            ],
        )


def _arns(job_queues: Sequence[batch.IJobQueue]) -> list[str]:
    return [queue.job_queue_arn for queue in job_queues]


def _detail(name: str) -> str:
    """Put in by EventBridge, from the event; empty where the event has no such member."""
    return events.EventField.from_path(f"$.detail.{name}")
