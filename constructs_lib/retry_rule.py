"""Which failures of an attempt are worth another one."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Final

from aws_cdk import aws_batch as batch
from constructs import IConstruct

from constructs_lib.errors import PropertyError

_MAX_PATTERN_CHARACTERS: Final = 512
_REASON_PATTERN: Final = r"[A-Za-z0-9.:\s]*\*?"
_EXIT_CODE_PATTERN: Final = r"[0-9]*\*?"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetryRule:
    """One condition on how an attempt ended and what follows; patterns that are given must all match.

    A pattern may end with `*`. Rules are tried in order; an attempt that none matches is retried.
    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
    """

    action: batch.Action
    on_status_reason: str | None = None
    on_reason: str | None = None
    on_exit_code: str | None = None

    def strategy(self, construct: IConstruct) -> batch.RetryStrategy:
        """The rule as CDK takes it; PropertyError, naming `construct`, for a pattern that Batch refuses."""
        patterns = (
            (self.on_status_reason, _REASON_PATTERN, "letters, digits, '.', ':' and white space"),
            (self.on_reason, _REASON_PATTERN, "letters, digits, '.', ':' and white space"),
            (self.on_exit_code, _EXIT_CODE_PATTERN, "digits"),
        )
        for text, pattern, characters in patterns:
            legal = text is None or (re.fullmatch(pattern, text) and 1 <= len(text) <= _MAX_PATTERN_CHARACTERS)
            if not legal:
                problem = (
                    f"a pattern of evaluateOnExit is 1 to {_MAX_PATTERN_CHARACTERS} {characters}, then at most one "
                    f"'*' (API_EvaluateOnExit), got {text!r}; end it with '*' before the first other character"
                )
                raise PropertyError(construct, "retry_rules", problem)
        return _made(self)


@functools.cache
def _made(rule: RetryRule) -> batch.RetryStrategy:
    """Once for all definitions: a strategy belongs to no construct, and each costs two calls to Node."""
    return batch.RetryStrategy.of(
        rule.action,
        batch.Reason.custom(
            on_status_reason=rule.on_status_reason,
            on_reason=rule.on_reason,
            on_exit_code=rule.on_exit_code,
        ),
    )


_LOST_HOST: Final = RetryRule(action=batch.Action.RETRY, on_status_reason="Host EC2*")
_FAILED_PULL: Final = RetryRule(action=batch.Action.RETRY, on_reason="CannotPullContainerError:*")
_FAILED_START: Final = RetryRule(action=batch.Action.RETRY, on_status_reason="Task failed to start*")
_ALL_ELSE_ENDS: Final = RetryRule(action=batch.Action.EXIT, on_reason="*")

RETRY_FAULTS_OF_THE_CLOUD: Final = (
    _LOST_HOST,
    RetryRule(action=batch.Action.RETRY, on_status_reason="Your Spot Task was interrupted*"),
    _FAILED_PULL,
    _FAILED_START,
    _ALL_ELSE_ENDS,
)
"""Lost hosts, interruptions, failed pulls and starts are retried; a program that failed would only fail again.

The last rule is needed because Batch retries what no rule matches.
"""

NODES_MISSING: Final = 69
"""Exit code of an MPI job whose nodes did not all come, or did not know each other: a rotation of their secret fell
between their starts (docs/mpi-bring-up.md)."""

NODE_LOST: Final = 70
"""Exit code of an MPI job that lost a node: to Batch it is the program's, as the main node lives."""

RETRY_FAULTS_OF_THE_CLOUD_AMONG_NODES: Final = (
    _LOST_HOST,
    _FAILED_START,
    RetryRule(action=batch.Action.RETRY, on_exit_code=str(NODES_MISSING)),
    RetryRule(action=batch.Action.RETRY, on_exit_code=str(NODE_LOST)),
    _ALL_ELSE_ENDS,
)
"""The same for multi-node parallel jobs, which never run on Spot; to statusReason a failed pull is a failed start."""
