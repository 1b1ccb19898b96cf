"""Where MPI jobs wait and run: instances that are close to each other and trust each other's traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from constructs import Construct, IConstruct, IValidation

from constructs_lib.ec2_compute import Ec2Compute
from constructs_lib.errors import PropertyError
from constructs_lib.prioritised_queue import PrioritisedQueue
from constructs_lib.rule_packs import acknowledge

_HTTPS: Final = 443
_ALL_PROTOCOLS: Final = "-1"


class MpiComputeQueue(Construct):
    """A queue over one compute environment of on-demand EC2 instances in a cluster placement group.

    Multi-node parallel jobs run on nothing else, and a cluster placement group lies in one zone. A job waits until
    Batch has instances for all of its nodes. Containers of such jobs have no public address, even in a public subnet:
    they reach their peers and, through the gateway endpoint, S3. Images, logs, secrets and credentials come through
    the instance, which has an address.
    """

    environment: batch.ManagedEc2EcsComputeEnvironment
    queue: batch.IJobQueue
    security_group: ec2.ISecurityGroup
    """Of every node."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        max_vcpus: int,
        instance_types: Sequence[str],
        root_volume: cdk.Size,
        priority: int,
        use_efa: bool = False,
        security_group: ec2.ISecurityGroup | None = None,
        time_limits: Sequence[batch.JobStateTimeLimitAction] = (),
        user_data: ec2.UserData | None = None,
    ) -> None:
        """Declare environment and queue.

        Args:
            subnets: one subnet.
            max_vcpus: bounds the nodes of all jobs at a time, and with it the cost.
            use_efa: whether nodes have an Elastic Fabric Adapter; every instance type has to have one.
            security_group: of the instances and of the containers' own network interfaces. Left out, one that takes
                traffic from its members alone and sends to them and, by HTTPS, to AWS's APIs. One that is given has to
                let its members reach each other on every port, since ranks choose theirs when they start.
            time_limits: what becomes of jobs that are stuck at the head of the queue. Left out, they wait for ever.
            user_data: commands that an instance runs when it is made, before it joins.
        """
        super().__init__(scope, construct_id)
        chosen = vpc.select_subnets(
            availability_zones=subnets.availability_zones,
            one_per_az=subnets.one_per_az,
            subnet_filters=subnets.subnet_filters,
            subnet_group_name=subnets.subnet_group_name,
            subnets=subnets.subnets,
            subnet_type=subnets.subnet_type,
        ).subnets
        if len(chosen) != 1:
            problem = (
                "a cluster placement group lies in one zone, so its instances start in one subnet "
                "(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html), "
                f"got {len(chosen)}; choose one"
            )
            raise PropertyError(self, "subnets", problem)
        self.security_group = security_group or self._security_group(vpc)
        self.node.add_validation(_MembersReachEachOther(self, self.security_group, use_efa=use_efa))
        self.environment = Ec2Compute(
            self,
            "Compute",
            vpc=vpc,
            subnets=subnets,
            security_group=self.security_group,
            max_vcpus=max_vcpus,
            instance_types=instance_types,
            root_volume=root_volume,
            placement_group=ec2.PlacementGroup(self, "PlacementGroup", strategy=ec2.PlacementGroupStrategy.CLUSTER),
            use_efa=use_efa,
            user_data=user_data,
        ).environment
        self.queue = PrioritisedQueue(
            self, "Queue", priority=priority, environments=[self.environment], time_limits=time_limits
        ).queue

    def _security_group(self, vpc: ec2.IVpc) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            description="MPI jobs: each other, and HTTPS out",
            allow_all_outbound=False,
        )
        group.connections.allow_internally(ec2.Port.all_traffic(), "Ranks of MPI jobs")
        acknowledge(group, "EC2RestrictedCommonPorts", "From members of the group alone: ranks choose their ports")
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(_HTTPS), "AWS APIs, image registries, S3")
        return group


@jsii.implements(IValidation)
class _MembersReachEachOther:
    """Nothing fails where they do not: ranks wait for each other until the job's timeout.

    A group of another app is taken at its word, as its rules are not here to be read.
    """

    def __init__(self, construct: IConstruct, security_group: ec2.ISecurityGroup, *, use_efa: bool) -> None:
        self._construct = construct
        self._security_group = security_group
        self._use_efa = use_efa

    def validate(self) -> list[str]:
        """What is wrong, in the words of a PropertyError; nothing where it is right."""
        if not isinstance(self._security_group, ec2.SecurityGroup):
            return []
        stack = cdk.Stack.of(self._construct)
        group_id = stack.resolve(self._security_group.security_group_id)
        resources = self._construct.node.root.node.find_all()
        problems = []
        directions: list[tuple[type, str, str]] = [
            (ec2.CfnSecurityGroupIngress, "source_security_group_id", "takes from")
        ]
        # A rule that lets all out to anywhere does for TCP, and CDK adds none beside it. The adapter asks for the
        # group itself: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html
        if self._use_efa or not self._security_group.allow_all_outbound:
            directions.append((ec2.CfnSecurityGroupEgress, "destination_security_group_id", "sends to"))
        for kind, peer, direction in directions:
            rules = [resource for resource in resources if isinstance(resource, kind)]
            if not any(_is_between_members(stack, rule, peer, group_id) for rule in rules):
                problem = (
                    f"the security group of MPI nodes {direction} its own members all traffic, since ranks choose "
                    "their ports when they start, got no such rule; add it with "
                    "connections.allow_internally(ec2.Port.all_traffic()), without allow_all_outbound"
                )
                problems.append(str(PropertyError(self._construct, "security_group", problem)))
        return problems


def _is_between_members(stack: cdk.Stack, rule: Any, peer: str, group_id: object) -> bool:
    ends = (stack.resolve(rule.group_id), stack.resolve(getattr(rule, peer)))
    return ends == (group_id, group_id) and rule.ip_protocol == _ALL_PROTOCOLS
