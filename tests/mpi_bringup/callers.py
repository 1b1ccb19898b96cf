"""Nodes that call a main node, each doing what its test says, over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from mpi_bringup.keys import JobKeys
from mpi_bringup.loop import Loop
from mpi_bringup.main_events import Event, NodeLost, NodeReported, Stranger
from mpi_bringup.main_node import IllegalEventError
from mpi_bringup.peers import FIRST_PORT, Peers
from mpi_bringup.report import Report
from mpi_bringup.wire import Frames, NodeHandshake

KEYS = JobKeys(b"k" * 32)
SECONDS = 10.0


class Caller:
    """A node that does what the test says, on a thread of its own."""

    def __init__(self, address: str, keys: JobKeys = KEYS) -> None:
        self.socket = socket.create_connection((address, FIRST_PORT), timeout=SECONDS)
        handshake = NodeHandshake(keys)
        self._frames: Frames | None = None
        while self._frames is None:
            data = self.socket.recv(4096)
            if not data:
                return
            reply, self._frames, _ = handshake.feed(data)
            self.socket.sendall(reply)

    def say(self, *messages: Mapping[str, Any]) -> None:
        """All in one piece."""
        assert self._frames is not None
        self.socket.sendall(b"".join(map(self._frames.message, messages)))

    def hear(self) -> list[Any]:
        """Everything until the main node hangs up."""
        assert self._frames is not None
        heard: list[Any] = []
        try:
            while data := self.socket.recv(4096):
                heard += self._frames.feed(data)
        except ConnectionResetError:
            heard.append("reset")
        return heard


def report(node: int = 1, address: str = "10.0.0.2") -> Report:
    """Of a node."""
    return Report(node=node, attempt=1, address=address, cores=2, port=2222)


class Main:
    """A main node that takes every node on, finds whatever they say then illegal, and ends when one is lost."""

    def __init__(self, loop: Loop, address: str) -> None:
        self.events: list[Event] = []
        self._loop = loop
        self.peers = Peers(loop, KEYS, address, self._note, num_nodes=3)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, NodeReported):
            if any(isinstance(seen, NodeReported) for seen in self.events[:-1]):
                self.peers.refuse(event.report, "has come already")
            else:
                self.peers.accept(event.report.node)
        elif isinstance(event, (NodeLost, Stranger)):
            self._loop.end()
        else:
            raise IllegalEventError("cannot happen now")


def played(loop: Loop, play: Callable[[], None]) -> None:
    """Run the loop while the test plays its nodes on a thread."""
    thread = threading.Thread(target=play)
    thread.start()
    loop.run()
    thread.join(SECONDS)
