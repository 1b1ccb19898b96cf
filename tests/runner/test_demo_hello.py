"""What the demo takes for a greeting of six ranks, and what it does not."""

from __future__ import annotations

import pytest

from runner.cli.demo_hello import HelloError, check_hello

GOOD = [
    *(f"node-{rank // 2} | hello from processor ip-127-0-0-{rank // 2 + 2}, rank {rank} of 6" for rank in range(6)),
    *(f"node-{rank // 2} | rank {rank} has the number {42 + rank}" for rank in range(6)),
    "node-0 | # hello [sum of the ranks, ranks whose number is wrong]",
    "node-0 | ranks=6 sum=15 wrong=0 PASSED",
]


def test_six_ranks_that_did_everything() -> None:
    """In whatever order their lines came."""
    assert check_hello([*reversed(GOOD)]) == {"ranks": 6, "sum": 15}


@pytest.mark.parametrize(
    ("changed", "to", "problem"),
    [
        ("node-2 | hello from processor ip-127-0-0-4, rank 5 of 6", "", "2 ranks greet from each of 3 nodes"),
        ("node-2 | hello", "node-1 | hello", "2 ranks greet from each of 3 nodes"),
        ("rank 3 has the number 45", "rank 3 has the number 46", "the number grows by one from 42 on"),
        ("sum=15 wrong=0 PASSED", "sum=15 wrong=1 FAILED", "6 ranks sum to 15"),
        ("sum=15", "sum=14", "6 ranks sum to 15"),
    ],
)
def test_anything_less_is_told(changed: str, to: str, problem: str) -> None:
    """With what was expected."""
    text = "\n".join(GOOD)
    assert changed in text
    with pytest.raises(HelloError, match=problem):
        check_hello(text.replace(changed, to).splitlines())
