"""The README's commands are run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from local_batch import control
from tests.e2e.conftest import CHECKOUT, Shell

BLOCKS = re.findall(r"```sh\n(.*?)```", (CHECKOUT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
DEMO, BY_HAND, ON_AWS, TEST = range(4)


def bash(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the lines as one script that stops at the first failure."""
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def test_the_readme_has_the_blocks_that_are_run_here() -> None:
    """A new block of commands needs a test; `make test` is what runs this one."""
    assert len(BLOCKS) == 4
    assert BLOCKS[DEMO] == "make demo\n"
    assert BLOCKS[TEST] == "make test\n"


def test_make_demo(shell: Shell) -> None:
    """Every phase with its time, three objects, estimates, greetings, a report, and nothing is left running."""
    done = bash(BLOCKS[DEMO], {**shell.environment, "HPC_HOME": str(shell.home / "readme")})
    for phase in ("set-up", "local cloud", "synth", "bootstrap", "deploy", "run", "mpi", "take down", "total"):
        assert re.search(rf"^  {phase} +\d+\.\d s", done.stderr, flags=re.MULTILINE), phase
    assert done.stderr.count("pi estimate: 3.") == 6
    assert "node-0 | ranks=6 sum=15 wrong=0 PASSED" in done.stderr
    home = shell.home / "readme" / "demo"
    assert "<svg" in (home / "report.html").read_text(encoding="utf-8")
    assert control.status(home / "local") is None


def test_the_second_demo_installs_and_bootstraps_nothing(shell: Shell) -> None:
    """What an earlier demo left is used again; its buckets are not."""
    done = bash(BLOCKS[DEMO], {**shell.environment, "HPC_HOME": str(shell.home / "readme")})
    assert "done by an earlier demo" in done.stderr
    assert "sources unchanged since the last one" in done.stderr
    assert "installing" not in done.stderr


def test_the_same_path_by_hand(shell: Shell) -> None:
    """`hpc local up` to `hpc local down`."""
    done = bash(BLOCKS[BY_HAND], {**shell.environment, "HPC_HOME": str(shell.home / "by-hand")})
    assert "SUCCEEDED" in done.stdout + done.stderr


def test_the_commands_for_aws(shell: Shell, tmp_path: Path) -> None:
    """With the SDK's own variables pointing at the local cloud, what is written for AWS works as written."""
    state = tmp_path / "cloud"
    endpoint = control.start(state, images=[CHECKOUT / "containers"], vcpus=4, memory_mib=16384)
    try:
        environment = {
            **shell.environment,
            **control.environment(endpoint),
            "HPC_HOME": str(tmp_path / "home"),
            "PATH": os.pathsep.join([str(CHECKOUT / ".venv" / "bin"), os.environ["PATH"]]),
        }
        # Nobody is there to be asked.
        commands = BLOCKS[ON_AWS].replace("hpc deploy\n", "hpc deploy --yes\n")
        assert "hpc images push\n" in commands
        # The registry of a local cloud has AWS's name, which leads nowhere: nothing can be pushed there.
        commands = commands.replace("hpc images push\n", "hpc images push --dry-run\n")
        done = bash(f"npx cdk bootstrap\n{commands}", environment)
        assert "SUCCEEDED" in done.stdout + done.stderr
    finally:
        control.stop(state)


@pytest.mark.parametrize("command", ["run", "status", "runs", "logs", "results", "report", "cancel", "images", "local"])
def test_every_command_has_help_and_is_in_the_readme(shell: Shell, command: str) -> None:
    """Help states what it does; the README's table lists it."""
    assert "Usage: hpc" in shell.hpc(command, "--help").stdout
    assert f"`hpc {command}" in (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_every_json_document_is_one(shell: Shell) -> None:
    """stdout of --json holds one document and nothing else."""
    for arguments in (["runs"], ["local", "status"], ["local", "env"], ["images", "list", "--local"]):
        assert json.loads(shell.hpc(*arguments, "--json").stdout) is not None


def test_images_are_not_pushed_from_a_local_cloud(shell: Shell) -> None:
    """Its repositories bear AWS's names: an engine would look for them on AWS."""
    done = shell.hpc("images", "push", "--local")
    assert "a local cloud needs no images" in done.stderr
    assert json.loads(shell.hpc("images", "push", "--local", "--json").stdout) == {"pushed": []}
