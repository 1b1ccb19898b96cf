"""The program of image `fieldstats`."""

from __future__ import annotations

import json
import math
import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.containers.program import FakeStore, finish, load, start, wait_until_catching

fieldstats = load("fieldstats")
P = "results/r/"
FIELD = [[0.5, -1.0, 2.0], [4.0, 0.25, 8.0], [1.0, 1.0, 1.0], [3.0, -2.5, 0.0]]


def csv(rows: list[list[float]]) -> bytes:
    """Rows as heat2d writes them."""
    return "".join(",".join(f"{cell:.17g}" for cell in row) + "\n" for row in rows).encode()


def run(store: FakeStore, *arguments: str) -> int:
    """`fieldstats …` with that bucket."""
    code: int = fieldstats.run(fieldstats.parse([*arguments, "--bucket", "b"], {}), lambda: store)
    return code


def written(store: FakeStore, key: str) -> dict[str, Any]:
    """A document in the bucket."""
    document: dict[str, Any] = json.loads(store.objects[key])
    return document


def analysed(bands: list[list[list[float]]], *options: str) -> tuple[int, FakeStore]:
    """The exit code of `merge` over the statistics of these bands, and the bucket."""
    store = FakeStore({f"{P}band-{number}.csv": csv(rows) for number, rows in enumerate(bands)})
    keys = []
    for number in range(len(bands)):
        keys.append(f"{P}band-{number}.json")
        assert run(store, "band", "--input-key", f"{P}band-{number}.csv", "--key", keys[-1]) == 0
    named = [word for key in keys for word in ("--input-key", key)]
    return run(store, "merge", *named, "--key", f"{P}field.json", *options), store


def test_a_band_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout and in the bucket alike."""
    store = FakeStore({f"{P}band-0.csv": csv(FIELD[:2])})
    assert run(store, "band", "--input-key", f"{P}band-0.csv", "--key", f"{P}0.json") == 0
    assert written(store, f"{P}0.json") == {
        "rows": 2,
        "columns": 3,
        "count": 6,
        "min": -1.0,
        "max": 8.0,
        "sum": 13.75,
        "sum_of_squares": 85.3125,
        "mean": 13.75 / 6,
        "rms": math.sqrt(85.3125 / 6),
    }
    assert capsys.readouterr().out == store.objects[f"{P}0.json"].decode() + f"wrote s3://b/{P}0.json\n"


@given(st.data(), st.integers(1, 4), st.integers(1, 6))
def test_bands_together_are_the_whole_field(data: st.DataObject, columns: int, rows: int) -> None:
    """However it is divided; sums differ by rounding only."""
    cell = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)
    field = data.draw(st.lists(st.lists(cell, min_size=columns, max_size=columns), min_size=rows, max_size=rows))
    cut = data.draw(st.integers(0, rows - 1))
    bands = [part for part in (field[:cut], field[cut:]) if part]
    code, store = analysed(bands, "--expected-count", str(rows * columns))
    assert code == 0
    whole, together = fieldstats.of_band(csv(field).decode(), "whole"), written(store, f"{P}field.json")
    assert (together["rows"], together["columns"], together["min"], together["max"]) == (
        rows,
        columns,
        whole.min,
        whole.max,
    )
    size = math.fsum(abs(cell) for row in field for cell in row)
    assert math.isclose(together["sum"], whole.sum, abs_tol=1e-12 * size)
    assert math.isclose(together["sum_of_squares"], whole.sum_of_squares, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "band.csv: holds rows of numbers, got none"),
        (b"1,2\n3,x\n", "band.csv:2: is a row of numbers and commas, got '3,x'"),
        (b"1,2\n3\n", "band.csv:2: has 2 columns as the first row has, got 1"),
        (b"1,nan\n", "band.csv: all numbers are finite, got others"),
    ],
)
def test_what_is_no_band_is_exit_code_5(content: bytes, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the line; nothing is written."""
    store = FakeStore({"band.csv": content})
    assert run(store, "band", "--input-key", "band.csv", "--key", "out") == 5
    assert capsys.readouterr().err == f"fieldstats: {problem}\n"
    assert "out" not in store.objects


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"count": 7}, "count is rows times columns, got 7 of 2 by 3"),
        ({"max": 1.0}, "the mean lies between min and max, got 2.29"),
        ({"sum_of_squares": 1.0}, "squares add up to 31.51"),
        ({"sum_of_squares": 1e6}, "no square is larger than that of min or max, got 1000000.0"),
        ({"min": math.inf}, "all numbers are finite"),
        ({"rows": None}, "is what `fieldstats.py band` writes, got another text"),
    ],
)
def test_statistics_that_contradict_one_another_are_refused(
    changes: dict[str, Any], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A band's document that was damaged does not reach the result."""
    good = json.loads(fieldstats.report(fieldstats.of_band(csv(FIELD[:2]).decode(), "x")))
    store = FakeStore({"a.json": json.dumps({**good, **changes}).encode()})
    assert run(store, "merge", "--input-key", "a.json", "--key", "out") == 5
    assert f"fieldstats: a.json: {problem}" in capsys.readouterr().err


def test_bands_of_other_fields_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Other columns, or points that are missing."""
    assert analysed([FIELD[:1], [[1.0]]])[0] == 5
    assert "bands of a field have the same columns, got results/r/band-0.json: 3, " in capsys.readouterr().err
    assert analysed([FIELD[:2], FIELD[3:]], "--expected-count", "12")[0] == 5
    assert "the field has 12 points, got 9 in 2 bands" in capsys.readouterr().err


def test_an_absent_band_has_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """By listing, as a refusal looks like an absence to a role that may not list."""
    store = FakeStore({"band.csv.bak": b"1\n"})
    assert run(store, "band", "--input-key", "band.csv", "--key", "out") == 3
    assert capsys.readouterr().err == "fieldstats: s3://b/band.csv: is not there\n"


@pytest.mark.parametrize("refused", ["ListObjectsV2", "GetObject", "PutObject"])
def test_a_refusal_is_told_with_its_reason(refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever call the bucket refuses: exit code 4."""
    store = FakeStore({"band.csv": b"1\n"}, refused=refused)
    assert run(store, "band", "--input-key", "band.csv", "--key", "out") == 4
    assert f"(AccessDenied) when calling the {refused}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "the following arguments are required: band|merge"),
        (["band", "--key", "k"], "the following arguments are required: --input-key"),
        (["band", "--input-key", "i"], "the following arguments are required: --key"),
        (["band", "--input-key", "i", "--key", "k"], "--bucket: names the bucket to read and write, got none"),
        (
            ["band", "--input-key", "k", "--key", "k", "--bucket", "b"],
            "--key: another object than --input-key, got 'k'",
        ),
        (
            ["merge", "--input-key", "i", "--input-key", "i", "--key", "k", "--bucket", "b"],
            "each band once, got one twice",
        ),
        (
            ["band", "--input-key", "i", "--input-key", "j", "--key", "k", "--bucket", "b"],
            "one band at a time, got several",
        ),
        (["merge", "--input-key", "i", "--key", "k", "--expected-count", "x"], "invalid int value: 'x'"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the argument, what was given."""
    with pytest.raises(SystemExit) as ended:
        fieldstats.parse(arguments, {})
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err


def test_the_bucket_comes_from_the_environment_of_the_job() -> None:
    """As the job definition sets it."""
    options = fieldstats.parse(["band", "--input-key", "i", "--key", "k"], {"RESULTS_BUCKET": "b"})
    assert (options.bucket, options.input_keys) == ("b", ["i"])


def test_no_credentials_is_a_storage_failure_not_a_traceback() -> None:
    """The whole program without a role: exit code 4 and one sentence."""
    arguments = ["band", "--input-key", "i", "--key", "k"]
    code, out, err = finish(start("fieldstats", arguments, {"RESULTS_BUCKET": "b", "AWS_REGION": "us-east-1"}))
    assert (code, out) == (4, "")
    assert err == "fieldstats: s3://b: could not be read or written: Unable to locate credentials\n"


def test_sigterm_ends_it_at_once_and_says_so() -> None:
    """While it tries to reach the bucket a SIGTERM ends it promptly, with 143."""
    environment = {
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "us-east-1",
    }
    process = start("fieldstats", ["band", "--input-key", "i", "--key", "k", "--bucket", "b"], environment)
    wait_until_catching(process, signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    code, _, err = finish(process)
    assert (code, err) == (143, "fieldstats: stopped by SIGTERM\n")


def test_help_says_what_each_exit_code_means() -> None:
    """`--help` lists every exit code that the program has."""
    code, out, _ = finish(start("fieldstats", ["--help"], {}))
    assert code == 0
    codes = [line.split()[0] for line in out.partition("exit codes:\n")[2].splitlines()]
    assert codes == ["0", "2", "3", "4", "5", "143"]
