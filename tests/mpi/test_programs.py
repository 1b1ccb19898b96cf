"""Every MPI program passes with any number of ranks, refuses wrong use, and tells when its result is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mpi.programs import SOURCES, Programs

pytestmark = pytest.mark.mpi

RANKS = (1, 2, 3, 6)
PYTHON_PROGRAM = SOURCES / "montecarlo_pi.py"
C_PROGRAMS = ("heat2d", "hello", "pi", "pingpong", "ring")
SHORT = {"pingpong": ("--sizes", "8,65536", "--repetitions", "20"), "pi": ("100000",)}
"""Arguments that make a run short."""


def test_every_program_is_tested() -> None:
    """One that is added to mpi/ is added here."""
    assert sorted(path.stem for path in SOURCES.glob("*.c")) == list(C_PROGRAMS)
    assert list(SOURCES.glob("*.py")) == [PYTHON_PROGRAM]


@pytest.mark.parametrize(
    ("name", "ranks"),
    [(name, ranks) for name in C_PROGRAMS for ranks in RANKS if (name, ranks) != ("pingpong", 1)],
)
def test_a_program_passes(programs: Programs, name: str, ranks: int) -> None:
    """Its heading, then one line of names and values that ends in PASSED, and exit code 0."""
    ended = programs.run(ranks, name, *SHORT.get(name, ()))
    assert (ended.exit_code, ended.verdict, ended.errors) == (0, "PASSED", ""), ended
    assert f"\n# {name} [" in f"\n{ended.output}"
    assert ended.result


@pytest.mark.parametrize("ranks", RANKS)
def test_the_python_program_passes(programs: Programs, ranks: int) -> None:
    """With as many points as were asked for, however many ranks share them."""
    ended = programs.run(ranks, str(PYTHON_PROGRAM), "20000")
    assert (ended.exit_code, ended.verdict) == (0, "PASSED"), ended
    assert (ended.result["ranks"], ended.result["points"]) == (str(ranks), "20000")


def test_hello_is_what_a_cluster_says(programs: Programs) -> None:
    """A greeting of every rank, the number that grows by one at each, and the sum."""
    ended = programs.run(3, "hello")
    lines = ended.output.splitlines()
    greetings = sorted(line.partition(", ")[2] for line in lines if line.startswith("hello from processor "))
    assert greetings == ["rank 0 of 3", "rank 1 of 3", "rank 2 of 3"]
    numbers = sorted(line for line in lines if " has the number " in line)
    assert numbers == [f"rank {rank} has the number {42 + rank}" for rank in range(3)]
    assert ended.result == {"ranks": "3", "sum": "3", "wrong": "0"}


@pytest.mark.parametrize(
    ("name", "error"),
    [*((name, "1") for name in C_PROGRAMS), ("hello", "-1"), ("heat2d", "-2e-10"), ("pi", "1e-10"), ("pi", "NAN")],
)
def test_a_wrong_result_is_told(programs: Programs, name: str, error: str) -> None:
    """FAILED and exit code 1 where something on the way adds to the result, however little."""
    ended = programs.run(2, name, *SHORT.get(name, ()), flags=(f"-DCORRUPTION={error}",))
    assert (ended.exit_code, ended.verdict) == (1, "FAILED"), ended


def test_a_wrong_result_of_python_is_told(programs: Programs) -> None:
    """The same, of the program with another constant."""
    source = PYTHON_PROGRAM.read_text(encoding="utf-8")
    corrupted = programs.directory / "corrupted.py"
    corrupted.write_text(source.replace("CORRUPTION = 0\n", "CORRUPTION = 1000\n"), encoding="utf-8")
    ended = programs.run(2, str(corrupted), "20000")
    assert (ended.exit_code, ended.verdict) == (1, "FAILED"), ended


@pytest.mark.parametrize(
    ("ranks", "name", "arguments", "rule"),
    [
        (1, "pingpong", (), "pingpong: 2 ranks at least, got 1; start it with mpiexec -n 2"),
        (2, "pingpong", ("--sizes", "8,x"), "pingpong: --sizes: 1 to 20 numbers of bytes"),
        (2, "pingpong", ("--sizes", "0"), "pingpong: --sizes: 1 to 20 numbers of bytes"),
        (2, "pingpong", ("--repetitions", "0"), "pingpong: --repetitions: 1 to 1000000, got 0"),
        (2, "pingpong", ("--repetitions",), "pingpong: every option has a value, got --repetitions"),
        (3, "heat2d", ("--n", "2"), "heat2d: a rank has a row at least"),
        (2, "heat2d", ("--n", "4", "--bands", "5"), "heat2d: a band has a row at least"),
        (1, "heat2d", ("--steps", "-1"), "heat2d: --n is 1 to 20000, --steps 0 to 1000000"),
        (2, "ring", ("0",), "ring: LAPS is 1 to 1000000, got 0"),
        (2, "pi", ("many",), "pi: INTERVALS is 1 to 1000000000000, got many"),
        (2, "hello", ("--abort-rank", "2"), "hello: R is a rank of this run, got 2 with 2 ranks"),
        (2, "hello", ("--exit-rank", "1", "256"), "hello: CODE is 0 to 255, got 256 with 2 ranks"),
        (2, "hello", ("--help",), "hello: --abort-rank R, --exit-rank R CODE, --hang-rank R, or nothing, got --help"),
        (2, str(PYTHON_PROGRAM), ("3",), "montecarlo_pi: POINTS is 1000 to 1000000000, got '3'"),
    ],
)
def test_wrong_use_is_refused(programs: Programs, ranks: int, name: str, arguments: tuple[str, ...], rule: str) -> None:
    """Exit code 2, the rule on stderr, once, and no result."""
    ended = programs.run(ranks, name, *arguments)
    assert (ended.exit_code, ended.output) == (2, ""), ended
    assert ended.errors.startswith(rule)
    assert ended.errors.count(rule) == 1


@pytest.mark.parametrize("ranks", [1, 3])
def test_bands_are_the_field_in_rows(tmp_path: Path, programs: Programs, ranks: int) -> None:
    """However many ranks computed it: 7 rows of 7 numbers that decay as the modes do, in five files."""
    local = Programs(tmp_path, programs._compiled)
    assert local.run(ranks, "heat2d", "--n", "7", "--steps", "3", "--bands", "5").verdict == "PASSED"
    files = [tmp_path / "results" / f"band-{band}.csv" for band in range(5)]
    assert sorted((tmp_path / "results").iterdir()) == files
    bands = [file.read_text(encoding="ascii").splitlines() for file in files]
    assert [len(band) for band in bands] == [1, 1, 2, 1, 2]
    rows = [[float(number) for number in line.split(",")] for band in bands for line in band]
    assert {len(row) for row in rows} == {7}
    # sin(pi / 2) at the middle, where the second mode is 0, and the decay of three steps of the first.
    assert rows[3][3] == pytest.approx((1 - 1.6 * 0.03806023374435663) ** 3, abs=1e-12)


def test_a_field_that_cannot_be_written_is_a_failure(tmp_path: Path, programs: Programs) -> None:
    """With the name and the reason."""
    (tmp_path / "results").write_text("in the way", encoding="ascii")
    ended = Programs(tmp_path, programs._compiled).run(2, "heat2d", "--bands", "2")
    assert ended.exit_code != 0
    assert "heat2d: results/band-0.csv: Not a directory" in ended.errors


def test_the_table_of_pingpong_has_a_line_for_each_size(programs: Programs) -> None:
    """Bytes, microseconds and MB/s that agree with each other."""
    output = programs.run(3, "pingpong", "--sizes", "1,1000,3000000", "--repetitions", "3").output
    heading, *lines, _ = output.partition("# pingpong ")[2].splitlines()
    assert heading == "[bytes, us one way, MB/s]"
    rows = [[float(number) for number in line.split()] for line in lines]
    assert [row[0] for row in rows] == [1, 1000, 3000000]
    for size, microseconds, rate in rows:
        assert rate == pytest.approx(size / microseconds, rel=0.01, abs=0.001)
