"""How long the overrides are that Batch hands on to ECS: ECS refuses what is too long, after Batch has accepted it.

Sources: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html (overrides) and
https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import batch_limits
from local_batch.api.refusals import compact_json

TOO_LONG: Final = f"Container Overrides length must be at most {batch_limits.MAX_CONTAINER_OVERRIDES_CHARACTERS}"
_LONGEST_ADDRESS: Final = "255.255.255.255"


def is_too_long(overrides: Mapping[str, Any], command: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Whether ECS would refuse these overrides with Batch's own `variables`; `command` is the one that was filled."""
    if not overrides.get("command") and not overrides.get("environment"):
        return False
    environment = [
        *(overrides.get("environment") or ()),
        *({"name": name, "value": value} for name, value in variables.items()),
    ]
    handed_on = {"name": "default", "environment": environment}
    if overrides.get("command"):
        handed_on["command"] = list(command)
    return len(compact_json({"containerOverrides": [handed_on]})) > batch_limits.MAX_CONTAINER_OVERRIDES_CHARACTERS


def variables_of_every_job(job_id: str, queue_name: str, environment_name: str) -> dict[str, str]:
    """The variables that Batch adds to the environment of any container, at their longest."""
    return {
        "AWS_BATCH_JOB_ID": job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(batch_limits.MAX_ATTEMPTS),
        "AWS_BATCH_JQ_NAME": queue_name,
        "AWS_BATCH_CE_NAME": environment_name,
    }


def variables_of_children(job_id: str, array_size: int) -> dict[str, str]:
    """Those that children of an array job have in place of the same, or beside them."""
    index = str(array_size - 1)
    return {
        "AWS_BATCH_JOB_ID": f"{job_id}:{index}",
        "AWS_BATCH_JOB_ARRAY_INDEX": index,
        "AWS_BATCH_JOB_ARRAY_SIZE": str(array_size),
    }


def variables_of_nodes(job_id: str, num_nodes: int, main_node: int) -> dict[str, str]:
    """Those that nodes have in place of the same, or beside them; one that is not the main node has them all."""
    index = str(num_nodes - 1)
    return {
        "AWS_BATCH_JOB_ID": f"{job_id}#{index}",
        "AWS_BATCH_JOB_NUM_NODES": str(num_nodes),
        "AWS_BATCH_JOB_NODE_INDEX": index,
        "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(main_node),
        "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": _LONGEST_ADDRESS,
    }
