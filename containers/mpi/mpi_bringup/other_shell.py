"""A node that is not the main one, at work: does what OtherNode decides, and tells it what came of it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mpi_bringup.arrival import Arrival
from mpi_bringup.connection import PING_SECONDS, SILENCE_SECONDS, Connection, connect
from mpi_bringup.keys import JobKeys
from mpi_bringup.launching import rank_environment
from mpi_bringup.loop import Loop
from mpi_bringup.node import Node
from mpi_bringup.options import Options
from mpi_bringup.other_node import (
    Accepted,
    Action,
    Connected,
    End,
    Event,
    Failed,
    IllegalEventError,
    JoinDeadlinePassed,
    MainLost,
    OtherNode,
    ProgramReceived,
    RankFailed,
    Refused,
    Released,
    RollCalled,
    Say,
    SayFailed,
    SayPresent,
    SayRankFailed,
    SayStored,
    SendReport,
    Signalled,
    State,
    TurnedAway,
)
from mpi_bringup.outlet import Outlet
from mpi_bringup.peers import FIRST_PORT, PORTS
from mpi_bringup.rank_ends import RankEnds
from mpi_bringup.report import Report
from mpi_bringup.services import service_of
from mpi_bringup.wire import Frames, Message, NodeHandshake, WireError, WrongKeyError

CALL_SECONDS = (0.02, 1.0)
"""Between two calls to a main node that does not answer yet: at first, and at most."""

GREETING_SECONDS = 1.0
"""For the main node to say who it is: what answers and says nothing is another program, and there are other ports."""

CONNECT_SECONDS = 1.0
HANDSHAKE_SECONDS = 5.0
_LAST_WORDS_SECONDS = 5.0
_BACKGROUND_SECONDS = 1.0


class OtherShell:
    """One such node, from its start to its exit code."""

    def __init__(
        self, *, node: Node, keys: JobKeys, options: Options, environment: Mapping[str, str], directory: Path
    ) -> None:
        """`directory` is this bring-up's own; `environment` is what the program is to have."""
        self._node = node
        self._keys = keys
        self._join_seconds = options.join_seconds
        self._environment = dict(environment)
        self._directory = directory
        self._loop = Loop()
        self._outlet = Outlet(self._loop)
        self._core = OtherNode()
        self._service = service_of(node, keys, directory, environment)
        self._port = 0
        self._exit_code = 0
        self._connection: Connection | None = None
        self._handshake = NodeHandshake(keys)
        self._frames: Frames | None = None
        self._calls = 0
        self._pause_seconds = CALL_SECONDS[0]
        self._problem = "nothing answered"
        self._arrival = Arrival(self._loop, directory, self._arrived)
        self._actions: dict[type, Callable[[Any], None]] = {
            SendReport: lambda _: self._tell(self._report().message()),
            SayStored: lambda _: self._tell({"type": "stored"}),
            SayPresent: lambda _: self._tell({"type": "present"}),
            SayRankFailed: lambda action: self._tell(
                {"type": "rank failed", "rank": action.rank, "exit_code": action.exit_code}
            ),
            SayFailed: lambda action: self._tell({"type": "failed", "why": action.why}),
            Say: lambda action: self._outlet.say(action.text),
            End: self._end,
        }

    def run(self) -> int:
        """The exit code of this node. Raises ServiceError, NodeError."""
        self._loop.on_signals((signal.SIGTERM, signal.SIGINT), lambda number: self._happened(Signalled(number)))
        (self._directory / "work").mkdir()
        self._rank_ends = RankEnds(self._loop, self._directory, lambda *said: self._happened(RankFailed(*said)))
        self._port = self._service.start(
            self._loop,
            rank_environment(self._environment, self._node, self._directory),
            lambda why: self._happened(Failed(why)),
        )
        self._loop.after(self._join_seconds, lambda: self._happened(JoinDeadlinePassed(self._problem)))
        self._call()
        self._loop.run()
        self._arrival.close(_BACKGROUND_SECONDS)
        self._outlet.close(_LAST_WORDS_SECONDS)
        return self._exit_code

    def _happened(self, event: Event) -> None:
        if self._core.state is not State.ENDED:
            self._do(self._core.handle(event))

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            self._actions[type(action)](action)

    def _report(self) -> Report:
        node = self._node
        return Report(node=node.index, attempt=node.attempt, address=node.address, cores=node.cores, port=self._port)

    def _call(self) -> None:
        """Call the main node, at the next of its ports."""
        if self._core.state is not State.CALLING:
            return
        port = FIRST_PORT + self._calls % PORTS
        self._calls += 1
        connect(
            self._loop,
            # The one that is reported: on a machine with several the main node would see, and name, another.
            self._node.address,
            (str(self._node.main_address), port),
            CONNECT_SECONDS,
            on_connected=self._greet,
            on_failed=lambda why: self._call_again(f"port {port}: {why}"),
        )

    def _greet(self, called: socket.socket) -> None:
        if self._core.state is not State.CALLING:
            called.close()
            return
        self._handshake = NodeHandshake(self._keys)
        connection = Connection(self._loop, called, on_data=self._take, on_closed=self._closed)
        self._connection = connection
        self._loop.after(GREETING_SECONDS, lambda: self._expect(connection, is_there=self._handshake.has_proved))
        self._loop.after(HANDSHAKE_SECONDS, lambda: self._expect(connection, is_there=False))

    def _call_again(self, problem: str) -> None:
        self._problem = f"{self._node.main_address}, {problem}"
        if self._calls % PORTS:
            self._loop.call(self._call)
            return
        self._loop.after(self._pause_seconds, self._call)
        self._pause_seconds = min(self._pause_seconds * 1.5, CALL_SECONDS[1])

    def _expect(self, connection: Connection, *, is_there: bool) -> None:
        """The handshake by now, or the beginning of it."""
        if connection.is_open and self._frames is None and connection is self._connection and not is_there:
            # It may be slow: that is no word about this node's key.
            connection.close()
            self._call_again("it did not greet in time")

    def _take(self, data: bytes) -> None:
        assert self._connection is not None
        try:
            if self._frames is None:
                reply, self._frames, data = self._handshake.feed(data)
                self._connection.send(reply)
                if self._frames is None:
                    return
                self._happened(Connected())
                self._loop.after(PING_SECONDS, self._ping)
            for message in self._frames.feed(data):
                if isinstance(message, bytes):
                    self._arrival.take(message)
                else:
                    self._follow(message)
        except WrongKeyError as error:
            self._connection.close()
            self._happened(TurnedAway(str(error)))
        except (WireError, IllegalEventError, KeyError, TypeError, ValueError) as error:
            self._connection.fail(str(error))

    def _closed(self, why: str) -> None:
        if self._frames is not None:
            self._happened(MainLost(why))
        elif self._handshake.has_proved:
            self._happened(TurnedAway("it hung up on the proof that this node knows the key of the job"))
        else:
            self._call_again(why)

    def _follow(self, message: Message) -> None:
        kind = message["type"]
        if kind == "accepted":
            self._happened(Accepted())
        elif kind == "refused":
            self._happened(Refused(str(message["why"])))
        elif kind == "program":
            self._arrival.announce(int(message["bytes"]))
        elif kind == "roll call":
            # What ranks said before they ended is to be told before this node answers.
            self._rank_ends.read()
            self._happened(RollCalled())
        elif kind == "released":
            self._happened(Released(int(message["exit_code"])))
        elif kind != "ping":
            raise WireError(f"it said {kind!r}, which the main node does not say")

    def _arrived(self, problem: str | None) -> None:
        self._happened(ProgramReceived() if problem is None else Failed(problem))

    def _ping(self) -> None:
        connection = self._connection
        if connection is None or not connection.is_open:
            return
        silent = time.monotonic() - connection.heard_at
        if silent > SILENCE_SECONDS:
            connection.fail(f"nothing was heard of it for {silent:.0f} s")
            return
        self._tell({"type": "ping"})
        self._loop.after(PING_SECONDS, self._ping)

    def _tell(self, message: dict[str, Any]) -> None:
        if self._connection is not None and self._frames is not None:
            self._connection.send(self._frames.message(message))

    def _end(self, action: End) -> None:
        self._exit_code = action.exit_code
        self._service.close()
        if self._connection is None or not self._connection.is_open:
            self._loop.end()
        else:
            self._loop.after(_LAST_WORDS_SECONDS, self._loop.end)
            self._connection.close_when_sent(self._loop.end)
