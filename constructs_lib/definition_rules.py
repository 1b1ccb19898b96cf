"""What Batch asks of every job definition, whatever its jobs run on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import aws_cdk as cdk
from constructs import IConstruct

from batch_limits import MAX_ATTEMPTS, MAX_EVALUATE_ON_EXIT, MIN_TIMEOUT_SECONDS, RESOURCE_NAME_PATTERN
from constructs_lib.errors import PropertyError
from constructs_lib.retry_rule import RetryRule

_RESERVED_VARIABLE_PREFIX: Final = "AWS_BATCH"


def check_definition(
    construct: IConstruct,
    *,
    name: str,
    environment: Mapping[str, str],
    attempts: int,
    timeout: cdk.Duration,
    retry_rules: Sequence[RetryRule],
) -> None:
    """Return where Batch would take these of a job definition; else raise PropertyError, naming `construct`."""
    _check_text(construct, name, environment)
    if not 1 <= attempts <= MAX_ATTEMPTS:
        problem = f"a job has 1 to {MAX_ATTEMPTS} attempts (API_RetryStrategy), got {attempts!r}; choose in that range"
        raise PropertyError(construct, "attempts", problem)
    seconds = int(timeout.to_seconds())
    if seconds < MIN_TIMEOUT_SECONDS:
        problem = f"a job's timeout is at least {MIN_TIMEOUT_SECONDS} seconds (API_JobTimeout), got {seconds}; raise it"
        raise PropertyError(construct, "timeout", problem)
    if len(retry_rules) > MAX_EVALUATE_ON_EXIT:
        problem = (
            f"a retry strategy has up to {MAX_EVALUATE_ON_EXIT} conditions (API_RetryStrategy), "
            f"got {len(retry_rules)}; merge some"
        )
        raise PropertyError(construct, "retry_rules", problem)


def _check_text(construct: IConstruct, name: str, environment: Mapping[str, str]) -> None:
    if not re.fullmatch(RESOURCE_NAME_PATTERN, name):
        problem = (
            "a job definition's name is 1 to 128 letters, digits, hyphens and underscores "
            f"(API_RegisterJobDefinition), got {name!r}; choose such a name"
        )
        raise PropertyError(construct, "name", problem)
    reserved = [variable for variable in environment if variable.startswith(_RESERVED_VARIABLE_PREFIX)]
    if reserved:
        problem = (
            f"names that begin with {_RESERVED_VARIABLE_PREFIX} are Batch's own (API_ContainerProperties), "
            f"got {', '.join(reserved)}; rename"
        )
        raise PropertyError(construct, "environment", problem)
