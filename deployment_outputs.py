"""The outputs of a deployment: the interface between the stacks that write them and the runner that reads them.

All are outputs of one stack, the deployment's entry stack, so that one DescribeStacks call finds everything.
Imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DEFAULT_DEPLOYMENT: Final = "CloudHpc"


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
"""SQS queue of changes of jobs' states, or NO_QUEUE where the deployment does not push them."""

NO_QUEUE: Final = "none"
"""In the place of a URL: the keys are the same whatever is deployed."""

HEAD_NODE_INSTANCE_ID: Final = "HeadNodeInstanceId"
"""Of the instance that people log in to, or NO_HEAD_NODE."""

NO_HEAD_NODE: Final = "none"

HEAD_NODE_BUNDLE: Final = "head-node/cloud-hpc.tar.gz"
"""Below the prefix of programs: what the head node fetches at each boot, no output but agreed upon like one."""

JOB_QUEUES: Final[Mapping[str, str]] = MappingProxyType(
    {"high": "JobQueueHighArn", "normal": "JobQueueNormalArn", "ec2": "JobQueueEc2Arn", "mpi": "JobQueueMpiArn"}
)
"""Queue name, as users say it -> key of the output that holds its ARN."""

JOB_DEFINITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dopi": "JobDefinitionDopiArn",
        "dopisecond": "JobDefinitionDopisecondArn",
        "fieldstats": "JobDefinitionFieldstatsArn",
        "standin": "JobDefinitionStandinArn",
        "barrier": "JobDefinitionBarrierArn",
        "mpi": "JobDefinitionMpiArn",
    }
)
"""Job definition name, as users say it -> key of the output that holds its ARN, with the revision."""

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
            BUCKET_NAME,
            RESULTS_PREFIX,
            PROGRAMS_PREFIX,
            RUNS_PREFIX,
            LOG_GROUP_NAME,
            JOB_EVENTS_QUEUE_URL,
            HEAD_NODE_INSTANCE_ID,
            *JOB_QUEUES.values(),
            *JOB_DEFINITIONS.values(),
            *IMAGE_URIS.values(),
        }
    )
