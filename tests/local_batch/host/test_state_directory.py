"""The state directory: one server at a time, and files that are believed only while it runs."""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path

import pytest

from local_batch.host.state_directory import LOOPBACK, Endpoint, StateDirectory, StateDirectoryError

ENDPOINT = Endpoint(
    endpoint="http://127.0.0.1:1",
    pid=os.getpid(),
    region="us-east-1",
    account="123456789012",
    started_at="2026-01-01T00:00:00Z",
    executor="process",
    vcpus=2.0,
    memory_mib=4096,
    gpus=0,
    images=("/containers",),
    base_image=None,
    mpi="mpich",
)


def test_second_holder_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    """Two servers on one state directory would destroy its journal."""
    directory = StateDirectory(tmp_path)
    held = directory.hold()
    with pytest.raises(StateDirectoryError, match=f"one server at a time.*got process {os.getpid()}.*hpc local down"):
        StateDirectory(tmp_path).hold()
    os.close(held)
    os.close(StateDirectory(tmp_path).hold())


def test_state_directory_is_private(tmp_path: Path) -> None:
    """Keys and job output lie in it."""
    os.close(StateDirectory(tmp_path / "new").hold())
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_endpoint_of_a_dead_server_is_not_believed(tmp_path: Path) -> None:
    """A killed server leaves its file behind; only the lock tells whether it lives."""
    directory = StateDirectory(tmp_path)
    held = directory.hold()
    directory.write_endpoint(ENDPOINT)
    assert StateDirectory(tmp_path).read_endpoint() == ENDPOINT
    os.close(held)
    assert StateDirectory(tmp_path).read_endpoint() is None


def test_old_endpoint_is_not_believed_while_another_server_starts(tmp_path: Path) -> None:
    """It holds the directory already, and has not yet said where it answers."""
    directory = StateDirectory(tmp_path)
    held = directory.hold()
    directory.write_endpoint(dataclasses.replace(ENDPOINT, pid=1))
    assert directory.read_endpoint() is None
    os.close(held)


def test_directory_that_never_was_has_no_endpoint(tmp_path: Path) -> None:
    """Asking for a local cloud makes no directory."""
    directory = StateDirectory(tmp_path / "never")
    assert directory.read_endpoint() is None
    assert not directory.path.exists()


def test_port_is_kept_over_restarts(tmp_path: Path) -> None:
    """URLs that clients and stacks remember stay true."""
    directory = StateDirectory(tmp_path)
    with directory.listen(0) as first:
        port = first.getsockname()[1]
        assert first.getsockname()[0] == LOOPBACK
    with directory.listen(0) as second:
        assert second.getsockname()[1] == port
        # Somebody else has it now, so another is found.
        with directory.listen(0) as third:
            assert third.getsockname()[1] != port


def test_wanted_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    """A port that was asked for is not silently another."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StateDirectoryError, match=f"--port: a port .* that nobody listens on, got {port}"):
            StateDirectory(tmp_path).listen(port)


def test_listener_is_recognised_as_tcp(tmp_path: Path) -> None:
    """asyncio sets TCP_NODELAY only on sockets whose protocol it sees; answers would take 40 ms longer."""
    with StateDirectory(tmp_path).listen(0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    """What a restarted server finds running keeps its addresses."""
    directory = StateDirectory(tmp_path)
    secret = directory.secret()
    assert len(secret) == 32
    assert StateDirectory(tmp_path).secret() == secret
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
