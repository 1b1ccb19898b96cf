"""The outputs of a deployment: the interface between the stacks that write them and the runner that reads them.

All are outputs of one stack, the deployment's entry stack, so that one DescribeStacks call finds everything.
Imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DEFAULT_DEPLOYMENT: Final = "CloudHpc"

DEFAULT_PROFILE: Final = "default"
"""Of settings.py."""

PROFILE: Final = "Profile"
"""Name of the profile of settings.py that it was deployed with, for the next deploy to use again."""

DEPLOYMENT_TAG: Final = "cloud-hpc:deployment"
"""Key of the tag of everything that a deployment is made of, and of every job that is submitted to it; its value is the
deployment's name. No output, but agreed upon like one: policies tell one deployment's jobs from another's by it.
"""


def entry_stack_name(deployment: str) -> str:
    """The stack whose outputs these are."""
    return f"{deployment}-Batch"


BUCKET_NAME: Final = "BucketName"
RESULTS_PREFIX: Final = "ResultsPrefix"
"""Key prefix in the bucket that job roles may write; ends with a slash."""

PROGRAMS_PREFIX: Final = "ProgramsPrefix"
"""Key prefix in the bucket of what is sent to jobs, programs above all; ends with a slash."""

RUNS_PREFIX: Final = "RunsPrefix"
"""Key prefix in the bucket of the ledgers of runs, out of the reach of jobs; ends with a slash."""

LOG_GROUP_NAME: Final = "LogGroupName"

JOB_EVENTS_QUEUE_URL: Final = "JobEventsQueueUrl"
"""SQS queue of changes of jobs' states, or NONE where the deployment does not push them."""

SUBMITTER_POLICY_ARN: Final = "SubmitterPolicyArn"
SUBMITTER_BUCKET_POLICY_ARN: Final = "SubmitterBucketPolicyArn"
"""Managed policies with what submitters need of jobs and of the bucket, for the account's owner to attach to them."""

NONE: Final = "none"
"""In the place of what a deployment does not have: the keys are the same whatever is deployed."""

ALARM_TOPIC_ARN: Final = "AlarmTopicArn"
"""SNS topic of alarms and notices, or NONE where the deployment tells nobody."""

DASHBOARD_NAME: Final = "DashboardName"
"""CloudWatch dashboard of the deployment, or NONE where it has none."""

IMAGE_BUILD_PROJECT: Final = "ImageBuildProject"
"""Name of the CodeBuild project that builds images, or NONE where the deployment has none."""

BUILDS_PREFIX: Final = "BuildsPrefix"
"""Key prefix in the bucket of what images and the head node are made from; ends with a slash.

Out of the reach of jobs and submitters.
"""

CPU_ARCHITECTURE: Final = "CpuArchitecture"
"""`x86_64` or `arm64`: what images are built for."""

HEAD_NODE_INSTANCE_ID: Final = "HeadNodeInstanceId"
"""Of the instance that people log in to, or NONE where there is none."""

HEAD_NODE_BUNDLE: Final = "head-node/cloud-hpc.tar.gz"
"""Below the prefix of builds: what the head node fetches at each boot, no output but agreed upon like one."""

JOB_QUEUES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "high": "JobQueueHighArn",
        "normal": "JobQueueNormalArn",
        "low": "JobQueueLowArn",
        "ec2": "JobQueueEc2Arn",
        "spot": "JobQueueSpotArn",
        "gpu": "JobQueueGpuArn",
        "mpi": "JobQueueMpiArn",
    }
)
"""Queue name, as users say it -> key of the output that holds its ARN, or NONE where there is no such queue."""

JOB_DEFINITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dopi": "JobDefinitionDopiArn",
        "dopisecond": "JobDefinitionDopisecondArn",
        "fieldstats": "JobDefinitionFieldstatsArn",
        "standin": "JobDefinitionStandinArn",
        "barrier": "JobDefinitionBarrierArn",
        "dopi-ec2": "JobDefinitionDopiEc2Arn",
        "dopisecond-ec2": "JobDefinitionDopisecondEc2Arn",
        "fieldstats-ec2": "JobDefinitionFieldstatsEc2Arn",
        "standin-ec2": "JobDefinitionStandinEc2Arn",
        "mpi": "JobDefinitionMpiArn",
    }
)
"""Job definition name, as users say it -> key of the output that holds its ARN, with the revision."""


def on_ec2(job_definition: str) -> str:
    """The name of the job definition for EC2 of a program whose definition for Fargate has that name."""
    return f"{job_definition}-ec2"


IMAGE_URIS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dopi": "ImageDopiUri",
        "dopisecond": "ImageDopisecondUri",
        "fieldstats": "ImageFieldstatsUri",
        "standin": "ImageStandinUri",
        "barrier": "ImageBarrierUri",
        "mpi": "ImageMpiUri",
    }
)
"""Folder under containers/ -> key of the output that holds `repository URI:content tag`."""


def all_keys() -> frozenset[str]:
    """Every output key of the entry stack."""
    return frozenset(
        {
            PROFILE,
            BUCKET_NAME,
            RESULTS_PREFIX,
            PROGRAMS_PREFIX,
            RUNS_PREFIX,
            LOG_GROUP_NAME,
            SUBMITTER_POLICY_ARN,
            SUBMITTER_BUCKET_POLICY_ARN,
            JOB_EVENTS_QUEUE_URL,
            ALARM_TOPIC_ARN,
            DASHBOARD_NAME,
            IMAGE_BUILD_PROJECT,
            BUILDS_PREFIX,
            CPU_ARCHITECTURE,
            HEAD_NODE_INSTANCE_ID,
            *JOB_QUEUES.values(),
            *JOB_DEFINITIONS.values(),
            *IMAGE_URIS.values(),
        }
    )
