"""What is refused: limits of the service in its own words, and by name what the local cloud does not play.

Sources of the texts are the rows of docs/local-batch-parity.md; a text without one is ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import batch_limits
from local_batch.api.errors import ApiError

_RESOURCE_NAME = re.compile(batch_limits.RESOURCE_NAME_PATTERN)
_REASON_PATTERN = re.compile(r"[A-Za-z0-9.:\s]*\*?")
_EXIT_CODE_PATTERN = re.compile(r"[0-9]*\*?")
_MAX_PATTERN_CHARACTERS = 512
_PATTERNS = {"onReason": _REASON_PATTERN, "onStatusReason": _REASON_PATTERN, "onExitCode": _EXIT_CODE_PATTERN}
_MAX_TEXT_CHARACTERS = 1000
_NOTHING_ASKED: tuple[Any, ...] = (None, False, [], {}, "")


compact_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value in the fewest characters, which is what the service's limits count."""


def refuse(text: str) -> ApiError:
    """A finding of the service's own validation; `text` is AWS's where it is known, with what was got in it.

    What was got may be anything: the text stays one line of bounded length.
    """
    line = " ".join(text.splitlines())
    if len(line) > _MAX_TEXT_CHARACTERS:
        line = f"{line[:_MAX_TEXT_CHARACTERS]}…"
    return ApiError(line, is_validation=True)


def not_played(what: str, got: object) -> ApiError:
    """A part of Batch that the local cloud does not honour, and therefore does not accept."""
    shown = json.dumps(got, default=str)
    if len(shown) > 80:
        shown = f"{shown[:80]}…"
    return ApiError(f"{what}: is not played by the local cloud (docs/local-batch-parity.md), got {shown}; leave it out")


def refuse_unplayed(request: Mapping[str, Any], names: Iterable[str], where: str) -> None:
    """Raise for the first of `names` that the request gives with a value that asks for something."""
    for name in names:
        if name in request and request[name] not in _NOTHING_ASKED:
            raise not_played(f"{where}{name}", request[name])


def check_tags(tags: Mapping[str, str]) -> None:
    """At most 50, keys to 128 and values to 256 characters, none of AWS's own.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/using-tags.html
    """
    if len(tags) > batch_limits.MAX_TAGS:
        raise refuse(f"A resource can have at most {batch_limits.MAX_TAGS} tags, got {len(tags)}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise refuse(
                f"Tag keys have 1 to 128 characters and do not begin with aws:, values have at most 256, got {key!r}."
            )


def check_resource_name(name: str, noun: str) -> None:
    """Letters, digits, hyphens, underscores, at most 128."""
    if not _RESOURCE_NAME.fullmatch(name):
        raise refuse(
            f"{noun} name should match a valid pattern. "
            f"Provided name {name} is not supported pattern[a-zA-Z_0-9-]{{1,128}}"
        )


def check_size(request: Mapping[str, Any], noun: str, most_bytes: int) -> None:
    """Raise for a request whose JSON is longer than `most_bytes`."""
    size = len(compact_json(request).encode())
    if size > most_bytes:
        raise refuse(f"{noun} size must be less than {most_bytes // 1024} KiB, got {-(-size // 1024)} KiB")


def check_retry_strategy(strategy: Mapping[str, Any]) -> None:
    """Attempts 1 to 10, at most 5 conditions, each in the characters that Batch matches.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
    """
    attempts = strategy.get("attempts")
    conditions = strategy.get("evaluateOnExit") or ()
    if conditions and attempts is None:
        raise refuse("RetryAttempts must be provided with retry strategy")
    if attempts is not None and not 1 <= attempts <= batch_limits.MAX_ATTEMPTS:
        raise refuse(f"RetryAttempts must be between 1 and {batch_limits.MAX_ATTEMPTS}.")
    if len(conditions) > batch_limits.MAX_EVALUATE_ON_EXIT:
        raise refuse(f"Up to {batch_limits.MAX_EVALUATE_ON_EXIT} evaluateOnExit condition can be specified.")
    for condition in conditions:
        _check_condition(condition)


def _check_condition(condition: Mapping[str, Any]) -> None:
    given = {name: condition[name] for name in _PATTERNS if condition.get(name)}
    if not given:
        raise refuse("EvaluateOnExit should contain at least one of onExitCode, onReason or onStatusReason")
    for name, pattern in given.items():
        if len(pattern) > _MAX_PATTERN_CHARACTERS:
            raise refuse(f"Evaluate on exit condition cannot exceed {_MAX_PATTERN_CHARACTERS} characters.")
        if not _PATTERNS[name].fullmatch(pattern):
            raise refuse("Evaluate on exit condition contains restricted characters.")


def check_timeout(timeout: Mapping[str, Any]) -> None:
    """At least 60 seconds. Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html"""
    seconds = timeout.get("attemptDurationSeconds")
    if seconds is not None and seconds < batch_limits.MIN_TIMEOUT_SECONDS:
        raise refuse(f"AttemptDurationSeconds in Timeout must be at least {batch_limits.MIN_TIMEOUT_SECONDS} seconds.")


def check_scheduling_priority(priority: int | None) -> None:
    """0 to 9999. Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html"""
    if priority is not None and not 0 <= priority <= batch_limits.MAX_SCHEDULING_PRIORITY:
        raise refuse(f"Scheduling priority must be between 0 and {batch_limits.MAX_SCHEDULING_PRIORITY}.")


def check_environment(environment: Iterable[Mapping[str, Any]]) -> None:
    """Names are given and are not Batch's own.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerOverrides.html
    """
    for entry in environment:
        name = entry.get("name")
        if not name:
            raise refuse("Environment variable name is required.")
        if name.startswith("AWS_BATCH"):
            raise refuse(f"Environment variable names must not start with AWS_BATCH, got {name}.")
        if "=" in name or "\0" in name or "\0" in (entry.get("value") or ""):
            raise refuse(f"Environment variables hold no NUL and their names no '=', got {name!r}.")


def check_command(command: Iterable[str]) -> None:
    """No word holds a NUL: no process can be given one."""
    for word in command:
        if "\0" in word:
            raise refuse(f"Container command must not contain NUL characters, got {word!r}.")
