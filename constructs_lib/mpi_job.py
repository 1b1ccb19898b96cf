"""An MPI program on many nodes, as a job definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.bring_up_secret import BringUpSecret
from constructs_lib.definition_rules import check_definition
from constructs_lib.image_pin import tag_or_digest
from constructs_lib.job_roles import ExecutionRole, JobRole
from constructs_lib.lustre_scratch import LustreScratch
from constructs_lib.node_capacity import check_node_capacity
from constructs_lib.node_group import NodeGroup, check_node_groups
from constructs_lib.retry_rule import RETRY_FAULTS_OF_THE_CLOUD_AMONG_NODES, RetryRule
from constructs_lib.shared_file_system import SharedFileSystem

SECRET_VARIABLE: Final = "MPI_BRINGUP_SECRET"  # noqa: S105 - the variable's name
"""How the bring-up of the image finds the secret."""

_UNLIMITED: Final = -1

_EFA_DEVICE: Final = "/dev/infiniband/uverbs0"
"""Source: https://docs.aws.amazon.com/batch/latest/userguide/efa.html"""

_ALL_PERMISSIONS: Final = ["READ", "WRITE", "MKNOD"]
"""Of that device; the same page asks for these."""


class MpiJob(Construct):
    """A multi-node parallel job definition for any number of nodes: with one open range, a submission sets how many.

    A submission that overrides something of the nodes has to name every range as it stands here, `0:` by default. The
    nodes know each other by the bring-up secret, which only the execution role can read: no program, submitter or
    image has it. Each node's log streams are `<name>/default/<task id>`; the ranks' output is in the main node's.
    """

    definition: batch.IJobDefinition
    job_role: iam.IRole
    """What the program may do. Grant here."""
    image_uri: str
    """`repository:tag`, where the image is pushed to, pinned or not."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        repository: ecr.IRepository,
        image_tag: str,
        compute_environment: batch.IComputeEnvironment,
        node_groups: Sequence[NodeGroup],
        attempts: int,
        timeout: cdk.Duration,
        log_group: logs.ILogGroup,
        default_nodes: int = 2,
        main_node: int = 0,
        retry_rules: Sequence[RetryRule] = RETRY_FAULTS_OF_THE_CLOUD_AMONG_NODES,
        environment: Mapping[str, str] | None = None,
        shared_memory: cdk.Size | None = None,
        shared_file_system: SharedFileSystem | None = None,
        lustre: LustreScratch | None = None,
        secret_key: kms.IKey | None = None,
        use_efa: bool = False,
        image_pin: str | None = None,
    ) -> None:
        """Declare the job definition.

        Args:
            name: what users call it, and the first part of its log streams' names.
            compute_environment: where its nodes will run. The definition does not name it, but a node that no instance
                of it can hold, or that it cannot run, is refused here rather than waited for.
            node_groups: one that is open (`0:`) lets a submission choose any number of nodes.
            default_nodes: how many there are where a submission does not say.
            environment: left out, the program gets AWS's variables only.
            shared_memory: size of /dev/shm, through which ranks of one node talk. Left out, Docker's 64 MiB, enough for
                a dozen ranks a node.
            shared_file_system: mounted at /shared on every node. Left out, nodes share nothing but messages.
            lustre: mounted at /lustre on every node; the instances have to mount it when they start.
            secret_key: encrypts the bring-up secret. Left out, AWS's own key of Secrets Manager does.
            use_efa: whether containers get the Elastic Fabric Adapter, and may lock memory for it without limit.
            image_pin: `TAG@sha256:…` names one image for ever; left out, the one with the tag.
        """
        super().__init__(scope, construct_id)
        check_definition(
            self,
            name=name,
            environment=environment or {},
            attempts=attempts,
            timeout=timeout,
            retry_rules=retry_rules,
        )
        check_node_groups(self, node_groups, default_nodes=default_nodes, main_node=main_node)
        check_node_capacity(
            self,
            environment=compute_environment,
            groups=node_groups,
            default_nodes=default_nodes,
            use_efa=use_efa,
        )
        self.image_uri = repository.repository_uri_for_tag(image_tag)
        image = ecs.ContainerImage.from_ecr_repository(
            repository, tag_or_digest(self, image_tag=image_tag, pin=image_pin)
        )
        self.job_role = JobRole(self, "JobRole", job_name=name)
        execution_role = ExecutionRole(self, "ExecutionRole", job_name=name, repository=repository, log_group=log_group)
        secret = batch.Secret.from_secrets_manager(BringUpSecret(self, "BringUpSecret", key=secret_key).secret)
        if shared_file_system is not None:
            shared_file_system.grant_use(self.job_role)
        containers = [
            batch.EcsEc2ContainerDefinition(
                self,
                f"Nodes{group.target_nodes.replace(':', 'To')}",
                image=image,
                environment=environment,
                secrets={SECRET_VARIABLE: secret},
                cpu=group.vcpus,
                memory=group.memory,
                job_role=self.job_role,
                execution_role=execution_role,
                logging=ecs.LogDriver.aws_logs(stream_prefix=name, log_group=log_group),
                ulimits=_ulimits(use_efa=use_efa),
                linux_parameters=self._linux_parameters(group, shared_memory, use_efa=use_efa),
                volumes=[system.volume() for system in (shared_file_system, lustre) if system is not None] or None,
            )
            for group in node_groups
        ]
        definition = batch.MultiNodeJobDefinition(
            self,
            "Definition",
            containers=[
                batch.MultiNodeContainer(
                    container=container,
                    start_node=group.first,
                    end_node=default_nodes - 1 if group.last is None else group.last,
                )
                for group, container in zip(node_groups, containers, strict=True)
            ],
            main_node=main_node,
            retry_attempts=attempts,
            retry_strategies=[rule.strategy(self) for rule in retry_rules],
            timeout=timeout,
            propagate_tags=True,
        )
        _write_ranges(definition, node_groups, default_nodes, use_efa=use_efa)
        self.definition = definition

    def _linux_parameters(
        self, group: NodeGroup, shared_memory: cdk.Size | None, *, use_efa: bool
    ) -> batch.LinuxParameters | None:
        if shared_memory is None and not use_efa:
            return None
        linux = batch.LinuxParameters(
            self, f"Linux{group.target_nodes.replace(':', 'To')}", shared_memory_size=shared_memory
        )
        if use_efa:
            linux.add_devices(batch.Device(host_path=_EFA_DEVICE, container_path=_EFA_DEVICE))
        return linux


def _write_ranges(
    definition: batch.MultiNodeJobDefinition, node_groups: Sequence[NodeGroup], default_nodes: int, *, use_efa: bool
) -> None:
    """Put the ranges as they were given, and a device's permissions as AWS spells them, in the place of the L2's.

    It closes every range and adds up the nodes: no other number could then be submitted, and the nodes of a range
    inside another would count twice. Permissions it writes in small letters, which the API does not list.
    """
    resource = definition.node.default_child
    assert isinstance(resource, batch.CfnJobDefinition)
    resource.add_property_override("NodeProperties.NumNodes", default_nodes)
    for index, group in enumerate(node_groups):
        path = f"NodeProperties.NodeRangeProperties.{index}"
        resource.add_property_override(f"{path}.TargetNodes", group.target_nodes)
        if use_efa:
            device = f"{path}.Container.LinuxParameters.Devices.0"
            resource.add_property_override(f"{device}.Permissions", _ALL_PERMISSIONS)


def _ulimits(*, use_efa: bool) -> list[batch.Ulimit]:
    """The stack as compilers for HPC expect it; with EFA, memory is locked for the adapter to read and write.

    Open files stay as the instance has them, 32,768: more than the connections of a thousand nodes.
    """
    names = [batch.UlimitName.STACK, *([batch.UlimitName.MEMLOCK] if use_efa else [])]
    return [batch.Ulimit(name=name, soft_limit=_UNLIMITED, hard_limit=_UNLIMITED) for name in names]
