"""A user at a shell, with fakes for AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from runner.cli import hpc
from runner.cli.options import Context
from tests.runner.fake_aws import FakeClients


class Shell:
    """A user in an empty directory, with fakes for AWS."""

    def __init__(self, clients: FakeClients, home: Path) -> None:
        self.clients = clients
        self.home = home

    def __call__(self, *arguments: str, code: int = 0, standard_input: str | None = None) -> Result:
        """`hpc …`, which must end with this exit code."""
        context = Context(connector=lambda _target, _state: self.clients)  # type: ignore[arg-type,return-value]
        result = CliRunner().invoke(hpc, arguments, obj=context, input=standard_input, prog_name="hpc")
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    def document(self, *arguments: str, code: int = 0, standard_input: str | None = None) -> Any:
        """What `hpc … --json` says."""
        return json.loads(self(*arguments, "--json", code=code, standard_input=standard_input).stdout)
