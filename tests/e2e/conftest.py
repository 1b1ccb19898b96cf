"""The whole path as a user takes it: the hpc command against the stacks, really deployed on a local cloud.

All tests of this folder share one deployment and run on one worker.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
HPC = CHECKOUT / ".venv" / "bin" / "hpc"


@pytest.hookimpl(tryfirst=True)  # before xdist puts groups into the tests' names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for everything here."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("e2e"))


@dataclass(frozen=True)
class Shell:
    """A user's shell in the checkout, with a home of its own for runs and local cloud."""

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    """Set besides, for every command."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command: nothing of AWS in it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HPC_", "CDK_"))}
        return {**kept, "HPC_HOME": str(self.home), "COLUMNS": "120", **self.variables}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`hpc …` in the background."""
        return subprocess.Popen(
            [str(HPC), *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hpc(self, *arguments: str, code: int = 0, seconds: float = 240) -> subprocess.CompletedProcess[str]:
        """`hpc …`, which must end with this exit code and never with a traceback."""
        done = subprocess.run(
            [str(HPC), *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == code, f"hpc {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The document that `hpc … --json` prints."""
        return json.loads(self.hpc(*arguments, "--json", code=code).stdout)

    def status(self, run: str) -> Any:
        """The document of `hpc status`, whose exit code is 1 for a run that failed."""
        done = subprocess.run(
            [str(HPC), "status", run, "--local", "--json"],
            cwd=CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        document = json.loads(done.stdout)
        assert done.returncode == (1 if document["status"] == "FAILED" else 0), done.stderr
        return document

    def workflow(self, text: str) -> str:
        """The path of a workflow file with this text."""
        path = self.home / "workflow.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell beside a local cloud that holds the deployed stacks; eight vCPUs whatever the machine has."""
    opened = Shell(tmp_path_factory.mktemp("e2e"))
    opened.hpc("local", "up", "--vcpus", "8", "--memory-mib", "16384")
    opened.hpc("deploy", "--local")
    yield opened
    opened.hpc("destroy", "--local")
    opened.hpc("local", "down", "--delete")
