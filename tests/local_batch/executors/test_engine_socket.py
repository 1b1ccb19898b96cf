"""Which engine is used."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_batch.executors import engine_socket as module
from local_batch.executors.engine_service import EngineService
from local_batch.executors.engine_socket import engine_socket
from local_batch.executors.errors import EngineError
from local_batch.executors.marker import directory_token


@contextmanager
def listening(path: Path) -> Iterator[Path]:
    """Somebody listens there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


def test_docker_host_is_used_where_it_answers(tmp_path: Path) -> None:
    """Whatever else there is."""
    with listening(tmp_path / "e") as path:
        assert engine_socket({"DOCKER_HOST": f"unix://{path}"}) == path


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("tcp://10.0.0.1:2375", "DOCKER_HOST: the engine is one of this machine, at unix:///a/socket, got 'tcp://10"),
        ("ssh://host", "DOCKER_HOST: the engine is one of this machine"),
        ("unix:///absent/socket", "DOCKER_HOST: an engine answers there, got nothing at 'unix:///absent/socket'"),
    ],
)
def test_a_docker_host_that_is_no_use_is_not_passed_over(host: str, text: str) -> None:
    """Who names an engine wants that one."""
    with pytest.raises(EngineError, match=text):
        engine_socket({"DOCKER_HOST": host})


def test_the_first_usual_socket_that_answers_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without a listener is what an engine that has ended leaves."""
    with listening(tmp_path / "a"):
        pass
    with listening(tmp_path / "b") as answering, listening(tmp_path / "c"):
        sockets = [tmp_path / "none", tmp_path / "a", answering, tmp_path / "c"]
        monkeypatch.setattr(module, "_usual_sockets", lambda _: sockets)
        assert engine_socket({}) == answering
    assert engine_socket({}) is None


def test_without_any_engine_the_error_says_what_to_do(tmp_path: Path) -> None:
    """Install one, or run processes."""
    with pytest.raises(
        EngineError, match=r"needs Docker or podman, got no engine .* install podman, or use --executor"
    ):
        EngineService(tmp_path / "engine", {"PATH": str(tmp_path)})


@pytest.mark.parametrize("mode", [0o755, None], ids=["open", "file"])
def test_a_place_for_the_socket_that_is_not_this_users_alone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    """Others could listen in; a long name of the state directory asks for such a place."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    podman = tmp_path / "podman"
    podman.touch(mode=0o755)
    state = tmp_path / ("long" * 30)
    state.mkdir()
    place = tmp_path / f"local-batch-{os.getuid()}-{directory_token(state)}"
    if mode is None:
        place.touch()
    else:
        place.mkdir()
        place.chmod(mode)
    with pytest.raises(EngineError, match=f"{place}: a directory that only this user may enter, got .*; remove it"):
        EngineService(state, {"PATH": str(tmp_path)})


def test_a_podman_that_does_not_come_up_is_told_with_its_last_words(tmp_path: Path) -> None:
    """And its log is named."""
    podman = tmp_path / "podman"
    podman.write_text("#!/bin/sh\necho first >&2\necho Error: no storage >&2\nexit 125\n")
    podman.chmod(0o755)
    with pytest.raises(EngineError, match=r"answers within 60 s, got 'Error: no storage'; see .*service\.log"):
        EngineService(tmp_path / "engine", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
