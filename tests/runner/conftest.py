"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runner.fake_aws import FakeClients
from tests.runner.shell import Shell

WORKFLOW = "name: w\ndefaults: {job_definition: dopi, queue: high}\ntasks: {a: {}, b: {needs: [a]}}\n"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """With a workflow in w.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HPC_HOME", raising=False)
    monkeypatch.delenv("HPC_SHARE", raising=False)
    (tmp_path / "w.yaml").write_text(WORKFLOW)
    return Shell(FakeClients(), tmp_path / ".hpc")
