"""`python -m tests.robustness.crashing_server WRITE MOMENT serve …`: the server, killed at one write of its journal.

WRITE counts from 1. MOMENT: `before` nothing of it is on disk, `midst` half of it is, `after` all of it is and nobody
has been told. The kill is SIGKILL to itself: no handler, no flush, no farewell.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from local_batch import journal
from local_batch.__main__ import main
from local_batch.engine.events import Event

MOMENTS = ("before", "midst", "after")


class CrashingJournal(journal.Journal):
    """The journal of a process that has so many writes to live."""

    write_number = 0
    last_write = 0
    moment = ""

    def append(self, now_ms: int, happened: Sequence[Event]) -> None:
        """As of Journal, until the last write."""
        cls = type(self)
        cls.write_number += 1
        if cls.write_number < cls.last_write:
            super().append(now_ms, happened)
            return
        if cls.moment == "midst":
            size = os.fstat(self._descriptor).st_size
            super().append(now_ms, happened)
            os.ftruncate(self._descriptor, (size + os.fstat(self._descriptor).st_size) // 2)
        elif cls.moment == "after":
            super().append(now_ms, happened)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    CrashingJournal.last_write = int(sys.argv[1])
    CrashingJournal.moment = sys.argv[2]
    # The server's modules take the journal from here when they are imported, which is after this.
    journal.Journal = CrashingJournal  # type: ignore[misc]
    sys.exit(main(sys.argv[3:]))
