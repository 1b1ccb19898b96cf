"""Who calls the main node, and the agents that stand in for sshd: real sockets, on addresses of the test's own."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mpi_bringup import remote_shell
from mpi_bringup.agent import Agent, socket_name
from mpi_bringup.keys import JobKeys
from mpi_bringup.loop import Loop
from mpi_bringup.main_events import NodeLost, NodeReported, Stranger
from mpi_bringup.peers import FIRST_PORT, PORTS, Peers, PortsTakenError

from tests.mpi_bringup.callers import KEYS, SECONDS, Caller, Main, played, report


def test_a_node_that_speaks_out_of_turn_loses_its_connection(loop: Loop, address: str) -> None:
    """The main node goes on, and learns that it is lost."""
    main = Main(loop, address)

    def play() -> None:
        caller = Caller(address)
        caller.say(report().message(), {"type": "stored"})
        caller.hear()

    played(loop, play)
    assert main.events[0] == NodeReported(report())
    assert main.events[-1] == NodeLost(1, "cannot happen now")


def test_a_node_that_was_refused_counts_for_nothing(loop: Loop, address: str) -> None:
    """Whatever it says with or after its report; the one that was taken on stays."""
    main = Main(loop, address)
    heard: list[Any] = []

    def play() -> None:
        first = Caller(address)
        first.say(report().message())
        second = Caller(address)
        second.say(report(address="10.0.0.3").message(), {"type": "stored"}, {"type": "present"})
        heard.extend(second.hear())
        first.socket.close()

    played(loop, play)
    assert heard[0] == {"type": "refused", "why": "has come already"}
    assert [type(event) for event in main.events] == [NodeReported, NodeReported, NodeLost]


@pytest.mark.parametrize("message", [{"type": "hello"}, {"type": "stored"}, {"type": "report", "node": "x"}])
def test_what_no_node_says_ends_its_connection_alone(loop: Loop, address: str, message: dict[str, Any]) -> None:
    """Before it was taken on nobody is lost by it."""
    main = Main(loop, address)
    heard: list[Any] = []

    def play() -> None:
        caller = Caller(address)
        caller.say(message)
        heard.extend(caller.hear())
        loop.call(loop.end)

    played(loop, play)
    assert main.events == []
    assert heard in ([], ["reset"])


def test_a_caller_without_the_key_is_a_stranger(loop: Loop, address: str) -> None:
    """It is told of by its address, one that says nothing is not."""
    main = Main(loop, address)

    def play() -> None:
        socket.create_connection((address, FIRST_PORT), timeout=SECONDS).close()
        Caller(address, JobKeys(b"o" * 32))

    played(loop, play)
    (event,) = main.events
    assert isinstance(event, Stranger)
    assert event.why == "it does not know the key of this job"


def test_a_port_that_is_taken_is_passed_over(loop: Loop, address: str) -> None:
    """Ten that are taken end the job with a message."""
    with socket.create_server((address, FIRST_PORT)):
        Peers(loop, KEYS, address, lambda _: None, num_nodes=3)
        with socket.create_connection((address, FIRST_PORT + 1), timeout=SECONDS):
            pass
        taken = [socket.create_server((address, port)) for port in range(FIRST_PORT + 2, FIRST_PORT + PORTS)]
        with pytest.raises(PortsTakenError, match=f"ports 7522 to 7531 of {address}: the main node listens on one"):
            Peers(loop, KEYS, address, lambda _: None, num_nodes=3)
    for each in taken:
        each.close()


def through_agent(loop: Loop, tmp_path: Path, command: str, key: str) -> subprocess.CompletedProcess[str]:
    """What a remote shell with this key gets from an agent."""
    name = socket_name(KEYS, 1) + secrets.token_hex(4)
    agent = Agent(loop, KEYS, f"{name}node", {"PATH": os.defpath, "MARK": "of the node"})
    done: list[subprocess.CompletedProcess[str]] = []

    def play() -> None:
        shell = [sys.executable, "-ISE", str(remote_shell.__file__), "-x", "node", command]
        done.append(
            subprocess.run(
                shell,
                env={"MPI_AGENT_KEY": key, "MPI_AGENT_SOCKET": name},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        )
        loop.call(loop.end)

    played(loop, play)
    agent.close()
    return done[0]


def test_an_agent_runs_a_command_in_its_nodes_environment(loop: Loop, tmp_path: Path) -> None:
    """With the caller's streams, and the exit code of the command."""
    done = through_agent(loop, tmp_path, 'echo "$MARK"; echo problem >&2; exit 5', KEYS.user_seed.hex())
    assert (done.stdout, done.stderr, done.returncode) == ("of the node\n", "problem\n", 5)


def test_an_agent_runs_nothing_for_another_key(loop: Loop, tmp_path: Path) -> None:
    """The caller gets what ssh would say of a host that hangs up."""
    done = through_agent(loop, tmp_path, "echo ran", "0" * 64)
    assert (done.stdout, done.returncode) == ("", 255)


def test_an_agent_hangs_up_on_what_is_no_request(loop: Loop) -> None:
    """However deep its nesting."""
    name = socket_name(KEYS, 2) + secrets.token_hex(4)
    agent = Agent(loop, KEYS, name, {})

    def play() -> None:
        for request in (b"none\n", b"[" * 50_000 + b"\n", json.dumps({"key": "x"}).encode() + b"\n"):
            with socket.socket(socket.AF_UNIX) as caller:
                caller.settimeout(SECONDS)
                caller.connect(f"\0{name}")
                caller.sendall(request)
                assert caller.recv(1) == b""
        loop.call(loop.end)

    played(loop, play)
    agent.close()
