"""A CDK app of Batch's L2 constructs in the forms that they write, for the real cdk command: `-c image=REFERENCE`."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

REPORT = """
import os
print(os.environ["PASSWORD"], os.environ["LEVEL"], os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX"))
"""
REPORT_NODE = "import os; print(os.environ['AWS_BATCH_JOB_NODE_INDEX'], os.environ['ROLE'])"


class JobsStack(cdk.Stack):
    """One queue that shares out one EC2 environment, definitions of single jobs and arrays, and one of nodes."""

    def __init__(self, scope: Construct, construct_id: str, *, image: ecs.ContainerImage) -> None:
        super().__init__(scope, construct_id)
        self._image = image
        # Without default rules to restrict there is no custom resource, which would need Lambda.
        vpc = ec2.Vpc(self, "Vpc", max_azs=1, nat_gateways=0, restrict_default_security_group=False)
        queue = self._queue(vpc)
        for name, arn in (
            ("Queue", queue.job_queue_arn),
            ("Job", self._job().job_definition_arn),
            ("Mounted", self._mounted(vpc).job_definition_arn),
            ("Nodes", self._nodes().job_definition_arn),
        ):
            cdk.CfnOutput(self, f"{name}Arn", value=arn)

    def _queue(self, vpc: ec2.IVpc) -> batch.JobQueue:
        environment = batch.ManagedEc2EcsComputeEnvironment(
            self,
            "Environment",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            maxv_cpus=16,
        )
        share = batch.Share(share_identifier="team*", weight_factor=0.5)
        policy = batch.FairshareSchedulingPolicy(
            self, "Policy", compute_reservation=10, share_decay=cdk.Duration.minutes(10), shares=[share]
        )
        limit = batch.JobStateTimeLimitAction(
            max_time=cdk.Duration.minutes(10),
            reason=batch.JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT,
        )
        return batch.JobQueue(
            self,
            "Queue",
            compute_environments=[batch.OrderedComputeEnvironment(compute_environment=environment, order=1)],
            scheduling_policy=policy,
            job_state_time_limit_actions=[limit],
        )

    def _job(self) -> batch.EcsJobDefinition:
        password = secretsmanager.Secret(
            self,
            "Password",
            secret_object_value={"password": cdk.SecretValue.unsafe_plain_text("s3cret")},
        )
        level = ssm.StringParameter(self, "Level", string_value="high")
        container = self._container(
            "JobContainer",
            REPORT,
            job_role=iam.Role(self, "JobRole", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com")),
            secrets={
                "PASSWORD": batch.Secret.from_secrets_manager(password, "password"),
                "LEVEL": batch.Secret.from_ssm_parameter(level),
            },
            ulimits=[batch.Ulimit(name=batch.UlimitName.NOFILE, soft_limit=512, hard_limit=1024)],
        )
        return batch.EcsJobDefinition(
            self, "Job", container=container, scheduling_priority=2, retry_attempts=2, propagate_tags=True
        )

    def _mounted(self, vpc: ec2.IVpc) -> batch.EcsJobDefinition:
        linux = batch.LinuxParameters(
            self, "Linux", init_process_enabled=True, shared_memory_size=cdk.Size.mebibytes(64)
        )
        linux.add_devices(
            batch.Device(host_path="/dev/null", permissions=[batch.DevicePermission.READ, batch.DevicePermission.WRITE])
        )
        linux.add_tmpfs(
            batch.Tmpfs(
                container_path="/scratch",
                size=cdk.Size.mebibytes(16),
                mount_options=[batch.TmpfsMountOption.NOEXEC],
            )
        )
        container = self._container("MountedContainer", REPORT, linux_parameters=linux)
        shared = efs.FileSystem(self, "Shared", vpc=vpc, removal_policy=cdk.RemovalPolicy.DESTROY)
        container.add_volume(batch.EcsVolume.efs(name="shared", file_system=shared, container_path="/shared"))
        return batch.EcsJobDefinition(self, "Mounted", container=container, scheduling_priority=1)

    def _nodes(self) -> batch.MultiNodeJobDefinition:
        return batch.MultiNodeJobDefinition(
            self,
            "Nodes",
            scheduling_priority=1,
            containers=[
                batch.MultiNodeContainer(
                    start_node=first,
                    end_node=last,
                    container=self._container(f"{role}Container", REPORT_NODE, environment={"ROLE": role}),
                )
                for role, first, last in (("main", 0, 0), ("worker", 1, 2))
            ],
        )

    def _container(self, construct_id: str, program: str, **more: Any) -> batch.EcsEc2ContainerDefinition:
        return batch.EcsEc2ContainerDefinition(
            self,
            construct_id,
            image=self._image,
            cpu=1,
            memory=cdk.Size.mebibytes(128),
            command=[program],
            **more,
        )


def main() -> None:
    """Synthesise."""
    app = cdk.App()
    JobsStack(app, "Jobs", image=ecs.ContainerImage.from_registry(app.node.get_context("image")))
    app.synth()


if __name__ == "__main__":
    main()
