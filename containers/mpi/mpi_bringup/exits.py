"""Exit codes of a bring-up that are not the program's own; those of sysexits.h where it has one that fits."""

from __future__ import annotations

from typing import Final

WRONG_INPUT: Final = 2
"""The program is not there, does not compile, or the command is wrong: another try would fail alike."""

NODES_MISSING: Final = 69
"""Not all nodes came in time."""

NODE_LOST: Final = 70
"""A node was lost, though the launcher reported success or had to be ended."""

MAIN_LOST: Final = 71
"""Of another node: the main node is gone, or was never there."""

NOT_MOVED: Final = 74
"""The bundle, or the results, could not be moved from or to the bucket."""

REFUSED: Final = 76
"""Of another node: the main node did not take it, as it has another secret or is of another attempt."""

DAEMONS_LOST: Final = 255
"""mpirun's own, as ssh's: it lost what it had started on a node. MPICH's says so whenever it ends other ranks."""

SIGNALLED: Final = 128
"""And the signal's number."""
