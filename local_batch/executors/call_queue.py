"""A thread that makes calls one after another, for what may take long."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class CallQueue:
    """Makes calls in the order given, on its own thread. One that raises is logged; the others are made."""

    def __init__(self, name: str) -> None:
        """The thread is named `name`, and starts."""
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, callback: Callable[[], None]) -> None:
        """From any thread: to be called after everything given before."""
        self._calls.put(callback)

    def end(self) -> None:
        """From any other thread: wait until all calls given are made. What is given later is not."""
        self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (callback := self._calls.get()) is not None:
            try:
                callback()
            except Exception:  # noqa: BLE001 - a thread's top: one attempt's trouble must not stop the others
                _LOG.exception("a call failed")
