"""AWS::Batch::* in CloudFormation: stacks make Batch resources through the same API as everybody else.

What is replaced and what is updated follows the resource types' schemas, as documented at
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Batch.html. Tags of queues and policies
change in place (their schemas say tagUpdatable since 2026), those of a compute environment replace it.
"""

from __future__ import annotations

import dataclasses
import secrets
import string
from collections.abc import Mapping
from typing import Any, Final, Protocol

from botocore.loaders import Loader
from botocore.model import ServiceModel, StructureShape

from local_batch.host.property_names import to_request
from local_batch.host.seams import MiniStack

MAX_NAME_CHARACTERS: Final = 128

Properties = Mapping[str, Any]
Created = tuple[str, dict[str, str]]
"""Physical id (an ARN) and attributes."""


class BatchCalls(Protocol):
    """The Batch API in process."""

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Perform one operation; raises the API's error with its text."""


class ResourceError(ValueError):
    """A resource could not be made, changed or deleted; the text is the stack event's reason."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BatchType:
    """One resource type and how it maps onto the API."""

    name: str
    name_property: str
    attribute: str
    """What Fn::GetAtt gives the ARN under; Ref is the ARN too."""

    create: str
    update: str
    arn_key: str
    update_key: str
    """The update operation's name for the resource."""

    create_only: tuple[str, ...]
    """Properties whose change always replaces the resource."""

    only_cloudformation: tuple[str, ...] = ()
    when_removed: Properties = dataclasses.field(default_factory=dict)
    """What an update sends for a property that a template no longer has; others stay as they are."""


COMPUTE_ENVIRONMENT: Final = BatchType(
    name="AWS::Batch::ComputeEnvironment",
    name_property="ComputeEnvironmentName",
    attribute="ComputeEnvironmentArn",
    create="CreateComputeEnvironment",
    update="UpdateComputeEnvironment",
    arn_key="computeEnvironmentArn",
    update_key="computeEnvironment",
    create_only=("ComputeEnvironmentName", "Type", "Tags", "EksConfiguration"),
    only_cloudformation=("ReplaceComputeEnvironment", "UpdatePolicy"),
    when_removed={"State": "ENABLED", "EcsSettings": {"ContainerInsights": "DISABLED"}},
)
JOB_QUEUE: Final = BatchType(
    name="AWS::Batch::JobQueue",
    name_property="JobQueueName",
    attribute="JobQueueArn",
    create="CreateJobQueue",
    update="UpdateJobQueue",
    arn_key="jobQueueArn",
    update_key="jobQueue",
    create_only=("JobQueueName", "JobQueueType"),
    when_removed={"State": "ENABLED", "JobStateTimeLimitActions": []},
)
JOB_DEFINITION: Final = BatchType(
    name="AWS::Batch::JobDefinition",
    name_property="JobDefinitionName",
    attribute="JobDefinitionArn",
    create="RegisterJobDefinition",
    update="RegisterJobDefinition",
    arn_key="jobDefinitionArn",
    update_key="",
    create_only=("JobDefinitionName",),
    only_cloudformation=("ResourceRetentionPolicy",),
)
SCHEDULING_POLICY: Final = BatchType(
    name="AWS::Batch::SchedulingPolicy",
    name_property="Name",
    attribute="Arn",
    create="CreateSchedulingPolicy",
    update="UpdateSchedulingPolicy",
    arn_key="arn",
    update_key="arn",
    create_only=("Name",),
    when_removed={"FairsharePolicy": {}},
)
TYPES: Final = (COMPUTE_ENVIRONMENT, JOB_QUEUE, JOB_DEFINITION, SCHEDULING_POLICY)

REPLACING_COMPUTE_RESOURCES: Final = frozenset(
    {
        "AllocationStrategy",
        "BidPercentage",
        "Ec2Configuration",
        "Ec2KeyPair",
        "ImageId",
        "InstanceRole",
        "InstanceTypes",
        "LaunchTemplate",
        "PlacementGroup",
        "ScalingPolicy",
        "SecurityGroupIds",
        "Subnets",
        "Tags",
        "Type",
    }
)
"""Of a compute environment with ReplaceComputeEnvironment (CloudFormation's default): a change makes a new one."""


class BatchResources:
    """The create, update and delete handlers of one resource type, in MiniStack's shape."""

    def __init__(self, kind: BatchType, api: BatchCalls, model: ServiceModel) -> None:
        self._kind = kind
        self._api = api
        self._model = model

    def create(self, logical_id: str, properties: Properties, stack_name: str) -> Created:
        """Make the resource, under a generated name where the template gives none."""
        kind = self._kind
        request = to_request(properties, self._input(kind.create), without=kind.only_cloudformation)
        name_key = kind.name_property[0].lower() + kind.name_property[1:]
        request.setdefault(name_key, generated_name(stack_name, logical_id))
        return self._made(self._call(kind.create, request))

    def update(self, physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str) -> Created:
        """Change the resource in place, or make the one that takes its place (another physical id)."""
        if self._kind is JOB_DEFINITION:
            name = physical_id.rpartition("/")[2].rpartition(":")[0]
            return self.create(logical_id, {self._kind.name_property: name, **new}, stack_name)
        if self._kind is COMPUTE_ENVIRONMENT and replaces_environment(old, new):
            return self.create(logical_id, new, stack_name)
        removed = {name: value for name, value in self._kind.when_removed.items() if name in old}
        changed = _changed(old, {**removed, **new})
        changed.pop("Tags", None)
        if self._kind is COMPUTE_ENVIRONMENT and "ComputeResources" in changed:
            changed["ComputeResources"] = _changed(old.get("ComputeResources", {}), changed["ComputeResources"])
        unknown_to_update = {"ReplaceComputeEnvironment"} | ({"UpdatePolicy"} if not new.get("UpdatePolicy") else set())
        request = to_request(changed, self._input(self._kind.update), without=unknown_to_update)
        if request:
            self._call(self._kind.update, {self._kind.update_key: physical_id, **request})
        self._tag(physical_id, old.get("Tags") or {}, new.get("Tags") or {})
        return physical_id, {self._kind.attribute: physical_id}

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete the resource; one that is gone already is no error."""
        if self._kind is JOB_QUEUE:
            self._delete_disabled(physical_id, "JobQueue", "jobQueue")
        elif self._kind is COMPUTE_ENVIRONMENT:
            self._delete_disabled(physical_id, "ComputeEnvironment", "computeEnvironment")
        elif self._kind is JOB_DEFINITION:
            self._deregister(physical_id, properties)
        elif self._call("DescribeSchedulingPolicies", {"arns": [physical_id]})["schedulingPolicies"]:
            self._call("DeleteSchedulingPolicy", {"arn": physical_id})

    def _tag(self, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        removed = sorted(old.keys() - new.keys())
        changed = {key: str(value) for key, value in _changed(old, new).items()}
        if removed:
            self._call("UntagResource", {"resourceArn": arn, "tagKeys": removed})
        if changed:
            self._call("TagResource", {"resourceArn": arn, "tags": changed})

    def _delete_disabled(self, arn: str, noun: str, key: str) -> None:
        """AWS deletes only what is disabled: so does CloudFormation, in two steps."""
        if not self._call(f"Describe{noun}s", {f"{key}s": [arn]})[f"{key}s"]:
            return
        self._call(f"Update{noun}", {key: arn, "state": "DISABLED"})
        self._call(f"Delete{noun}", {key: arn})

    def _deregister(self, arn: str, properties: Properties) -> None:
        name = arn.rpartition("/")[2].rpartition(":")[0]
        active = self._call("DescribeJobDefinitions", {"jobDefinitionName": name, "status": "ACTIVE"})["jobDefinitions"]
        arns = [definition["jobDefinitionArn"] for definition in active]
        retention = properties.get("ResourceRetentionPolicy", {})
        is_superseded = any(int(other.rpartition(":")[2]) > int(arn.rpartition(":")[2]) for other in arns)
        if is_superseded and str(retention.get("SkipDeregisterOnUpdate", False)).lower() == "true":
            return
        if arn in arns:
            self._call("DeregisterJobDefinition", {"jobDefinition": arn})

    def _made(self, reply: Mapping[str, Any]) -> Created:
        arn: str = reply[self._kind.arn_key]
        return arn, {self._kind.attribute: arn}

    def _input(self, operation: str) -> StructureShape:
        return self._model.operation_model(operation).input_shape

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._api.call(operation, request)
        except Exception as error:
            # Whatever it is, it must end the stack's operation with its text; MiniStack makes the event of it.
            raise ResourceError(
                f'Resource handler returned message: "{error}" (Service: Batch, {operation})'
            ) from error


def install(ministack: MiniStack, api: BatchCalls) -> None:
    """Make stacks able to hold the types of TYPES."""
    model = ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")
    provisioners = ministack.provisioners
    for kind in TYPES:
        resources = BatchResources(kind, api, model)
        provisioners.RESOURCE_HANDLERS[kind.name] = {
            "create": resources.create,
            "update": resources.update,
            "update_with_logical_id": True,
            "delete": resources.delete,
        }
        # From these tables come change sets, the refusal to replace what has a name of its own, and replacements.
        provisioners.REPLACING_PROPERTIES[kind.name] = kind.create_only
        provisioners.CUSTOM_NAME_REPLACEMENT[kind.name] = {"name": kind.name_property}
    provisioners.CUSTOM_NAME_REPLACEMENT[COMPUTE_ENVIRONMENT.name]["requires_replacement"] = replaces_environment
    provisioners.CONDITIONALLY_REPLACING_PROPERTIES[COMPUTE_ENVIRONMENT.name] = ("ComputeResources",)


def _changed(old: Properties, new: Properties) -> dict[str, Any]:
    return {name: value for name, value in new.items() if old.get(name) != value}


def replaces_environment(old: Properties, new: Properties) -> bool:
    """Whether a change of ComputeResources makes a new compute environment rather than changing the old one."""
    before, after = old.get("ComputeResources", {}), new.get("ComputeResources", {})
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if "SpotIamFleetRole" in changed:
        return True
    may_replace = str(new.get("ReplaceComputeEnvironment", True)).lower() == "true"
    return may_replace and bool(changed & REPLACING_COMPUTE_RESOURCES)


def generated_name(stack_name: str, logical_id: str) -> str:
    """`stack-logicalId-random`, cut to what Batch takes; the random part makes way for a replacement."""
    suffix = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
    prefix = f"{stack_name}-{logical_id}"[: MAX_NAME_CHARACTERS - len(suffix) - 1]
    return f"{prefix}-{suffix}"
