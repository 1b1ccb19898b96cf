"""The other nodes, as the main node hears and tells them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from mpi_bringup.connection import PING_SECONDS, SILENCE_SECONDS, Connection
from mpi_bringup.keys import JobKeys
from mpi_bringup.loop import Loop
from mpi_bringup.main_events import Event, NodeLost, NodePresent, NodeReported, NodeStored, RankFailed, Stranger
from mpi_bringup.main_node import IllegalEventError
from mpi_bringup.report import Report
from mpi_bringup.wire import MAX_CONTENT_BYTES, Frames, MainHandshake, Message, WireError

FIRST_PORT: Final = 7522
PORTS: Final = 10
"""Tried from the first on, on both sides: another program of the machine may have one."""

SPARE_CALLERS: Final = 64
"""Callers beyond the job's nodes that may be about to prove who they are."""

HANDSHAKE_SECONDS: Final = 5.0
FAREWELL_SECONDS: Final = 3.0
"""For the last words to reach the nodes."""


class PortsTakenError(Exception):
    """None of the ports is free."""


class _Peer:
    """One caller, a node once it has reported."""

    def __init__(self, address: str, handshake: MainHandshake) -> None:
        self.address = address
        self.handshake = handshake
        self.frames: Frames | None = None
        self.connection: Connection
        self.report: Report | None = None
        self.is_accepted = False


class Peers:
    """Everybody who calls."""

    def __init__(
        self, loop: Loop, keys: JobKeys, address: str, on_event: Callable[[Event], None], *, num_nodes: int
    ) -> None:
        """Listens. Raises PortsTakenError."""
        self._loop = loop
        self._keys = keys
        self._on_event = on_event
        self._peers: dict[_Peer, None] = {}
        """In the order in which they called."""
        self._most_callers = num_nodes + SPARE_CALLERS
        self._nodes: dict[int, _Peer] = {}
        self._listener = _listening(address)
        loop.on_readable(self._listener.fileno(), self._accept)
        loop.after(PING_SECONDS, self._ping)

    def accept(self, node: int) -> None:
        """Tell a node that it is taken on."""
        peer = next(peer for peer in self._peers if peer.report is not None and peer.report.node == node)
        self._nodes[node] = peer
        peer.is_accepted = True
        self._tell(peer, {"type": "accepted"})

    def refuse(self, report: Report, why: str) -> None:
        """Tell a node why not, and close."""
        for peer in list(self._peers):
            if peer.report is report:
                self._tell(peer, {"type": "refused", "why": why})
                self._drop(peer)

    def share(self, archive: Path | None) -> None:
        """Send the program to every node; None where the image has it."""
        for peer in list(self._nodes.values()):
            size = archive.stat().st_size if archive is not None else 0
            self._tell(peer, {"type": "program", "bytes": size})
            if archive is not None and peer.frames is not None:
                peer.connection.send_stream(_pieces(archive, peer.frames))

    def call_roll(self) -> None:
        """Ask every node whether it is there."""
        for peer in list(self._nodes.values()):
            self._tell(peer, {"type": "roll call"})

    def say_farewell(self, exit_code: int, then: Callable[[], None]) -> None:
        """Tell every node how the job ended, then call back: when all know, or after some seconds."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        waiting = {node for node, peer in self._nodes.items() if peer.connection.is_open}
        called: list[bool] = []

        def finish() -> None:
            if not called:
                called.append(True)
                then()

        def told(node: int) -> None:
            waiting.discard(node)
            if not waiting:
                finish()

        self._loop.after(FAREWELL_SECONDS, finish)
        for node in list(waiting):
            self._tell(self._nodes[node], {"type": "released", "exit_code": exit_code})
            self._nodes[node].connection.close_when_sent(lambda node=node: told(node))  # type: ignore[misc]
        if not waiting:
            finish()

    def _accept(self) -> None:
        accepted = self._loop.accept(self._listener, self._accept)
        if accepted is None:
            return
        connected, (address, _) = accepted
        self._make_room()
        peer = _Peer(address, MainHandshake(self._keys))
        peer.connection = Connection(
            self._loop,
            connected,
            on_data=lambda data: self._received(peer, data),
            on_closed=lambda why: self._closed(peer, why),
        )
        self._peers[peer] = None
        peer.connection.send(peer.handshake.greeting())
        self._loop.after(HANDSHAKE_SECONDS, lambda: self._expect_proof(peer))

    def _make_room(self) -> None:
        """Hang up on who has said least for longest: a node calls again, and strangers use up no more than this."""
        unproved = [peer for peer in self._peers if peer.frames is None]
        for peer in unproved[: max(len(unproved) - self._most_callers, 0)]:
            self._peers.pop(peer)
            peer.connection.close()

    def _expect_proof(self, peer: _Peer) -> None:
        if peer.frames is None and peer.connection.is_open:
            peer.connection.fail("it did not prove in time that it knows the key of this job")

    def _expect_report(self, peer: _Peer) -> None:
        if peer.report is None and peer.connection.is_open:
            peer.connection.fail("it did not report in time")

    def _received(self, peer: _Peer, data: bytes) -> None:
        try:
            if peer.frames is None:
                proved = peer.handshake.feed(data)
                if proved is None:
                    return
                answer, peer.frames, data = proved
                peer.connection.send(answer)
                self._loop.after(HANDSHAKE_SECONDS, lambda: self._expect_report(peer))
            for message in peer.frames.feed(data):
                self._take(peer, message)
        except (WireError, ValueError, KeyError, TypeError, IllegalEventError) as error:
            # Its own fault even where it knows the key: the job goes on without it, or ends and says so.
            peer.connection.fail(str(error))

    def _take(self, peer: _Peer, message: Message | bytes) -> None:
        if not peer.connection.is_open:
            return  # It was turned away by what it said just before.
        if isinstance(message, bytes):
            raise WireError("it sent data, which only the main node does")
        kind = message["type"]
        if kind == "report" and peer.report is None:
            peer.report = Report.of(message)
            self._on_event(NodeReported(peer.report))
        elif kind == "stored" and peer.is_accepted and peer.report is not None:
            self._on_event(NodeStored(peer.report.node))
        elif kind == "present" and peer.is_accepted and peer.report is not None:
            self._on_event(NodePresent(peer.report.node))
        elif kind == "rank failed" and peer.report is not None:
            rank, exit_code = int(message["rank"]), int(message["exit_code"])
            self._on_event(RankFailed(peer.report.node, rank, exit_code))
        elif kind == "failed":
            peer.connection.fail(str(message.get("why")))
        elif kind != "ping":
            raise WireError(f"it said {kind!r}, which no node says now")

    def _tell(self, peer: _Peer, message: dict[str, Any]) -> None:
        if peer.frames is not None:
            peer.connection.send(peer.frames.message(message))

    def _drop(self, peer: _Peer) -> None:
        self._peers.pop(peer, None)
        peer.connection.close_when_sent(lambda: None)

    def _closed(self, peer: _Peer, why: str) -> None:
        self._peers.pop(peer, None)
        if peer.is_accepted and peer.report is not None:
            self._nodes.pop(peer.report.node, None)
            self._on_event(NodeLost(peer.report.node, why))
        elif peer.report is None and peer.frames is None and peer.handshake.has_heard:
            self._on_event(Stranger(peer.address, why))

    def _ping(self) -> None:
        now = time.monotonic()
        for peer in list(self._nodes.values()):
            silent = now - peer.connection.heard_at
            if silent > SILENCE_SECONDS:
                peer.connection.fail(f"nothing was heard of it for {silent:.0f} s")
            else:
                self._tell(peer, {"type": "ping"})
        self._loop.after(PING_SECONDS, self._ping)


def _listening(address: str) -> socket.socket:
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen(1024)
        except OSError:
            listener.close()
            continue
        listener.setblocking(False)  # noqa: FBT003 - socket takes it so
        return listener
    raise PortsTakenError(
        f"ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} of {address}: the main node listens on one of them, got none "
        "that is free; free one"
    )


def _pieces(archive: Path, frames: Frames) -> Iterator[bytes]:
    with archive.open("rb") as opened:
        while piece := opened.read(MAX_CONTENT_BYTES):
            yield frames.data(piece)
