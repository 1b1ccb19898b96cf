"""The calls that the runner makes, by service: what a client must be able to do. boto3's clients are, and fakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Answer = Mapping[str, Any]
"""A response as the service model describes it."""


class BatchClient(Protocol):
    """AWS Batch."""

    def submit_job(self, **request: Any) -> Answer:
        """Make a job; each call makes another."""

    def describe_jobs(self, **request: Any) -> Answer:
        """Up to 100 jobs; unknown ids are left out."""

    def list_jobs(self, **request: Any) -> Answer:
        """Jobs of a queue, a page at a time."""

    def terminate_job(self, **request: Any) -> Answer:
        """End a job in whatever state it is."""

    def terminate_jobs(self, **request: Any) -> Answer:
        """End up to 50 jobs; the answer tells those that could not be."""

    def describe_job_queues(self, **request: Any) -> Answer:
        """Queues by name or ARN."""

    def describe_compute_environments(self, **request: Any) -> Answer:
        """Compute environments by name or ARN."""

    def describe_job_definitions(self, **request: Any) -> Answer:
        """Job definitions by ARN, by name and revision, or all revisions of a name."""


class Ec2Client(Protocol):
    """EC2."""

    def describe_instance_types(self, **request: Any) -> Answer:
        """Sizes of instance types, a page at a time."""


class InstancesClient(Protocol):
    """EC2, as far as instances go."""

    def describe_instances(self, **request: Any) -> Answer:
        """Instances by their ids, in reservations."""

    def start_instances(self, **request: Any) -> Answer:
        """Start stopped instances; one that runs is left alone."""

    def stop_instances(self, **request: Any) -> Answer:
        """Stop instances; their volumes stay."""


class SsmClient(Protocol):
    """Systems Manager."""

    def describe_instance_information(self, **request: Any) -> Answer:
        """Instances whose agent has reported; those that have not are left out."""


class EcsClient(Protocol):
    """ECS, on whose clusters Batch runs jobs."""

    def list_container_instances(self, **request: Any) -> Answer:
        """ARNs of a cluster's container instances, a page at a time."""

    def describe_container_instances(self, **request: Any) -> Answer:
        """Up to 100 container instances of a cluster."""


class CloudFormationClient(Protocol):
    """CloudFormation."""

    def describe_stacks(self, **request: Any) -> Answer:
        """Stacks with their outputs."""

    def get_template(self, **request: Any) -> Answer:
        """The template that a stack was deployed from."""

    def list_stack_resources(self, **request: Any) -> Answer:
        """Resources of a stack with their physical ids, a page at a time."""


class LogsClient(Protocol):
    """CloudWatch Logs."""

    def get_log_events(self, **request: Any) -> Answer:
        """Events of one stream, from a token on."""


class S3Client(Protocol):
    """S3."""

    def list_objects_v2(self, **request: Any) -> Answer:
        """Keys under a prefix, a page at a time."""

    def get_object(self, **request: Any) -> Answer:
        """One object, its content to be read from `Body`."""

    def head_object(self, **request: Any) -> Answer:
        """What is known of one object; an error 404 where there is none."""

    def put_object(self, **request: Any) -> Answer:
        """Write one object."""


class BucketEmptierClient(Protocol):
    """S3, for who deletes a bucket."""

    def list_object_versions(self, **request: Any) -> Answer:
        """Versions and delete markers, a page at a time."""

    def delete_objects(self, **request: Any) -> Answer:
        """Delete up to 1,000 versions for good; those that could not be are named in the answer."""


class SqsClient(Protocol):
    """SQS."""

    def receive_message(self, **request: Any) -> Answer:
        """Up to 10 messages, waiting for one as long as the request says; none leaves `Messages` out."""

    def delete_message_batch(self, **request: Any) -> Answer:
        """Take up to 10 messages off their queue for good."""


class EcrClient(Protocol):
    """ECR."""

    def describe_images(self, **request: Any) -> Answer:
        """Images of a repository."""

    def get_authorization_token(self, **request: Any) -> Answer:
        """User and password for the registry, good for twelve hours."""

    def describe_image_scan_findings(self, **request: Any) -> Answer:
        """What a scan of one image found, a page at a time."""


class CodeBuildClient(Protocol):
    """CodeBuild."""

    def start_build(self, **request: Any) -> Answer:
        """Start a build; each call with another token starts another."""

    def batch_get_builds(self, **request: Any) -> Answer:
        """Up to 100 builds; unknown ids are named apart."""

    def list_builds_for_project(self, **request: Any) -> Answer:
        """Ids of a project's builds, a page at a time."""


class PricingClient(Protocol):
    """The price list."""

    def get_products(self, **request: Any) -> Answer:
        """Products of a service that pass the filters, each as a JSON text, a page at a time."""
