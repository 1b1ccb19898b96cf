"""Secrets of a job: values that only its container sees."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.service import Service, clients, container, register

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
PASSWORD = "correct horse battery staple"
DIGEST = """exec python3 -c 'import hashlib, os; print(hashlib.sha256(os.environ["SECRET"].encode()).hexdigest())'"""


@dataclass(frozen=True)
class Vault:
    """A secret, a parameter, and a role that reads them."""

    secret: str
    parameter: str
    role: str


@pytest.fixture(scope="module")
def vault(service: Service) -> Vault:
    """With the password in both."""
    iam, secrets, ssm = clients(service.endpoint, "iam", "secretsmanager", "ssm")
    name = f"vault-{uuid.uuid4().hex[:8]}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    secret = secrets.create_secret(Name=name, SecretString=json.dumps({"password": PASSWORD}))["ARN"]
    ssm.put_parameter(Name=f"/{name}/password", Value=PASSWORD, Type="SecureString")
    return Vault(secret, f"/{name}/password", role)


def run(service: Service, vault: Vault, value_from: str, **more: Any) -> dict[str, Any]:
    """A job with one secret that writes the value's digest; the ended job."""
    secrets = [{"name": "SECRET", "valueFrom": value_from}]
    properties = container(secrets=secrets, executionRoleArn=vault.role, **more)
    register(service.batch, "secrets", container_properties=properties)
    return service.wait(service.submit(DIGEST, jobDefinition="secrets"))


@pytest.mark.parametrize("kind", ["key of a secret", "parameter"])
def test_the_value_is_in_the_containers_environment_alone(service: Service, vault: Vault, kind: str) -> None:
    """DescribeJobs shows where it comes from and not what it is."""
    value_from = f"{vault.secret}:password::" if kind == "key of a secret" else vault.parameter
    job = run(service, vault, value_from)
    assert job["status"] == "SUCCEEDED", job["attempts"]
    assert service.log(job) == [hashlib.sha256(PASSWORD.encode()).hexdigest()]
    assert job["container"]["secrets"] == [{"name": "SECRET", "valueFrom": value_from}]
    assert PASSWORD not in json.dumps(job)


def test_a_secret_that_is_not_there_fails_the_attempt_in_ecss_words(service: Service, vault: Vault) -> None:
    """The container never starts."""
    job = run(service, vault, "/absent")
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"] == (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        "unable to retrieve secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters: /absent"
    )
    assert "startedAt" not in job["attempts"][0]


def test_the_role_that_reads_secrets_must_exist(service: Service, vault: Vault) -> None:
    """As the job role must."""
    absent = Vault(vault.secret, vault.parameter, "arn:aws:iam::123456789012:role/absent")
    job = run(service, absent, vault.parameter)
    assert job["status"] == "FAILED"
    assert "ECS was unable to assume the role" in job["container"]["reason"]
