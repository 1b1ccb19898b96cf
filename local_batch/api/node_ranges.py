"""Ranges of nodes, as a multi-node parallel job's definition and its overrides write them.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_NodeRangeProperty.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from local_batch.api.refusals import refuse

_FORM: Final = re.compile(r"[0-9]{0,9}(:[0-9]{0,9})?")


@dataclass(frozen=True, slots=True)
class NodeRange:
    """Nodes `first` to `last`, both included; `is_open` where the last one is the job's, whatever their number is."""

    text: str
    first: int
    last: int
    is_open: bool

    def cut(self, num_nodes: int) -> NodeRange:
        """The same in a job of `num_nodes` nodes: an open range ends with them, another one at the latest."""
        last = num_nodes - 1 if self.is_open else min(self.last, num_nodes - 1)
        return NodeRange(self.text, self.first, last, self.is_open)

    def holds(self, other: NodeRange) -> bool:
        """Whether `other` is nested in this range."""
        return self.first <= other.first and other.last <= self.last


def parsed_range(text: str, num_nodes: int) -> NodeRange:
    """`a:b`, `:b`, `a:`, `:` or `n`, in a definition of `num_nodes` nodes; raises ApiError for what does not fit it."""
    if not text or not _FORM.fullmatch(text):
        raise refuse("targetNodes should contain only digits.")
    first, colon, last = text.partition(":")
    is_open = bool(colon) and not last
    low = int(first or "0")
    high = num_nodes - 1 if is_open else int(last or first)
    if max(low, high) >= num_nodes:
        raise refuse(f"Node range error {text}. Node range should be smaller than number of nodes")
    if low > high:
        raise refuse(f"Node range error {text}. The first node of a range must not be greater than its last.")
    return NodeRange(text, low, high, is_open)


def check_ranges(ranges: Sequence[NodeRange], num_nodes: int) -> None:
    """Every node is in a range, and of two ranges that overlap one is nested in the other; raises ApiError."""
    reached = 0
    for item in sorted(ranges, key=lambda item: item.first):
        if item.first > reached:
            break
        reached = max(reached, item.last + 1)
    if reached < num_nodes:
        raise refuse("Node Range Properties target nodes have missing ranges")
    for one, other in combinations(ranges, 2):
        is_apart = one.last < other.first or other.last < one.first
        is_same = (one.first, one.last) == (other.first, other.last)
        if is_same or not (is_apart or one.holds(other) or other.holds(one)):
            raise refuse(
                f"Node ranges may be nested but must not overlap otherwise, got {one.text} and {other.text}: which of "
                "them a node has would be undefined."
            )
