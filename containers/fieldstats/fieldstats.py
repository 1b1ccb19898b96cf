"""Statistics of a field that lies in bands of rows: of each band, and of all of them together."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any, NoReturn, Protocol

EXIT_NO_INPUT = 3
EXIT_STORE = 4
EXIT_WRONG_NUMBERS = 5
EXIT_SIGTERM = 143

EXIT_CODES = """\
exit codes:
  0    the statistics are in the bucket
  2    an argument or variable is missing or wrong
  3    an input object is not there
  4    the bucket could not be read or written: refused, absent or out of reach
  5    an input holds no field, or the numbers of the bands do not fit together
  143  stopped by SIGTERM
"""

TOLERANCE = 1e-9
"""Relative error that sums of rounded numbers may have."""


class ObjectStore(Protocol):
    """The calls of S3's client that this program makes."""

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> Any:  # noqa: N803 - S3's names
        """The first keys that begin with `Prefix`, in order."""

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803 - S3's names
        """One object, with its content to read from `Body`."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> Any:  # noqa: N803 - S3's names
        """Write one object."""


class NumbersError(Exception):
    """An input is not what it should be; the text says which and why."""


class AbsentError(Exception):
    """An input object is not there."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Of a band, or of a field."""

    rows: int
    columns: int
    count: int
    min: float
    max: float
    sum: float
    sum_of_squares: float

    def problem(self) -> str | None:
        """Why no numbers can have these statistics; None where some have."""
        if self.count != self.rows * self.columns or self.count < 1:
            return f"count is rows times columns, got {self.count} of {self.rows} by {self.columns}"
        if not all(map(math.isfinite, (self.min, self.max, self.sum, self.sum_of_squares))):
            return "all numbers are finite, got others"
        mean = self.sum / self.count
        slack = TOLERANCE * max(abs(self.min), abs(self.max))
        if not self.min - slack <= mean <= self.max + slack:
            return f"the mean lies between min and max, got {mean!r} for {self.min!r} and {self.max!r}"
        if self.sum_of_squares * (1 + TOLERANCE) < self.sum * mean:
            return f"squares add up to {self.sum * mean!r} at least, got {self.sum_of_squares!r}"
        if self.sum_of_squares > self.count * max(self.min**2, self.max**2) * (1 + TOLERANCE):
            return f"no square is larger than that of min or max, got {self.sum_of_squares!r} for all of them"
        return None


def of_band(text: str, source: str) -> Statistics:
    """The statistics of rows of comma-separated numbers. Raises NumbersError for anything else."""
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            rows.append([float(cell) for cell in line.split(",")])
        except ValueError:
            raise NumbersError(f"{source}:{number}: is a row of numbers and commas, got {line[:60]!r}") from None
        if len(rows[-1]) != len(rows[0]):
            raise NumbersError(
                f"{source}:{number}: has {len(rows[0])} columns as the first row has, got {len(rows[-1])}"
            )
    if not rows:
        raise NumbersError(f"{source}: holds rows of numbers, got none")
    cells = [cell for row in rows for cell in row]
    found = Statistics(
        rows=len(rows),
        columns=len(rows[0]),
        count=len(cells),
        min=min(cells),
        max=max(cells),
        # Exactly rounded: the order of the cells, and so the number of bands, does not matter.
        sum=math.fsum(cells),
        sum_of_squares=math.fsum(cell * cell for cell in cells),
    )
    problem = found.problem()
    if problem:
        raise NumbersError(f"{source}: {problem}")
    return found


def from_document(text: str, source: str) -> Statistics:
    """The statistics that `band` wrote. Raises NumbersError where they are none, or contradict one another."""
    try:
        document = json.loads(text)
        whole = {key: int(document[key]) for key in ("rows", "columns", "count")}
        real = {key: float(document[key]) for key in ("min", "max", "sum", "sum_of_squares")}
        found = Statistics(**whole, **real)  # type: ignore[arg-type]
    except (ValueError, KeyError, TypeError) as error:
        raise NumbersError(f"{source}: is what `fieldstats.py band` writes, got another text ({error!r})") from None
    problem = found.problem()
    if problem:
        raise NumbersError(f"{source}: {problem}")
    return found


def merged(bands: Mapping[str, Statistics], expected_count: int | None) -> Statistics:
    """Of all bands together. Raises NumbersError where they are not bands of one field."""
    columns = {band.columns for band in bands.values()}
    if len(columns) > 1:
        widths = ", ".join(f"{key}: {band.columns}" for key, band in bands.items())
        raise NumbersError(f"bands of a field have the same columns, got {widths}")
    together = Statistics(
        rows=sum(band.rows for band in bands.values()),
        columns=columns.pop(),
        count=sum(band.count for band in bands.values()),
        min=min(band.min for band in bands.values()),
        max=max(band.max for band in bands.values()),
        sum=math.fsum(band.sum for band in bands.values()),
        sum_of_squares=math.fsum(band.sum_of_squares for band in bands.values()),
    )
    if expected_count is not None and together.count != expected_count:
        raise NumbersError(f"the field has {expected_count} points, got {together.count} in {len(bands)} bands")
    problem = together.problem()
    if problem:
        raise NumbersError(f"all bands together: {problem}")
    return together


def report(found: Statistics) -> str:
    """The statistics as a JSON document, with what follows from them."""
    mean = found.sum / found.count
    rms = math.sqrt(found.sum_of_squares / found.count)
    return json.dumps({**asdict(found), "mean": mean, "rms": rms}, indent=2) + "\n"


def read(store: ObjectStore, bucket: str, key: str) -> str:
    """An object's text. Raises AbsentError.

    By listing first: a role that may list only under a prefix gets 403, not 404, for an object that is absent.
    """
    listing = store.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    if not any(entry["Key"] == key for entry in listing.get("Contents", ())):
        raise AbsentError(f"s3://{bucket}/{key}: is not there")
    content: bytes = store.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content.decode(errors="replace")


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """The options; exits with 2 and a message where one is missing or wrong."""
    parser = argparse.ArgumentParser(
        prog="fieldstats",
        description="Statistics of a field that lies in bands of rows, as objects in a bucket.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    steps = parser.add_subparsers(dest="step", required=True, metavar="band|merge")
    band = steps.add_parser("band", help="of one band: rows of comma-separated numbers", allow_abbrev=False)
    band.add_argument("--input-key", dest="input_keys", action="append", required=True, help="key of the band")
    merge = steps.add_parser("merge", help="of all bands, from what `band` wrote", allow_abbrev=False)
    merge.add_argument(
        "--input-key", dest="input_keys", action="append", required=True, help="key of a band's statistics; repeatable"
    )
    merge.add_argument(
        "--expected-count", type=int, metavar="N", help="points of the field; anything else is exit code 5"
    )
    for step in (band, merge):
        step.add_argument("--key", required=True, help="key to write")
        step.add_argument(
            "--bucket", default=environment.get("RESULTS_BUCKET"), help="bucket (default: $RESULTS_BUCKET)"
        )
    options = parser.parse_args(arguments)
    if not options.bucket:
        parser.error("--bucket: names the bucket to read and write, got none; give it, or set RESULTS_BUCKET")
    if options.key in options.input_keys:
        parser.error(f"--key: another object than --input-key, got {options.key!r} for both; change one")
    if len(set(options.input_keys)) < len(options.input_keys):
        parser.error("--input-key: each band once, got one twice; remove one")
    if options.step == "band" and len(options.input_keys) > 1:
        parser.error("--input-key: one band at a time, got several; use merge for what band wrote of them")
    return options


def statistics(options: argparse.Namespace, store: ObjectStore) -> Statistics:
    """What was asked for. Raises AbsentError and NumbersError."""
    texts = {key: read(store, options.bucket, key) for key in options.input_keys}
    if options.step == "band":
        ((key, text),) = texts.items()
        return of_band(text, key)
    return merged({key: from_document(text, key) for key, text in texts.items()}, options.expected_count)


def run(options: argparse.Namespace, connect: Callable[[], ObjectStore]) -> int:
    """Read, compute, write; the exit code."""
    # Imported here because it takes half a second; a wrong argument does not wait for it.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

    try:
        store = connect()
        text = report(statistics(options, store))
        store.put_object(Bucket=options.bucket, Key=options.key, Body=text.encode(), ContentType="application/json")
    except AbsentError as error:
        print(f"fieldstats: {error}", file=sys.stderr)
        return EXIT_NO_INPUT
    except NumbersError as error:
        print(f"fieldstats: {error}", file=sys.stderr)
        return EXIT_WRONG_NUMBERS
    except (BotoCoreError, ClientError) as error:
        print(f"fieldstats: s3://{options.bucket}: could not be read or written: {error}", file=sys.stderr)
        return EXIT_STORE
    print(text, end="")
    print(f"wrote s3://{options.bucket}/{options.key}")
    return 0


def s3_client() -> ObjectStore:
    """S3, reached as whatever role or profile the SDK finds; one call gives up after a minute or so."""
    import boto3  # noqa: PLC0415 - as above
    from botocore.config import Config  # noqa: PLC0415 - as above

    store: ObjectStore = boto3.client(
        "s3", config=Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
    )
    return store


def stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave at once: Batch kills what is still there 30 seconds after SIGTERM."""
    del signum, frame
    os.write(2, b"fieldstats: stopped by SIGTERM\n")  # not print, which the signal may have interrupted
    os._exit(EXIT_SIGTERM)  # not an exception, which a callback of a library may swallow


def main() -> int:
    """The program; its exit code."""
    signal.signal(signal.SIGTERM, stop)
    # A log shows each line when it is printed, also through a pipe.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    return run(parse(sys.argv[1:], os.environ), s3_client)


if __name__ == "__main__":
    sys.exit(main())
