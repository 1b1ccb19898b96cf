"""Values for the `secrets` of a container, read where ECS reads them: Secrets Manager and SSM Parameter Store.

Source: https://docs.aws.amazon.com/batch/latest/userguide/specifying-sensitive-data.html; texts of failures are those
that ECS gives, on Fargate and on EC2 (resource-initialization errors of the ECS developer guide).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from local_batch.executors.work import SecretReference
from local_batch.host.account import ACCOUNT_ID, REGION
from local_batch.host.seams import MiniStack

_SECRET_ARN_PARTS: Final = 7
_SELECTORS: Final = 3
_FARGATE_PREFIX: Final = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
)
_RETRIED: Final = "service call has been retried 1 time(s): "


MayRead = Callable[[str, str], str | None]
"""The refusal of an action on a resource, None where it is allowed."""


def anybody(action: str, resource: str) -> str | None:  # noqa: ARG001 - a MayRead
    """Where rights are not checked."""
    return None


class SecretError(Exception):
    """A value cannot be had; the text is the attempt's reason."""


class SecretValues:
    """Reads MiniStack's stores; loop thread only."""

    def __init__(self, ministack: MiniStack) -> None:
        self._ministack = ministack

    def values(
        self, references: Sequence[SecretReference], *, on_fargate: bool, may_read: MayRead = anybody
    ) -> dict[str, str]:
        """By name of the variable, as far as the execution role may. Raises SecretError."""
        return {reference.name: self._value(reference.value_from, on_fargate, may_read) for reference in references}

    def _value(self, value_from: str, on_fargate: bool, may_read: MayRead) -> str:  # noqa: FBT001 - private
        is_secret = value_from.split(":")[:3:2] == ["arn", "secretsmanager"]
        with self._ministack.scope():
            try:
                return self._secret(value_from, may_read) if is_secret else self._parameter(value_from, may_read)
            except _NotThereError as error:
                raise SecretError(error.on_fargate if on_fargate else error.on_ec2) from error

    def _secret(self, value_from: str, may_read: MayRead) -> str:
        """The whole secret, or one key of its JSON: `<arn>:<json-key>:<version-stage>:<version-id>`."""
        parts = value_from.split(":")
        arn = ":".join(parts[:_SECRET_ARN_PARTS])
        if len(parts) not in (_SECRET_ARN_PARTS, _SECRET_ARN_PARTS + _SELECTORS):
            raise _selector_error(value_from)
        refusal = may_read("secretsmanager:GetSecretValue", arn)
        if refusal:
            raise _asm_error(arn, f"AccessDeniedException: {refusal}")
        key, stage, version = parts[_SECRET_ARN_PARTS:] or ("", "", "")
        request = {"SecretId": arn, "VersionStage": stage, "VersionId": version}
        found = self._ask(
            self._ministack.secretsmanager.get_secret_value({name: value for name, value in request.items() if value})
        )
        if "SecretString" not in found:
            error = found.get("__type", "InvalidParameter").rpartition("#")[2]
            raise _asm_error(arn, f"{error}: {found.get('message', 'the secret is binary')}")
        text = str(found["SecretString"])
        return _member(arn, text, key) if key else text

    def _parameter(self, value_from: str, may_read: MayRead) -> str:
        name = value_from.rpartition(":parameter/")[2].lstrip("/")
        refusal = may_read("ssm:GetParameters", f"arn:aws:ssm:{REGION}:{ACCOUNT_ID}:parameter/{name}")
        if refusal:
            raise _NotThereError(
                on_fargate=f"unable to retrieve secrets from ssm: {_RETRIED}AccessDeniedException: {refusal}",
                on_ec2=f"Fetching secret data from SSM Parameter Store in {REGION}: AccessDeniedException: {refusal}",
            )
        found = self._ask(self._ministack.ssm.get_parameters({"Names": [value_from], "WithDecryption": True}))
        if not found["Parameters"]:
            raise _NotThereError(
                on_fargate=f"unable to retrieve secrets from ssm: {_RETRIED}invalid ssm parameters: {value_from}",
                on_ec2=f"Fetching secret data from SSM Parameter Store in {REGION}: invalid parameters: {value_from}",
            )
        return str(found["Parameters"][0]["Value"])

    @staticmethod
    def _ask(reply: tuple[int, dict[str, str], bytes | str]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(reply[2])
        return answer


class _NotThereError(Exception):
    """One store's refusal, in the words of each platform."""

    def __init__(self, *, on_fargate: str, on_ec2: str) -> None:
        super().__init__(on_ec2)
        self.on_fargate = _FARGATE_PREFIX + on_fargate
        self.on_ec2 = on_ec2


def _asm_error(arn: str, text: str) -> _NotThereError:
    return _NotThereError(
        on_fargate=(
            f"unable to retrieve secret from asm: {_RETRIED}failed to fetch secret {arn} from secrets manager: {text}"
        ),
        on_ec2=f"Fetching secret data from AWS Secrets Manager in region {REGION}: secret {arn}: {text}",
    )


def _selector_error(value_from: str) -> _NotThereError:
    text = (
        f"trying to retrieve secret with value {value_from} resulted in error: unexpected ARN format with parameters "
        "when trying to retrieve ASM secret"
    )
    return _NotThereError(on_fargate=f"unable to retrieve secret from asm: {text}", on_ec2=text)


def _member(arn: str, text: str, key: str) -> str:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _asm_error(arn, f"secret value is not JSON, and {key} of it was asked for") from error
    if not isinstance(document, dict) or key not in document:
        what = f"retrieved secret from Secrets Manager did not contain json key {key}"
        raise _NotThereError(
            on_fargate=f"unable to retrieve secret from asm: {_RETRIED}{what}",
            on_ec2=f"Fetching secret data from AWS Secrets Manager in region {REGION}: {what}",
        )
    value = document[key]
    return value if isinstance(value, str) else json.dumps(value)
