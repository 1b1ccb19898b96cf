"""The compiler that set-up installs where a machine has none makes programs as the machine's would."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mpi.programs import BIN, FLAGS, MPIEXEC, SOURCES, skip_where_missing

pytestmark = pytest.mark.mpi


@pytest.fixture
def compiler_environment() -> dict[str, str]:
    """Of a job: neither HOME nor anything of the user's; skips where that compiler is not installed."""
    skip_where_missing()
    if not (BIN / "zig-cc").exists():
        pytest.skip("no zig-cc here: toolchain/setup.sh installs it where there is neither cc nor gcc nor clang")
    return {"PATH": f"{BIN}:/usr/bin:/bin", "MPICH_CC": "zig-cc"}


def test_mpicc_compiles_with_it(tmp_path: Path, compiler_environment: dict[str, str]) -> None:
    """The same flags, no HOME to keep anything in, and the program runs."""
    program = tmp_path / "hello"
    command = [str(BIN / "mpicc"), *FLAGS, "-o", str(program), str(SOURCES / "hello.c"), "-lm"]
    done = subprocess.run(command, env=compiler_environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    ran = subprocess.run([str(MPIEXEC), "-n", "3", str(program)], capture_output=True, text=True, check=True)
    assert "ranks=3 sum=3 wrong=0 PASSED" in ran.stdout


def test_its_errors_are_those_of_a_compiler(tmp_path: Path, compiler_environment: dict[str, str]) -> None:
    """With the line, and an exit code that is not 0."""
    source = tmp_path / "broken.c"
    source.write_text("int main(void) { return nothing; }\n", encoding="ascii")
    command = [str(BIN / "mpicc"), "-o", str(tmp_path / "broken"), str(source)]
    done = subprocess.run(command, env=compiler_environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "broken.c:1:" in done.stderr


def test_it_adds_no_traps_of_its_own(tmp_path: Path, compiler_environment: dict[str, str]) -> None:
    """An overflow without -O goes on, as with other compilers."""
    source = tmp_path / "overflow.c"
    source.write_text(
        "#include <limits.h>\nint main(int argc, char **argv) { int most = INT_MAX; (void)argv; most += argc;"
        " return most > 0; }\n",
        encoding="ascii",
    )
    command = [str(BIN / "mpicc"), "-o", str(tmp_path / "overflow"), str(source)]
    subprocess.run(command, env=compiler_environment, capture_output=True, text=True, check=True)
    assert subprocess.run([tmp_path / "overflow"], check=False).returncode == 0
