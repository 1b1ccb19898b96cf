"""A local cloud that may die under its client, and comes back on the same state directory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from local_batch import control
from local_batch.host.state_directory import Endpoint
from tests.contract.service import IMAGES, clients

PATIENCE_SECONDS = 120.0
SIZE = ("--vcpus", "16", "--memory-mib", "32768")


class DiedError(Exception):
    """The server went away before it answered."""


class MortalCloud:
    """One state directory, the server that is on it now, and a client that notices its death."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.deaths = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._batch: Any = None

    def start_to_die(self, write: int, moment: str) -> None:
        """Start a server that is killed at this write of its journal."""
        command = [sys.executable, "-m", "tests.robustness.crashing_server", str(write), moment, "serve"]
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "crashing.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--state", str(self.state), "--images", str(IMAGES), *SIZE],
                stdout=log,
                stderr=log,
                env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._process.poll() is None:
            endpoint = control.status(self.state)
            if endpoint is not None:
                self._connect(endpoint)
                return
            assert time.monotonic() < deadline, (self.state / "crashing.log").read_text()
            time.sleep(0.02)
        self.start_again()

    def start_again(self) -> None:
        """Once it is dead: start a server that lives."""
        if self._process is not None:
            self._process.wait(PATIENCE_SECONDS)
            self.deaths += 1
            self._process = None
        self._connect(control.start(self.state, images=[IMAGES], vcpus=16, memory_mib=32768))

    def call(self, method: str, **request: Any) -> dict[str, Any]:
        """One call of Batch; raises DiedError where no answer came."""
        try:
            reply: dict[str, Any] = getattr(self._batch, method)(**request)
        except (HTTPClientError, EndpointConnectionError) as error:
            raise DiedError from error
        except ClientError as error:
            # A server that dies between its last words leaves an answer without its body.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 200:
                raise DiedError from error
            raise
        return reply

    def close(self) -> None:
        """Stop whatever runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)
        control.stop(self.state)

    def _connect(self, endpoint: Endpoint) -> None:
        (self._batch,) = clients(endpoint, "batch")
