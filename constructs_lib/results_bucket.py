"""The bucket of everything about runs: what is sent to jobs, what they leave, and what their submitters remember."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.errors import PropertyError
from constructs_lib.rule_packs import acknowledge

_ABORT_UPLOADS_AFTER: Final = cdk.Duration.days(7)
"""Parts of an upload that was never finished are invisible and billed; no upload of a job takes a week."""

_KEEP_OLD_COPIES: Final = cdk.Duration.days(1)
"""S3's least: programs and ledgers are copies of their senders' files, so there is nothing to bring back."""

_EXAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {"prefix": "results/", "programs_prefix": "programs/", "runs_prefix": "runs/", "builds_prefix": "builds/"}
)
"""Of each prefix, by the name of its property."""

_DESCRIPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Policy": "Read, write and list the results in the bucket of results",
        "ProgramsPolicy": "Read programs that were sent to the bucket of results",
        "BuildsPolicy": "Read what images are built from in the bucket of results",
        "SubmitterPolicy": "What hpc does in the bucket of results",
    }
)
"""Of each policy, by its construct id. Without the prefixes: IAM cannot change a description, so that another prefix
would be another policy, which CloudFormation refuses because the entry stack imports this one.
"""


class ResultsBucket(Construct):
    """A bucket that is encrypted, versioned, private and spoken to over TLS only, with a log of its requests."""

    bucket: s3.IBucket
    prefix: str
    """Key prefix of what jobs write; ends with a slash."""
    programs_prefix: str
    """Key prefix of the programs that are sent to jobs; ends with a slash."""
    runs_prefix: str
    """Key prefix of the ledgers of runs, which no job may read or write; ends with a slash."""
    results_policy: iam.IManagedPolicy
    """What `grant_results` gives."""
    builds_prefix: str
    """Key prefix of what images and the head node are made from, which no job may read or write; ends with a slash."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        programs_prefix: str,
        runs_prefix: str,
        builds_prefix: str,
        build_source_days: int,
        program_days: int,
        retain: bool,
        noncurrent_version_days: int,
        access_log_days: int,
        key: kms.IKey | None = None,
    ) -> None:
        """Declare the bucket.

        Args:
            key: encrypts its objects, and who is granted objects is granted its use. Left out, S3's own keys do. The
                log of requests is encrypted by S3's own: S3 delivers it with no other.
            prefix: of results, which no rule deletes.
            programs_prefix: of programs, deleted `program_days` after they were last sent: who runs one again sends it
                again, under the same content hash.
            runs_prefix: of ledgers, which no rule deletes; of a ledger that is written again, the old copy goes soon.
            builds_prefix: of what images are built from, deleted `build_source_days` after it was last sent.
        """
        super().__init__(scope, construct_id)
        self._refuse_bad_prefixes(
            prefix=prefix, programs_prefix=programs_prefix, runs_prefix=runs_prefix, builds_prefix=builds_prefix
        )
        for name, days in (("program_days", program_days), ("build_source_days", build_source_days)):
            if days < 1:
                problem = f"an object expires after 1 day or more (API_LifecycleExpiration), got {days!r}; raise it"
                raise PropertyError(self, name, problem)
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
        self.programs_prefix = programs_prefix
        self.runs_prefix = runs_prefix
        self.builds_prefix = builds_prefix
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED if key is None else s3.BucketEncryption.KMS,
            encryption_key=key,
            # One request to KMS for many objects.
            bucket_key_enabled=None if key is None else True,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            server_access_logs_bucket=access_logs,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=_ABORT_UPLOADS_AFTER,
                    noncurrent_version_expiration=cdk.Duration.days(noncurrent_version_days),
                    expired_object_delete_marker=True,
                ),
                s3.LifecycleRule(
                    prefix=programs_prefix,
                    expiration=cdk.Duration.days(program_days),
                    noncurrent_version_expiration=_KEEP_OLD_COPIES,
                ),
                s3.LifecycleRule(prefix=runs_prefix, noncurrent_version_expiration=_KEEP_OLD_COPIES),
                s3.LifecycleRule(
                    prefix=builds_prefix,
                    expiration=cdk.Duration.days(build_source_days),
                    noncurrent_version_expiration=_KEEP_OLD_COPIES,
                ),
            ],
            removal_policy=removal_policy,
        )
        for bucket in (access_logs, self.bucket):
            acknowledge(
                bucket, "S3BucketReplicationEnabled", "A second copy doubles the cost; versions undo what is lost"
            )
        acknowledge(
            access_logs, "S3BucketVersioningEnabled", "S3 alone writes the log, each object once, and none changes"
        )
        acknowledge(access_logs, "S3DefaultEncryptionKMS", "S3 delivers access logs into buckets with its own key only")
        if key is None:
            acknowledge(self.bucket, "S3DefaultEncryptionKMS", "S3 encrypts with its own key, free of charge")
        self._key = key
        self.results_policy = self._policy_for_results()
        self._programs_policy = self._policy_for_programs()

    def grant_results(self, role: iam.IRole) -> None:
        """Let `role` read, write and list under the prefix of results, and nothing else in the bucket."""
        role.add_managed_policy(self.results_policy)

    def grant_programs(self, role: iam.IRole) -> None:
        """Let `role` read what lies under the prefix of programs: to run it, not to change it for others."""
        role.add_managed_policy(self._programs_policy)

    def grant_prefixes(self, role: iam.IRole, *, job_name: str, write: Sequence[str], read: Sequence[str]) -> None:
        """Let `role`, of jobs of that name, read, write and list under `write`, read and list under `read`.

        In the place of `grant_results`; PropertyError for a prefix that is none, or under which
        lies what is not for jobs.
        """
        for prefix in (*write, *read):
            self._refuse_bad_prefixes(
                prefix=prefix,
                programs_prefix=self.programs_prefix,
                runs_prefix=self.runs_prefix,
                builds_prefix=self.builds_prefix,
            )
        policy = iam.ManagedPolicy(
            self,
            f"{job_name.capitalize()}Policy",
            description=f"What {job_name} jobs may read and write in the bucket of results",
        )
        for prefix in (*write, *read):
            policy.add_statements(*self._statements(prefix, writes=prefix in write))
            self._acknowledge_wildcard(policy, prefix, "Jobs name their objects when they run")
        if self._key is not None:
            policy.add_statements(_use_of(self._key))
        role.add_managed_policy(policy)

    def submitter_policy(self) -> iam.ManagedPolicy:
        """For who submits: send programs, keep ledgers of runs, read results, and find all of these."""
        # By hand as below, and because nothing is sent to the results from here.
        read = (self.prefix, self.programs_prefix, self.runs_prefix)
        written = (self.programs_prefix, self.runs_prefix)
        policy = iam.ManagedPolicy(
            self,
            "SubmitterPolicy",
            description=_DESCRIPTIONS["SubmitterPolicy"],
            statements=[
                iam.PolicyStatement(
                    actions=["s3:GetObject"], resources=[self.bucket.arn_for_objects(f"{prefix}*") for prefix in read]
                ),
                iam.PolicyStatement(
                    actions=["s3:PutObject"],
                    resources=[self.bucket.arn_for_objects(f"{prefix}*") for prefix in written],
                ),
                # Without a prefix as its condition: who may not list is refused where an object is not there (403 for
                # 404), and a request for an object names no prefix that could be let through. hpc would take what it
                # has not sent yet for forbidden. To be seen besides are names of archives, which cannot be read.
                # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
                iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]),
            ],
        )
        if self._key is not None:
            policy.add_statements(_use_of(self._key))
        for prefix in read:
            self._acknowledge_wildcard(policy, prefix, "Programs, ledgers and results are named when they are made")
        return policy

    def grant_build_sources(self, role: iam.IRole) -> None:
        """Let `role`, of builds, read what lies under the prefix of builds; once."""
        # By hand as below. The bucket's own two tell of no object: CodeBuild asks whose and where a source's bucket is,
        # https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
        policy = iam.ManagedPolicy(
            self,
            "BuildsPolicy",
            description=_DESCRIPTIONS["BuildsPolicy"],
            statements=[
                iam.PolicyStatement(
                    actions=["s3:GetObject", "s3:GetObjectVersion"],
                    resources=[self.bucket.arn_for_objects(f"{self.builds_prefix}*")],
                ),
                iam.PolicyStatement(
                    actions=["s3:GetBucketAcl", "s3:GetBucketLocation"], resources=[self.bucket.bucket_arn]
                ),
            ],
        )
        if self._key is not None:
            policy.add_statements(_use_of(self._key))
        self._acknowledge_wildcard(policy, self.builds_prefix, "Archives are named by their content when they are sent")
        role.add_managed_policy(policy)

    def _policy_for_results(self) -> iam.ManagedPolicy:
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            description=_DESCRIPTIONS["Policy"],
            statements=self._statements(self.prefix, writes=True),
        )
        if self._key is not None:
            policy.add_statements(_use_of(self._key))
        self._acknowledge_wildcard(policy, self.prefix, "Jobs name their objects when they run")
        return policy

    def _policy_for_programs(self) -> iam.ManagedPolicy:
        # By hand as below: a job is told the key, so that it need not, and cannot, list what others sent.
        policy = iam.ManagedPolicy(
            self,
            "ProgramsPolicy",
            description=_DESCRIPTIONS["ProgramsPolicy"],
            statements=[
                iam.PolicyStatement(
                    actions=["s3:GetObject"], resources=[self.bucket.arn_for_objects(f"{self.programs_prefix}*")]
                )
            ],
        )
        if self._key is not None:
            policy.add_statements(_use_of(self._key))
        self._acknowledge_wildcard(
            policy, self.programs_prefix, "Programs are named by their content when they are sent"
        )
        return policy

    def _statements(self, prefix: str, *, writes: bool) -> list[iam.PolicyStatement]:
        # By hand because no helper binds listing to a prefix: `grant_read` and `grant_put` allow `List*` and
        # `GetBucket*` on the whole bucket.
        actions = ["s3:GetObject", *(["s3:PutObject", "s3:AbortMultipartUpload"] if writes else [])]
        return [
            iam.PolicyStatement(actions=actions, resources=[self.bucket.arn_for_objects(f"{prefix}*")]),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[self.bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": f"{prefix}*"}},
            ),
        ]

    def _acknowledge_wildcard(self, policy: iam.ManagedPolicy, prefix: str, why: str) -> None:
        resource = self.bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        bucket_id = cdk.Stack.of(self).get_logical_id(resource)
        cdk.Validations.of(policy).acknowledge(
            cdk.Acknowledgment(
                id=f"AwsSolutions-IAM5[Resource::<{bucket_id}.Arn>/{prefix}*]",
                reason=f"{why}; the wildcard ends at the prefix that is theirs",
            )
        )

    def _refuse_bad_prefixes(self, **prefixes: str) -> None:
        for name, value in prefixes.items():
            if not value.endswith("/") or value.startswith("/"):
                problem = (
                    "a key prefix ends with a slash and does not begin with one, so that a grant on it covers a "
                    f"folder, got {value!r}; use for instance {_EXAMPLES[name]!r}"
                )
                raise PropertyError(self, name, problem)
        for (first, one), (second, other) in itertools.combinations(prefixes.items(), 2):
            if one.startswith(other) or other.startswith(one):
                problem = (
                    "results, programs, ledgers of runs and what images are built from lie beside each other, so "
                    "that results and ledgers do not expire and only results are written by jobs, "
                    f"got {other!r} and {one!r} ({first}); use for instance {_EXAMPLES[second]!r}"
                )
                raise PropertyError(self, second, problem)


def _use_of(key: kms.IKey) -> iam.PolicyStatement:
    """By hand because a grant of the key would also allow wildcards of actions that no object needs."""
    return iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[key.key_arn])
