"""What others make of many no-ops on this machine: xargs, GNU parallel, and workflow engines' local modes.

An engine's time to start is not counted against it: it is measured with one task, and taken off.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.clients.virtual_environment import virtual_environment

REDUN_WORKFLOW = """
from redun import task

redun_namespace = "bench"

@task(script=True)
def no_op(number: int) -> str:
    return "/bin/true"

@task()
def main(count: int) -> list:
    return [no_op(number) for number in range(count)]
"""
SNAKEFILE = """
COUNT = int(config["count"])
rule all:
    input: expand("done/{number}", number=range(COUNT))
rule no_op:
    output: touch("done/{number}")
    shell: "/bin/true"
"""


def xargs_per_second(count: int, in_flight: int, program: str) -> float | None:
    """`xargs -P`; None where there is none."""
    return _over_lines(["xargs", f"-P{in_flight}", "-n1", program], count)


def parallel_per_second(count: int, in_flight: int, program: str) -> float | None:
    """GNU parallel; None where it is not installed."""
    return _over_lines(["parallel", f"-j{in_flight}", program], count)


def snakemake_per_second(count: int, in_flight: int, directory: Path) -> float:
    """Snakemake's local executor."""
    snakemake = virtual_environment("snakemake").programs / "snakemake"
    directory.mkdir()
    (directory / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")

    def run(tasks: int) -> None:
        shutil.rmtree(directory / "done", ignore_errors=True)
        _quiet([str(snakemake), "--quiet", "all", "--cores", str(in_flight), "--config", f"count={tasks}"], directory)

    return _without_start(run, count)


def redun_per_second(count: int, directory: Path) -> float:
    """redun's local executor, with as many workers as it takes by itself."""
    redun = virtual_environment("redun").programs / "redun"
    directory.mkdir()
    (directory / "workflow.py").write_text(REDUN_WORKFLOW, encoding="utf-8")

    def run(tasks: int) -> None:
        shutil.rmtree(directory / ".redun", ignore_errors=True)
        _quiet([str(redun), "run", "workflow.py", "main", "--count", str(tasks)], directory)

    return _without_start(run, count)


def _over_lines(command: Sequence[str], count: int) -> float | None:
    if shutil.which(command[0]) is None:
        print(f"{command[0]} is not installed: left out", file=sys.stderr)
        return None
    lines = "".join(f"{number}\n" for number in range(count))
    began = time.perf_counter()
    subprocess.run(command, input=lines, text=True, check=True, capture_output=True)
    return count / (time.perf_counter() - began)


def _without_start(run: Callable[[int], None], count: int) -> float:
    began = time.perf_counter()
    run(1)
    of_one = time.perf_counter() - began
    began = time.perf_counter()
    run(count)
    of_all = time.perf_counter() - began
    return (count - 1) / max(of_all - of_one, 1e-3)


def _quiet(command: Sequence[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} exits with 0, got {done.returncode}:\n{done.stdout}\n{done.stderr}")
