"""The roots of all attempts: `roots/<number>`, and by job and attempt a link to each that is worth a look."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from local_batch.executors.attempt_root import AttemptRoot, ImageLayout

ROOTS = "roots"

_SPARES = 64
"""Untouched roots of one image kept for later attempts, at most."""

_LOG = logging.getLogger(__name__)


class RootPool:
    """Makes roots, uses them again where they were left untouched, and keeps those of attempts that failed."""

    def __init__(self, jobs_dir: Path, later: Callable[[Callable[[], None]], None]) -> None:
        """`later` is given what may take long: removals. Roots of an earlier server without a link are removed."""
        self._jobs_dir = jobs_dir
        self._roots = jobs_dir / ROOTS
        self._roots.mkdir(parents=True, exist_ok=True)
        self._later = later
        self._spares: dict[ImageLayout, list[AttemptRoot]] = {}
        earlier = [int(path.name) for path in self._roots.iterdir() if path.name.isdecimal()]
        self._numbers = itertools.count(max(earlier, default=0) + 1)
        later(lambda: self._remove_unlinked(earlier))

    def take(self, layout: ImageLayout) -> AttemptRoot:
        """A root that no attempt has touched. Raises OSError."""
        spares = self._spares.get(layout)
        return spares.pop() if spares else AttemptRoot(f"{self._roots}/{next(self._numbers)}", layout)

    def put_back(self, root: AttemptRoot, since: float) -> None:
        """Nobody uses it or wants to see it any more, after an attempt that began at `since` (time.monotonic)."""
        if root.link is not None:
            with suppress(OSError):
                root.link.unlink()
                # The job's directory goes with the last in it.
                root.link.parent.rmdir()
        spares = self._spares.setdefault(root.layout, [])
        if len(spares) < _SPARES and root.is_untouched(since):
            root.link = None
            spares.append(root)
        else:
            self._later(root.remove)

    def link(self, root: AttemptRoot, job_id: str, attempt: int) -> None:
        """Let it be found as `<job id>/<attempt>`, with a dot for what separates the number of a child or node."""
        if root.link is not None:
            return
        link = self._jobs_dir / job_id.replace(":", ".").replace("#", ".") / str(attempt)
        try:
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(root.directory, link.parent))
        except OSError:
            _LOG.warning("%s: no link to %s could be made", link, root.directory, exc_info=True)
        else:
            root.link = link

    def close(self) -> None:
        """Remove what is kept for later."""
        for spares in self._spares.values():
            for root in spares:
                root.remove()
        with suppress(OSError):
            self._roots.rmdir()

    def _remove_unlinked(self, numbers: list[int]) -> None:
        linked = set()
        for path in self._jobs_dir.glob("*/*"):
            # Links go while this looks at them; what is no link cannot be read as one.
            with suppress(OSError):
                linked.add(path.readlink().name)
        for number in numbers:
            if str(number) not in linked:
                shutil.rmtree(self._roots / str(number), ignore_errors=True)
