"""What a request to Batch needs permission for: actions, resources and condition keys.

Sources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html; tags and passed roles:
https://docs.aws.amazon.com/batch/latest/userguide/supported-iam-actions-tagging.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Request = Mapping[str, Any]
Context = Mapping[str, str | list[str]]
ANY: Final = "*"
TASKS: Final = "ecs-tasks.amazonaws.com"
BATCH: Final = "batch.amazonaws.com"

_KIND_OF_OPERATION: Final[Mapping[str, tuple[str, str]]] = {
    # operation: member that names the resource, kind of its ARN
    "UpdateComputeEnvironment": ("computeEnvironment", "compute-environment"),
    "DeleteComputeEnvironment": ("computeEnvironment", "compute-environment"),
    "CreateComputeEnvironment": ("computeEnvironmentName", "compute-environment"),
    "CreateJobQueue": ("jobQueueName", "job-queue"),
    "UpdateJobQueue": ("jobQueue", "job-queue"),
    "DeleteJobQueue": ("jobQueue", "job-queue"),
    "GetJobQueueSnapshot": ("jobQueue", "job-queue"),
    "RegisterJobDefinition": ("jobDefinitionName", "job-definition"),
    "DeregisterJobDefinition": ("jobDefinition", "job-definition"),
    "CreateSchedulingPolicy": ("name", "scheduling-policy"),
    "UpdateSchedulingPolicy": ("arn", "scheduling-policy"),
    "DeleteSchedulingPolicy": ("arn", "scheduling-policy"),
    "CancelJob": ("jobId", "job"),
    "TerminateJob": ("jobId", "job"),
    "TagResource": ("resourceArn", ""),
    "UntagResource": ("resourceArn", ""),
    "ListTagsForResource": ("resourceArn", ""),
}
"""What is not here (Describe… and List… calls) knows no resource: policies grant it on `*`."""

_BULK: Final[Mapping[str, str]] = {"CancelJobs": "batch:CancelJob", "TerminateJobs": "batch:TerminateJob"}
_LOG_KEYS: Final[Mapping[str, str]] = {
    "awslogs-group": "batch:AWSLogsGroup",
    "awslogs-region": "batch:AWSLogsRegion",
    "awslogs-stream-prefix": "batch:AWSLogsStreamPrefix",
    "awslogs-create-group": "batch:AWSLogsCreateGroup",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One action on one resource that the caller's policies must allow."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    """Values of condition keys that the request gives."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the resources are."""

    account_id: str
    region: str

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a resource named by its name or by its ARN, as the caller spelled it."""
        return name if name.startswith("arn:") else f"arn:aws:batch:{self.region}:{self.account_id}:{kind}/{name}"


def checks(operation: str, request: Request, place: Place) -> Iterator[Check]:
    """All that must be allowed, in the order in which it is decided; the request is one that the model allows."""
    tags = request.get("tags") or {}
    tagging: Context = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        tagging = {**tagging, "aws:TagKeys": sorted(tags)}
    elif operation == "UntagResource":
        tagging = {"aws:TagKeys": list(request.get("tagKeys") or ())}
    if operation == "SubmitJob":
        yield from _submission(request, place, tagging)
        resource = place.arn("job", ANY)
    elif operation in _BULK:
        for job in request.get("jobs") or ():
            yield Check(_BULK[operation], place.arn("job", job))
        return
    else:
        member, kind = _KIND_OF_OPERATION.get(operation, ("", ""))
        resource = place.arn(kind, str(request[member])) if member else ANY
        for context in _conditions(operation, request):
            yield Check(f"batch:{operation}", resource, {**tagging, **context})
        yield from _others(operation, request, place)
    if tags and operation != "TagResource":
        yield Check("batch:TagResource", resource, tagging)
    yield from _passed_roles(operation, request)


def _submission(request: Request, place: Place, tagging: Context) -> Iterator[Check]:
    context = dict(tagging)
    if request.get("shareIdentifier"):
        context["batch:ShareIdentifier"] = request["shareIdentifier"]
    for member, kind in (("jobDefinition", "job-definition"), ("jobQueue", "job-queue")):
        yield Check("batch:SubmitJob", place.arn(kind, request[member]), context)


def _conditions(operation: str, request: Request) -> Sequence[Context]:
    """One set of condition keys for each container that a definition has; one empty set for all else."""
    if operation != "RegisterJobDefinition":
        return ({},)
    return [_of_container(container) for container in _containers(request)] or [{}]


def _containers(request: Request) -> list[Mapping[str, Any]]:
    ranges = (request.get("nodeProperties") or {}).get("nodeRangeProperties") or ()
    found = [request.get("containerProperties"), *(item.get("container") for item in ranges)]
    return [container for container in found if container]


def _of_container(container: Mapping[str, Any]) -> Context:
    logs = container.get("logConfiguration") or {}
    context = {"batch:Image": str(container.get("image", ""))}
    context["batch:Privileged"] = str(bool(container.get("privileged"))).lower()
    if container.get("user"):
        context["batch:User"] = str(container["user"])
    if logs.get("logDriver"):
        context["batch:LogDriver"] = str(logs["logDriver"])
    options = logs.get("options") or {}
    return context | {key: str(options[name]) for name, key in _LOG_KEYS.items() if name in options}


def _others(operation: str, request: Request, place: Place) -> Iterator[Check]:
    """A queue is made of other resources, which have to be allowed as well."""
    if operation not in ("CreateJobQueue", "UpdateJobQueue"):
        return
    for order in request.get("computeEnvironmentOrder") or ():
        yield Check(f"batch:{operation}", place.arn("compute-environment", order["computeEnvironment"]))
    if request.get("schedulingPolicyArn"):
        yield Check(f"batch:{operation}", request["schedulingPolicyArn"])


def _passed_roles(operation: str, request: Request) -> Iterator[Check]:
    """Who names a role that a service is to act as must be allowed to pass it on."""
    passed: list[tuple[Any, str]] = []
    if operation == "RegisterJobDefinition":
        for container in _containers(request):
            passed += [(container.get(name), TASKS) for name in ("jobRoleArn", "executionRoleArn")]
    elif operation in ("CreateComputeEnvironment", "UpdateComputeEnvironment"):
        passed.append((request.get("serviceRole"), BATCH))
    for role, service in dict.fromkeys(passed):
        if role:
            yield Check("iam:PassRole", str(role), {"iam:PassedToService": service})
