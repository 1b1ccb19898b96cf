"""AWS sessions and clients: the one module that imports boto3."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import ConstantProvider
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

from runner.errors import HpcError, InputError, ServiceError
from runner.target import Target

_THROW_AWAY: Final = "local"
"""Key of a local cloud, which takes any: an obvious word, so that no scanner and no reader takes it for a secret."""

_CONNECT_TIMEOUT_SECONDS: Final = 10
_READ_TIMEOUT_SECONDS: Final = 60


@dataclass(frozen=True)
class AwsClients:
    """Clients of one session, each made when first asked for; what they must be able to do is in `aws_clients`."""

    session: boto3.Session
    endpoint_url: str | None
    is_local: bool

    @property
    def region(self) -> str:
        """Where the calls go."""
        return str(self.session.region_name)

    @cached_property
    def batch(self) -> Any:
        """Batch, but for SubmitJob."""
        return self._client("batch", retries={"mode": "standard", "total_max_attempts": 8})

    @cached_property
    def submitter(self) -> Any:
        """Batch for SubmitJob: one call is one attempt."""
        return self._client("batch", retries={"mode": "standard", "total_max_attempts": 1})

    @cached_property
    def ec2(self) -> Any:
        """EC2."""
        return self._client("ec2")

    @cached_property
    def ecs(self) -> Any:
        """ECS."""
        return self._client("ecs")

    @cached_property
    def cloudformation(self) -> Any:
        """CloudFormation."""
        return self._client("cloudformation")

    @cached_property
    def logs(self) -> Any:
        """CloudWatch Logs."""
        return self._client("logs")

    @cached_property
    def s3(self) -> Any:
        """S3."""
        return self._client("s3")

    @cached_property
    def ecr(self) -> Any:
        """ECR."""
        return self._client("ecr")

    @cached_property
    def codebuild(self) -> Any:
        """CodeBuild."""
        return self._client("codebuild")

    @cached_property
    def ssm(self) -> Any:
        """Systems Manager."""
        return self._client("ssm")

    def renew(self) -> None:
        """Read the credentials anew, for calls from now on: somebody has logged in again."""
        if self.is_local:
            return
        profile, region = self.session.profile_name, self.session.region_name
        # Frozen for its users; this is the one change, and it changes nothing but credentials.
        object.__setattr__(self, "session", boto3.Session(profile_name=profile, region_name=region))
        services = (
            *("batch", "submitter", "ec2", "ecs", "cloudformation", "logs", "s3", "ecr", "codebuild", "sqs", "ssm"),
            "pricing",
        )
        for service in services:
            self.__dict__.pop(service, None)

    @cached_property
    def sqs(self) -> Any:
        """SQS."""
        return self._client("sqs")

    @cached_property
    def pricing(self) -> Any:
        """The price list, which answers in few regions, for all regions alike.

        Source: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
        """
        return self._client("pricing", region="us-east-1")

    def _client(self, service: str, retries: Any = None, region: str | None = None) -> Any:
        config = Config(
            retries=retries or {"mode": "standard", "total_max_attempts": 5},
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            read_timeout=_READ_TIMEOUT_SECONDS,
            # A proxy cannot reach this machine's loopback; an empty mapping keeps the environment's from being asked.
            **({"proxies": {}, "s3": {"addressing_style": "path"}} if self.is_local else {}),
        )
        return self.session.client(service, region_name=region, endpoint_url=self.endpoint_url, config=config)


def connect(target: Target, local_state: Path) -> AwsClients:
    """Clients for the target; `local_state` is the state directory of the local cloud, read where the target is one.

    Raises InputError where no local cloud answers there. Nothing is called on AWS yet.
    """
    if target.local:
        return _connect_local(local_state)
    try:
        session = boto3.Session(profile_name=target.profile, region_name=target.region)
    except BotoCoreError as error:
        raise (explain(error) or error) from None
    return AwsClients(session, target.endpoint_url, is_local=False)


def _connect_local(local_state: Path) -> AwsClients:
    file = local_state / "endpoint.json"
    try:
        endpoint = json.loads(file.read_text(encoding="utf-8"))
        url, region = str(endpoint["endpoint"]), str(endpoint["region"])
    except (OSError, ValueError, KeyError):
        raise InputError(
            f"--local: a local cloud says in {file} where it answers, got no such file; start one with: hpc local up"
        ) from None
    core = botocore.session.Session()
    # Neither a profile nor a configuration file of the user's may lead elsewhere.
    core.get_component("config_store").set_config_provider("profile", ConstantProvider(None))
    core.set_config_variable("config_file", os.devnull)
    core.set_config_variable("credentials_file", os.devnull)
    session = boto3.Session(
        botocore_session=core,
        aws_access_key_id=_THROW_AWAY,
        aws_secret_access_key=_THROW_AWAY,
        region_name=region,
    )
    return AwsClients(session, url, is_local=True)


_EXPLANATIONS: Final[tuple[tuple[tuple[type[Exception], ...], type[HpcError], str], ...]] = (
    (
        (ProfileNotFound,),
        InputError,
        "--profile: names a profile of the AWS configuration, got: {}; see: aws configure list-profiles",
    ),
    (
        (NoRegionError,),
        InputError,
        "--region: a region is needed, got none; give it, or set AWS_REGION or the profile's region",
    ),
    (
        (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, SSOError),
        InputError,
        "credentials: AWS needs some, got: {}; log in, name a --profile, or use --local for the local cloud",
    ),
    (
        (EndpointConnectionError,),
        ServiceError,
        "endpoint: answers, got: {}; is it up? A local cloud is started with: hpc local up",
    ),
    ((BotoCoreError,), ServiceError, "AWS SDK: {}"),
)
"""The SDK's errors, the particular before the general."""


def explain(error: Exception) -> HpcError | None:
    """An AWS SDK's error in a sentence for the user; None for any other error."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return ServiceError(f"{error.operation_name}: {details.get('Code')}: {details.get('Message')}")
    for kinds, meaning, text in _EXPLANATIONS:
        if isinstance(error, kinds):
            return meaning(text.format(error))
    return None
