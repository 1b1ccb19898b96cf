"""What is deployed, read from the outputs of the deployment's entry stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

import deployment_outputs
from runner.aws_clients import Answer, CloudFormationClient
from runner.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The names that jobs are submitted with."""

    name: str
    bucket: str
    results_prefix: str
    """Key prefix that jobs may write under; ends with a slash."""
    programs_prefix: str
    """Key prefix that jobs fetch from, by content hash, what is sent to them; ends with a slash."""
    runs_prefix: str
    """Key prefix of the ledgers of runs, which jobs can neither read nor write; ends with a slash."""
    log_group: str
    job_events_queue_url: str | None
    """SQS queue of changes of jobs' states; None where the deployment does not push them."""
    head_node: str | None
    """Id of the instance that people log in to; None where there is none."""
    job_queues: Mapping[str, str]
    """ARNs by the names of `deployment_outputs`."""
    job_definitions: Mapping[str, str]
    image_uris: Mapping[str, str]
    image_build_project: str | None
    """CodeBuild project that builds images; None where the deployment has none."""
    builds_prefix: str
    """Key prefix of what images are built from; ends with a slash."""
    cpu_architecture: str
    """`x86_64` or `arm64`: what images are built for."""

    def job_queue(self, reference: str) -> str:
        """The ARN for a name of this deployment; anything else is a reference that Batch itself knows."""
        return self.job_queues.get(reference, reference)

    def job_definition(self, reference: str) -> str:
        """The ARN, with revision, for a name of this deployment; anything else is a reference that Batch knows."""
        return self.job_definitions.get(reference, reference)


def read(cloudformation: CloudFormationClient, name: str, *, is_local: bool) -> Deployment:
    """The deployment of that name; InputError with what to do where it is not there, or of another version."""
    stack_name = deployment_outputs.entry_stack_name(name)
    deploy = f"hpc deploy{' --local' if is_local else ''}"
    if name != deployment_outputs.DEFAULT_DEPLOYMENT:
        deploy += f" --deployment {name}"
    stack = _entry_stack(cloudformation, name)
    if stack is None:
        raise InputError(
            f"--deployment {name}: names a deployment that is there, got no stack {stack_name!r}; deploy it with: "
            f"{deploy}"
        )
    outputs = _outputs(stack)
    missing = sorted(deployment_outputs.all_keys() - outputs.keys())
    if missing:
        raise InputError(
            f"--deployment {name}: stack {stack_name!r} ({stack.get('StackStatus')}) has the outputs of this "
            f"version, got none for {', '.join(missing)}; deploy this version with: {deploy}"
        )
    head_node = outputs[deployment_outputs.HEAD_NODE_INSTANCE_ID]
    events_url = outputs[deployment_outputs.JOB_EVENTS_QUEUE_URL]
    project = outputs[deployment_outputs.IMAGE_BUILD_PROJECT]
    return Deployment(
        name=name,
        bucket=outputs[deployment_outputs.BUCKET_NAME],
        results_prefix=outputs[deployment_outputs.RESULTS_PREFIX],
        programs_prefix=outputs[deployment_outputs.PROGRAMS_PREFIX],
        runs_prefix=outputs[deployment_outputs.RUNS_PREFIX],
        log_group=outputs[deployment_outputs.LOG_GROUP_NAME],
        job_events_queue_url=None if events_url == deployment_outputs.NONE else events_url,
        head_node=None if head_node == deployment_outputs.NONE else head_node,
        job_queues={
            said: outputs[key]
            for said, key in deployment_outputs.JOB_QUEUES.items()
            if outputs[key] != deployment_outputs.NONE
        },
        job_definitions={said: outputs[key] for said, key in deployment_outputs.JOB_DEFINITIONS.items()},
        image_uris={folder: outputs[key] for folder, key in deployment_outputs.IMAGE_URIS.items()},
        image_build_project=None if project == deployment_outputs.NONE else project,
        builds_prefix=outputs[deployment_outputs.BUILDS_PREFIX],
        cpu_architecture=outputs[deployment_outputs.CPU_ARCHITECTURE],
    )


def outputs_of(cloudformation: CloudFormationClient, name: str) -> dict[str, str] | None:
    """The outputs of a deployment, of whatever version; None where there is no such deployment."""
    stack = _entry_stack(cloudformation, name)
    return None if stack is None else _outputs(stack)


def _entry_stack(cloudformation: CloudFormationClient, name: str) -> Answer | None:
    try:
        stacks = cloudformation.describe_stacks(StackName=deployment_outputs.entry_stack_name(name))["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return stacks[0] if stacks else None


def _outputs(stack: Answer) -> dict[str, str]:
    return {output["OutputKey"]: str(output["OutputValue"]) for output in stack.get("Outputs", ())}
