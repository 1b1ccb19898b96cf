"""The program of image `dopi`."""

from __future__ import annotations

import argparse
import math
import signal
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.containers.program import FakeStore, finish, load, start, wait_until_catching

dopi = load("dopi")


def options(**changed: object) -> argparse.Namespace:
    """Options as `parse` returns them."""
    return argparse.Namespace(**({"points": 100_000, "seed": 7, "bucket": "b", "key": "results/r/dopi.txt"} | changed))


def test_the_estimate_is_pi_within_its_own_standard_error() -> None:
    """Over 40 seeds the error is distributed as the standard error says: unbiased, and of that size."""
    runs = [dopi.estimate_pi(200_000, np.random.default_rng(seed)) for seed in range(40)]
    scores = [(estimate - math.pi) / standard_error for estimate, standard_error in runs]
    assert all(abs(score) < 4 for score in scores)
    assert abs(float(np.mean(scores))) < 0.6
    assert 0.7 < float(np.std(scores)) < 1.3


def test_a_seed_gives_the_same_estimate_again() -> None:
    """Two runs with one seed agree to the last digit; another seed gives another estimate."""
    first, again, other = (dopi.estimate_pi(1000, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_every_point_counts_at_the_edges_of_chunks(extra: int) -> None:
    """With points that are all inside, the share is one, whether chunks come out even or not."""

    class Inside:
        """A generator of points at the origin, which counts them."""

        drawn = 0

        def random(self, shape: tuple[int, int]) -> np.ndarray:
            """Zeros of that shape."""
            self.drawn += shape[1]
            return np.zeros(shape)

    points, rng = 2 * dopi.CHUNK_POINTS + extra, Inside()
    assert dopi.estimate_pi(points, rng) == (4.0, 0.0)
    assert rng.drawn == points


def test_memory_does_not_grow_with_the_number_of_points() -> None:
    """Ten million points are estimated within 8 MiB."""
    tracemalloc.start()
    dopi.estimate_pi(10_000_000, np.random.default_rng(1))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 * 1024 * 1024


def test_what_is_printed_is_what_is_stored(capsys: pytest.CaptureFixture[str]) -> None:
    """The estimate goes to standard output and, as one line, to the object."""
    store = FakeStore()
    assert dopi.run(options(), lambda: store) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("pi estimate: 3.1")
    assert printed[0].endswith(")")
    assert "(100000 points, standard error 0.005" in printed[0]
    assert printed[1] == "wrote s3://b/results/r/dopi.txt"
    assert store.objects == {"results/r/dopi.txt": f"{printed[0]}\n".encode()}


def test_a_refused_write_keeps_the_estimate_and_has_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The log still has the estimate; the error names object, code and reason."""
    assert dopi.run(options(), lambda: FakeStore(refused="PutObject")) == 4
    captured = capsys.readouterr()
    assert captured.out.startswith("pi estimate: 3.1")
    assert captured.err.startswith("dopi: s3://b/results/r/dopi.txt: could not be written: ")
    assert "(AccessDenied)" in captured.err


def test_defaults_come_from_the_environment_of_the_job() -> None:
    """Inside Batch no argument is needed."""
    parsed = dopi.parse([], {"RESULTS_BUCKET": "b", "RESULTS_PREFIX": "results/", "AWS_BATCH_JOB_ID": "1-2"})
    assert vars(parsed) == {"points": 100_000, "seed": None, "bucket": "b", "key": "results/1-2.txt"}


@given(st.integers(min_value=1, max_value=10_000_000_000))
def test_a_number_of_points_in_range_is_taken(points: int) -> None:
    """From one point to ten thousand million."""
    assert dopi.point_count(str(points)) == points


@pytest.mark.parametrize("text", ["0", "-1", "1e5", "1.5", "10000000001", "", "ten", "\u0661"])
def test_any_other_number_of_points_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says the range and what was given; the exit code is that of bad input."""
    with pytest.raises(SystemExit) as ended:
        dopi.parse([f"--points={text}", "--bucket", "b", "--key", "k"], {})
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert f"argument --points: a whole number from 1 to 10000000000, got {text!r}" in message


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"AWS_BATCH_JOB_ID": "1"}, "--bucket: names the bucket to write to, got none; give it, or set RESULTS_BUCKET"),
        ({"RESULTS_BUCKET": "b"}, "--key: names the object to write, got none; give it, or set AWS_BATCH_JOB_ID"),
    ],
)
def test_what_is_missing_is_named(environment: dict[str, str], problem: str) -> None:
    """Without bucket or key the process ends with 2 before it estimates anything."""
    code, out, err = finish(start("dopi", [], environment))
    assert (code, out) == (2, "")
    assert problem in err


def test_no_credentials_is_a_storage_failure_not_a_traceback() -> None:
    """The whole program without a role: estimate in the log, exit code 4, one sentence."""
    code, out, err = finish(start("dopi", ["--points", "1000"], {"RESULTS_BUCKET": "b", "AWS_BATCH_JOB_ID": "1"}))
    assert code == 4
    assert out.startswith("pi estimate: ")
    assert err.strip() == "dopi: s3://b/1.txt: could not be written: Unable to locate credentials"


def test_sigterm_ends_it_at_once_and_says_so() -> None:
    """In the middle of ten thousand million points a SIGTERM ends it within a second or two, with 143."""
    process = start("dopi", ["--points", "10000000000", "--bucket", "b", "--key", "k"], {})
    wait_until_catching(process, signal.SIGTERM)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert (code, err) == (143, "dopi: stopped by SIGTERM\n")
    assert time.monotonic() - asked < 5


def test_help_says_what_each_exit_code_means() -> None:
    """`--help` lists every exit code that the program has."""
    code, out, _ = finish(start("dopi", ["--help"], {}))
    assert code == 0
    assert [line.split()[0] for line in out.partition("exit codes:\n")[2].splitlines()] == ["0", "2", "4", "143"]
