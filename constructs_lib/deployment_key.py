"""A key that is the deployment's own."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

_WAIT_BEFORE_DELETION: Final = cdk.Duration.days(30)
"""KMS's most: what the key encrypted cannot be read again by anybody once it is gone."""


class DeploymentKey(Construct):
    """A KMS key that encrypts what the deployment keeps; its owner can see its every use, and revoke it.

    1.00 USD a month and as much again for each of the first two yearly rotations, 0.03 per 10,000 requests. It outlives
    the stacks where what it encrypted does.
    """

    key: kms.IKey

    def __init__(self, scope: Construct, construct_id: str, *, retain: bool, has_lustre: bool = False) -> None:
        """Declare the key.

        Args:
            has_lustre: whether FSx for Lustre imports from, and exports to, a bucket that the key encrypts.
        """
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            description="Cloud HPC: results, shared files, logs and secret of a deployment",
            enable_key_rotation=True,
            pending_window=_WAIT_BEFORE_DELETION,
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
        )
        stack = cdk.Stack.of(self)
        logs = iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")
        groups = stack.format_arn(
            service="logs", resource="log-group", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        # CloudWatch Logs encrypts as itself, for log groups of this account only:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[logs],
                actions=["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )
        if has_lustre:
            self._let_lustre_through(stack)

    def _let_lustre_through(self, stack: cdk.Stack) -> None:
        """FSx reads and writes the linked bucket as a role that it makes for each file system, and S3 asks in its name.

        By hand because the role is not there yet, and its name is known by its beginning only.
        Source: https://docs.aws.amazon.com/fsx/latest/LustreGuide/s3-server-side-encryption-support.html
        """
        role = stack.format_arn(
            service="iam",
            region="",
            resource="role",
            resource_name="aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/AWSServiceRoleForFSxS3Access_*",
        )
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="FsxForLustreOfThisAccountThroughS3",
                principals=[iam.AnyPrincipal()],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                resources=["*"],  # in a key's policy: this key
                conditions={
                    "StringEquals": {
                        "kms:ViaService": f"s3.{stack.region}.{stack.url_suffix}",
                        "kms:CallerAccount": stack.account,
                    },
                    "ArnLike": {"aws:PrincipalArn": role},
                },
            )
        )
