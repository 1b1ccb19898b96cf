"""Secrets of a container: environment variables whose values are elsewhere.

Sources: https://docs.aws.amazon.com/batch/latest/APIReference/API_Secret.html and
https://docs.aws.amazon.com/batch/latest/userguide/specifying-sensitive-data.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from local_batch.api.refusals import check_environment, refuse

_SECRETS_MANAGER: Final = re.compile(r"arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:[\w/+=.@!-]+(:[^:]*){0,3}")
_PARAMETER: Final = re.compile(r"(arn:[\w-]+:ssm:[\w-]+:\d{12}:parameter/?)?[\w./-]{1,1011}(:[\w.-]+)?")


def check_secrets(container: Mapping[str, Any]) -> None:
    """Raise ApiError for secrets that could not be injected."""
    secrets = container.get("secrets") or ()
    if secrets and not container.get("executionRoleArn"):
        raise refuse("executionRoleArn cannot be empty when using secrets or secretOptions")
    check_environment({"name": secret["name"]} for secret in secrets)
    for secret in secrets:
        source = secret["valueFrom"]
        if not _SECRETS_MANAGER.fullmatch(source) and not _PARAMETER.fullmatch(source):
            raise refuse(
                f"valueFrom of secret {secret['name']} must be the ARN of a Secrets Manager secret, or the ARN or name "
                f"of a Systems Manager parameter, got {source[:80]!r}."
            )
    names = [secret["name"] for secret in secrets]
    check_names_of_secrets(names, [*names, *(entry.get("name") for entry in container.get("environment") or ())])


def check_names_of_secrets(names: Iterable[str], variables: Iterable[str | None]) -> None:
    """Raise ApiError where a secret's name is more than once among `variables`, which count the secrets too."""
    taken = list(variables)
    for name in names:
        if taken.count(name) > 1:
            raise refuse(
                "The secret name must be unique and not shared with any new or existing environment variables set on "
                f"the container, such as '{name}'."
            )
