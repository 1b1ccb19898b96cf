"""What is refused: limits of the service in its own words, and by name what the local cloud does not play."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import batch_limits
from local_batch.api.errors import ApiError, invalid

_REASON_PATTERN = re.compile(r"[A-Za-z0-9.:\s]*\*?")


def refuse(text: str) -> ApiError:
    """A finding of the service's own validation; `text` is AWS's where it is known."""
    return invalid(text, str(uuid.uuid4()))


def not_played(what: str, got: Any = None) -> ApiError:
    """A part of Batch that the local cloud does not honour, and therefore does not accept."""
    return ApiError(f"{what}: is not played by the local cloud (docs/local-batch-parity.md), got {got!r}; leave it out")


def refuse_unplayed(request: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    """Raise for the first of `names` that the request gives with a value that asks for something."""
    for name in names:
        if request.get(name) not in (None, False, [], {}, ""):
            raise not_played(f"{where}{name}", request[name])


def check_tags(tags: Mapping[str, str]) -> None:
    """At most 50, keys to 128 and values to 256 characters, none of AWS's own."""
    if len(tags) > batch_limits.MAX_TAGS:
        raise refuse(f"A resource can have at most {batch_limits.MAX_TAGS} tags, got {len(tags)}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.startswith("aws:"):
            raise refuse(
                f"Tag keys have 1 to 128 characters and do not begin with aws:, values have at most 256, got {key!r}."
            )


def check_resource_name(name: str, noun: str) -> None:
    """Letters, digits, hyphens, underscores, at most 128."""
    if not re.fullmatch(batch_limits.RESOURCE_NAME_PATTERN, name):
        raise refuse(
            f"{noun} name should match a valid pattern. "
            f"Provided name {name} is not supported pattern[a-zA-Z_0-9-]{{1,128}}"
        )


def check_retry_strategy(strategy: Mapping[str, Any]) -> None:
    """Attempts 1 to 10, at most 5 conditions, each in the characters that Batch matches."""
    attempts = strategy.get("attempts")
    conditions = strategy.get("evaluateOnExit", [])
    if conditions and attempts is None:
        raise refuse("RetryAttempts must be provided with retry strategy")
    if attempts is not None and not 1 <= attempts <= batch_limits.MAX_ATTEMPTS:
        raise refuse(f"RetryAttempts must be between 1 and {batch_limits.MAX_ATTEMPTS}, got {attempts}.")
    if len(conditions) > batch_limits.MAX_EVALUATE_ON_EXIT:
        raise refuse(f"Up to {batch_limits.MAX_EVALUATE_ON_EXIT} evaluateOnExit condition can be specified.")
    for condition in conditions:
        for name in ("onReason", "onStatusReason"):
            if not _REASON_PATTERN.fullmatch(condition.get(name, "")):
                raise refuse("Evaluate on exit condition contains restricted characters.")
        if not re.fullmatch(r"[0-9]*\*?", condition.get("onExitCode", "")):
            raise refuse("Evaluate on exit condition contains restricted characters.")


def check_timeout(timeout: Mapping[str, Any]) -> None:
    """At least 60 seconds."""
    seconds = timeout.get("attemptDurationSeconds")
    if seconds is not None and seconds < batch_limits.MIN_TIMEOUT_SECONDS:
        raise refuse(
            f"Timeout attemptDurationSeconds must be at least {batch_limits.MIN_TIMEOUT_SECONDS}, got {seconds}."
        )


def check_environment(environment: Iterable[Mapping[str, Any]]) -> None:
    """Names are given and are not Batch's own."""
    for entry in environment:
        if not entry.get("name"):
            raise refuse("Environment variable name is required.")
        if entry["name"].startswith("AWS_BATCH"):
            raise refuse(f"Environment variable names must not start with AWS_BATCH, got {entry['name']}.")
