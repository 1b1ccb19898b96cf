"""Secrets as ECS finds them, and its words where it does not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_batch.executors.work import SecretReference
from local_batch.host.seams import MiniStack
from local_batch.host.secret_values import SecretError, SecretValues

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf"
PARAMETER_ARN = "arn:aws:ssm:us-east-1:123456789012:parameter/db/user"
FARGATE = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
RETRIED = "service call has been retried 1 time(s): "
NOT_FOUND = "ResourceNotFoundException: Secrets Manager can't find the specified secret."
NO_KEY = "retrieved secret from Secrets Manager did not contain json key password"
BAD_ARN = (
    f"trying to retrieve secret with value {ARN}:user resulted in error: unexpected ARN format with parameters when "
    "trying to retrieve ASM secret"
)
ON_FARGATE = "unable to retrieve secret from asm: "
ON_EC2 = "Fetching secret data from AWS Secrets Manager in region us-east-1: "
VERSIONS: dict[tuple[str | None, str | None], dict[str, str]] = {
    (None, None): {"SecretString": json.dumps({"user": "ann", "port": 5432, "on": True})},
    ("AWSPREVIOUS", None): {"SecretString": json.dumps({"user": "bob"})},
    (None, "v0"): {"SecretString": "plain"},
    ("BINARY", None): {"SecretBinary": "AAAA"},
}


def get_secret_value(request: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """As MiniStack's GetSecretValue."""
    version = VERSIONS.get((request.get("VersionStage"), request.get("VersionId")))
    if request["SecretId"] != ARN or version is None:
        text = "Secrets Manager can't find the specified secret."
        return 400, {}, json.dumps({"__type": "ResourceNotFoundException", "message": text}).encode()
    return 200, {}, json.dumps({"ARN": ARN, **version}).encode()


def get_parameters(request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """As MiniStack's GetParameters."""
    assert request["WithDecryption"] is True
    known = [name for name in request["Names"] if name in ("/db/user", PARAMETER_ARN)]
    return 200, {}, json.dumps({"Parameters": [{"Name": name, "Value": "ann"} for name in known]}).encode()


@pytest.fixture
def secrets() -> SecretValues:
    """Of a cloud with one secret in several versions, and one parameter."""

    @contextlib.contextmanager
    def scope() -> Iterator[None]:
        yield

    cloud = SimpleNamespace(
        secretsmanager=SimpleNamespace(get_secret_value=get_secret_value),
        ssm=SimpleNamespace(get_parameters=get_parameters),
        scope=scope,
    )
    return SecretValues(cast("MiniStack", cloud))


@pytest.mark.parametrize(
    ("value_from", "value"),
    [
        (ARN, VERSIONS[None, None]["SecretString"]),
        (f"{ARN}:user::", "ann"),
        (f"{ARN}:port::", "5432"),
        (f"{ARN}:on::", "true"),
        (f"{ARN}:user:AWSPREVIOUS:", "bob"),
        (f"{ARN}:::v0", "plain"),
        ("/db/user", "ann"),
        (PARAMETER_ARN, "ann"),
    ],
)
def test_value_is_what_the_reference_names(secrets: SecretValues, value_from: str, value: str) -> None:
    """A whole secret, a key of its JSON, an older version, a parameter by name or ARN."""
    assert secrets.values([SecretReference("V", value_from)], on_fargate=True) == {"V": value}


@pytest.mark.parametrize(
    ("value_from", "on_fargate", "on_ec2"),
    [
        (
            f"{ARN}x",
            f"{ON_FARGATE}{RETRIED}failed to fetch secret {ARN}x from secrets manager: {NOT_FOUND}",
            f"{ON_EC2}secret {ARN}x: {NOT_FOUND}",
        ),
        (f"{ARN}:password::", f"{ON_FARGATE}{RETRIED}{NO_KEY}", f"{ON_EC2}{NO_KEY}"),
        (f"{ARN}:user", f"{ON_FARGATE}{BAD_ARN}", BAD_ARN),
        (
            "/db/absent",
            f"unable to retrieve secrets from ssm: {RETRIED}invalid ssm parameters: /db/absent",
            "Fetching secret data from SSM Parameter Store in us-east-1: invalid parameters: /db/absent",
        ),
    ],
)
def test_what_is_not_there_is_told_in_ecss_words(
    secrets: SecretValues, value_from: str, on_fargate: str, on_ec2: str
) -> None:
    """Which are other ones on Fargate than on EC2."""
    references = [SecretReference("V", value_from)]
    with pytest.raises(SecretError) as error:
        secrets.values(references, on_fargate=True)
    assert str(error.value) == FARGATE + on_fargate
    with pytest.raises(SecretError) as error:
        secrets.values(references, on_fargate=False)
    assert str(error.value) == on_ec2


@pytest.mark.parametrize(
    ("value_from", "text"), [(f"{ARN}:user::v0", "is not JSON"), (f"{ARN}::BINARY:", "the secret is binary")]
)
def test_secret_of_another_form_is_no_text(secrets: SecretValues, value_from: str, text: str) -> None:
    """Only text can be a variable, and only JSON has keys."""
    with pytest.raises(SecretError, match=text):
        secrets.values([SecretReference("V", value_from)], on_fargate=False)
