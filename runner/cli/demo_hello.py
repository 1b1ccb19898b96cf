"""The second half of the demo: what mpi/hello.c says on three nodes, checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from runner.errors import HpcError

PROGRAM: Final = "mpi/hello.c"
NODES: Final = 3
RANKS_PER_NODE: Final = 2
FIRST_NUMBER: Final = 42
"""That rank 0 begins with: see the program."""

_HELLO: Final = re.compile(r"(node-\d+) \| hello from processor \S+, rank (\d+) of (\d+)")
_NUMBER: Final = re.compile(r"(node-\d+) \| rank (\d+) has the number (\d+)")
_OUTCOME: Final = re.compile(r"node-0 \| ranks=(\d+) sum=(\d+) wrong=0 PASSED")


class HelloError(HpcError):
    """The program did not say what it must; the text says what was expected and what was there."""


def check_hello(lines: Iterable[str]) -> dict[str, int]:
    """The sum that was reduced, and the ranks, in this output of the program.

    HelloError unless every rank greeted from its node, two on each of three, the number grew by one from rank to rank,
    and the sum of the ranks is right.
    """
    texts = list(lines)
    ranks = NODES * RANKS_PER_NODE
    greeted = {int(found[2]): found[1] for text in texts if (found := _HELLO.fullmatch(text))}
    wanted = {f"node-{node}": RANKS_PER_NODE for node in range(NODES)}
    if sorted(greeted) != list(range(ranks)) or Counter(greeted.values()) != wanted:
        raise HelloError(f"{PROGRAM}: {RANKS_PER_NODE} ranks greet from each of {NODES} nodes, got {greeted}")
    numbers = {int(found[2]): int(found[3]) for text in texts if (found := _NUMBER.fullmatch(text))}
    if numbers != {rank: FIRST_NUMBER + rank for rank in range(ranks)}:
        raise HelloError(f"{PROGRAM}: the number grows by one from {FIRST_NUMBER} on, rank by rank, got {numbers}")
    outcomes = [(int(found[1]), int(found[2])) for text in texts if (found := _OUTCOME.fullmatch(text))]
    if outcomes != [(ranks, ranks * (ranks - 1) // 2)]:
        raise HelloError(f"{PROGRAM}: {ranks} ranks sum to {ranks * (ranks - 1) // 2}, got {outcomes or texts[-3:]}")
    return {"ranks": outcomes[0][0], "sum": outcomes[0][1]}
