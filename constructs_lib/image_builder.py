"""A build project that makes container images in the cloud, for those who have no container engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.cpu_architecture import check_architecture
from constructs_lib.errors import PropertyError
from constructs_lib.log_retention import log_retention
from constructs_lib.rule_packs import acknowledge
from instance_type_facts import ARM64, X86_64

_BUILD_IMAGES: Final[Mapping[str, codebuild.IBuildImage]] = MappingProxyType(
    {
        X86_64: codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5,
        ARM64: codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0,
    }
)
"""CodeBuild's own, with docker and the AWS command line.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html
"""

_PLATFORMS: Final[Mapping[str, str]] = MappingProxyType({X86_64: "linux/amd64", ARM64: "linux/arm64"})
"""As container engines say it."""

_MIN_MINUTES: Final = 5
_MAX_MINUTES: Final = 480
"""Of a build's time, and of its wait: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_CreateProject.html"""

_ONE_AT_A_TIME: Final = 1
"""Two builds would race to push the same tags, and the second of the same push is the first one, followed again."""


class ImageBuilder(Construct):
    """A CodeBuild project that builds what it is sent, and pushes it to these repositories and no other.

    It has no source of its own: whoever starts a build names an archive that its role may read. The role is CodeBuild's
    alone; who may start a build decides what is in images that jobs run: let nobody start one who may not deploy.
    Nothing while no build runs; then 0.005 USD a minute on x86, 0.0034 on ARM.
    """

    project: codebuild.IProject
    role: iam.IRole
    """What a build may do. Grant here the reading of its sources."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        repositories: Sequence[ecr.IRepository],
        build_spec: Mapping[str, object],
        architecture: str,
        timeout: cdk.Duration,
        log_retention_days: int,
    ) -> None:
        """Declare the project.

        Args:
            repositories: where it may push, and what it may pull.
            build_spec: what every build does, as CodeBuild's build specification reference has it.
            architecture: `x86_64` or `arm64`, of the machine and so of the images: nothing is emulated.
            timeout: longest run of a build, which bounds its cost; it waits as long for a machine.
        """
        super().__init__(scope, construct_id)
        check_architecture(self, "architecture", architecture)
        minutes = timeout.to_minutes(integral=False)
        if not _MIN_MINUTES <= minutes <= _MAX_MINUTES or minutes != int(minutes):
            problem = (
                f"a build may take {_MIN_MINUTES} to {_MAX_MINUTES} whole minutes (API_CreateProject), got "
                f"{minutes:g}; choose in that range"
            )
            raise PropertyError(self, "timeout", problem)
        if not repositories:
            raise PropertyError(self, "repositories", "a builder pushes to at least one repository, got none; name one")
        log_group = self._log_group(log_retention_days)
        self.role = iam.Role(
            self,
            "Role",
            # Only builds of this account:
            # https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
            assumed_by=iam.ServicePrincipal(
                "codebuild.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            ),
            description="What a build of container images may do",
            managed_policies=[self._policy(repositories, log_group)],
        )
        self.project = codebuild.Project(
            self,
            "Project",
            description="Builds container images and pushes them to their repositories",
            build_spec=codebuild.BuildSpec.from_object(dict(build_spec)),
            environment=codebuild.BuildEnvironment(
                build_image=_BUILD_IMAGES[architecture],
                compute_type=codebuild.ComputeType.SMALL,
                # A docker daemon inside the build's own container, on a machine that is nobody else's:
                # https://docs.aws.amazon.com/codebuild/latest/userguide/sample-docker.html
                privileged=True,
                environment_variables={"PLATFORM": codebuild.BuildEnvironmentVariable(value=_PLATFORMS[architecture])},
            ),
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)),
            # The project would add a second right to the log, in a policy that belongs to no one but the role.
            role=self.role.without_policy_updates(),
            grant_report_group_permissions=False,
            concurrent_build_limit=_ONE_AT_A_TIME,
            timeout=timeout,
            queued_timeout=timeout,
        )
        cdk.Validations.of(self.project).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-CB3",
                reason="docker build needs a daemon, and that needs a privileged container; it lasts for one build, on "
                "a machine of its own that runs in none of our networks",
            ),
            cdk.Acknowledgment(
                id="AwsSolutions-CB4",
                reason="The key is for a build's artifacts and cache, and there are none: what it makes are images, "
                "which their repositories encrypt",
            ),
        )
        acknowledge(
            self.project,
            "CodeBuildProjectSourceRepoUrl",
            "The project has no source, on GitHub or Bitbucket: a build names an archive in S3",
        )

    def _log_group(self, retention_days: int) -> logs.LogGroup:
        log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=log_retention(self, retention_days),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(
            log_group,
            "CloudWatchLogGroupEncrypted",
            "CloudWatch Logs encrypts every log group with a key of its own; a key of ours would protect what docker "
            "says of folders that are in the repository of this code",
        )
        return log_group

    def _policy(self, repositories: Sequence[ecr.IRepository], log_group: logs.ILogGroup) -> iam.ManagedPolicy:
        # One of its own rather than the role's inline policy, which NIST's and HIPAA's rules of cdk-nag refuse.
        policy = iam.ManagedPolicy(self, "Policy", description="Push and pull images, write the log of builds")
        for repository in repositories:
            repository.grant_pull_push(policy)
            repository.grant(policy, "ecr:DescribeImages")
        log_group.grant_write(policy)
        cdk.Validations.of(policy).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="ecr:GetAuthorizationToken takes no resource; what can be pushed is bound to the repositories",
            )
        )
        return policy
