"""Estimate pi by throwing points at a square, print the estimate and leave it in a bucket.

The share of uniformly distributed points that fall into the quarter circle estimates pi / 4; its standard error is
that of a binomial proportion.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn, Protocol

import numpy as np

DEFAULT_POINTS = 100_000
MAX_POINTS = 10_000_000_000
CHUNK_POINTS = 1 << 16
"""Points held in memory at a time, whatever their number: 2 MiB, which stay in the processor's cache."""

EXIT_STORE = 4
EXIT_SIGTERM = 143

EXIT_CODES = """\
exit codes:
  0    the estimate is printed and in the bucket
  2    an argument or variable is missing or wrong
  4    the bucket could not be written: refused, absent or out of reach
  143  stopped by SIGTERM
"""


class ObjectStore(Protocol):
    """The call of S3's client that this program makes."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> Any:  # noqa: N803 - S3's names
        """Write one object."""


def estimate_pi(points: int, rng: np.random.Generator) -> tuple[float, float]:
    """The estimate of pi from `points` random points, and its standard error."""
    inside = 0
    for start in range(0, points, CHUNK_POINTS):
        x, y = rng.random((2, min(CHUNK_POINTS, points - start)))
        inside += int(np.count_nonzero(x * x + y * y < 1.0))
    share = inside / points
    return 4.0 * share, 4.0 * math.sqrt(share * (1.0 - share) / points)


def estimate_line(points: int, estimate: float, standard_error: float) -> str:
    """The line that is printed and stored."""
    return f"pi estimate: {estimate:.8f} ({points} points, standard error {standard_error:.8f})"


def point_count(text: str) -> int:
    """The number of points that `text` names."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_POINTS:
        message = f"a whole number from 1 to {MAX_POINTS}, got {text!r}; for instance {DEFAULT_POINTS}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def seed_value(text: str) -> int:
    """The seed that `text` names."""
    if not text.isascii() or not text.isdigit():
        message = f"a whole number that is not negative, got {text!r}; leave it out for a seed from the system"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def default_key(environment: Mapping[str, str]) -> str | None:
    """The key of a job that was given none: its id under the results prefix; None outside Batch."""
    job_id = environment.get("AWS_BATCH_JOB_ID")
    return f"{environment.get('RESULTS_PREFIX', '')}{job_id}.txt" if job_id else None


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """The options; exits with 2 and a message where one is missing or wrong."""
    parser = argparse.ArgumentParser(
        prog="dopi",
        description="Estimate pi with random points, print the estimate and write it to an S3 object.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--points",
        type=point_count,
        default=DEFAULT_POINTS,
        metavar="N",
        help=f"points, 1 to {MAX_POINTS} (default %(default)s)",
    )
    parser.add_argument("--seed", type=seed_value, help="seed of the random points (default: from the system)")
    parser.add_argument("--bucket", default=environment.get("RESULTS_BUCKET"), help="bucket (default: $RESULTS_BUCKET)")
    parser.add_argument(
        "--key", default=default_key(environment), help="object key (default: $RESULTS_PREFIX$AWS_BATCH_JOB_ID.txt)"
    )
    options = parser.parse_args(arguments)
    if not options.bucket:
        parser.error("--bucket: names the bucket to write to, got none; give it, or set RESULTS_BUCKET")
    if not options.key:
        parser.error("--key: names the object to write, got none; give it, or set AWS_BATCH_JOB_ID")
    return options


def run(options: argparse.Namespace, connect: Callable[[], ObjectStore]) -> int:
    """Estimate, print, store; the exit code. `connect` is called once there is something to store."""
    estimate, standard_error = estimate_pi(options.points, np.random.default_rng(options.seed))
    text = estimate_line(options.points, estimate, standard_error)
    print(text)
    # Imported here because it takes longer than a small estimate; a wrong argument does not wait for it.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

    try:
        connect().put_object(
            Bucket=options.bucket, Key=options.key, Body=f"{text}\n".encode(), ContentType="text/plain; charset=utf-8"
        )
    except (BotoCoreError, ClientError) as error:
        print(f"dopi: s3://{options.bucket}/{options.key}: could not be written: {error}", file=sys.stderr)
        return EXIT_STORE
    print(f"wrote s3://{options.bucket}/{options.key}")
    return 0


def s3_client() -> ObjectStore:
    """S3, reached as whatever role or profile the SDK finds; gives up after a minute or so."""
    import boto3  # noqa: PLC0415 - as above
    from botocore.config import Config  # noqa: PLC0415 - as above

    store: ObjectStore = boto3.client(
        "s3", config=Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
    )
    return store


def stop(signum: int, frame: FrameType | None) -> NoReturn:
    """Leave at once: Batch kills what is still there 30 seconds after SIGTERM."""
    del signum, frame
    os.write(2, b"dopi: stopped by SIGTERM\n")  # not print, which the signal may have interrupted
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
