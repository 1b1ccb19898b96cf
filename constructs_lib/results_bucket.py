"""The bucket that jobs leave their results in."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.errors import PropertyError

_ABORT_UPLOADS_AFTER: Final = cdk.Duration.days(7)
"""Parts of an upload that was never finished are invisible and billed; no upload of a job takes a week."""


class ResultsBucket(Construct):
    """A bucket that is encrypted, versioned, private and spoken to over TLS only, with a log of its requests."""

    bucket: s3.IBucket
    prefix: str
    """Key prefix of what jobs write; ends with a slash."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        retain: bool,
        noncurrent_version_days: int,
        access_log_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        if not prefix.endswith("/") or prefix.startswith("/"):
            problem = (
                "a key prefix ends with a slash and does not begin with one, so that a grant on it covers a folder, "
                f"got {prefix!r}; use for instance 'results/'"
            )
            raise PropertyError(self, "prefix", problem)
        removal_policy = cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY
        access_logs = s3.Bucket(
            self,
            "AccessLogs",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(access_log_days))],
            removal_policy=removal_policy,
        )
        self.prefix = prefix
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            server_access_logs_bucket=access_logs,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=_ABORT_UPLOADS_AFTER,
                    noncurrent_version_expiration=cdk.Duration.days(noncurrent_version_days),
                    expired_object_delete_marker=True,
                )
            ],
            removal_policy=removal_policy,
        )
        self._results_policy = self._policy_for_results()

    def grant_results(self, role: iam.IRole) -> None:
        """Let `role` read, write and list under the prefix, and nothing else in the bucket."""
        role.add_managed_policy(self._results_policy)

    def _policy_for_results(self) -> iam.ManagedPolicy:
        # By hand because no helper binds listing to a prefix: `grant_read` and `grant_put` allow `List*` and
        # `GetBucket*` on the whole bucket.
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            description=f"Read, write and list {self.prefix} of the bucket of results",
            statements=[
                iam.PolicyStatement(
                    actions=["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                    resources=[self.bucket.arn_for_objects(f"{self.prefix}*")],
                ),
                iam.PolicyStatement(
                    actions=["s3:ListBucket"],
                    resources=[self.bucket.bucket_arn],
                    conditions={"StringLike": {"s3:prefix": f"{self.prefix}*"}},
                ),
            ],
        )
        resource = self.bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        bucket_id = cdk.Stack.of(self).get_logical_id(resource)
        cdk.Validations.of(policy).acknowledge(
            cdk.Acknowledgment(
                id=f"AwsSolutions-IAM5[Resource::<{bucket_id}.Arn>/{self.prefix}*]",
                reason="Jobs name their objects when they run; the wildcard ends at the prefix that is theirs",
            )
        )
        return policy
