"""Stand in for a real task: read what it would read, take the time that it would take, write what it would write."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

MAX_SECONDS = 14 * 86400
"""The longest that a Fargate job may take: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html"""

MAX_WRITE_BYTES = 1 << 30
"""They are held in memory."""

EXIT_NO_INPUT = 3
EXIT_STORE = 4
EXIT_SIGTERM = 143

EXIT_CODES = """\
exit codes, besides that of --exit-code:
  0    all is read, done and written
  2    an argument or variable is missing or wrong
  3    an object to read is not there
  4    the bucket could not be read or written: refused, absent or out of reach
  143  stopped by SIGTERM
"""


class ObjectStore(Protocol):
    """The calls of S3's client that this program makes."""

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> Any:  # noqa: N803 - S3's names
        """The first keys that begin with `Prefix`, in order."""

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803 - S3's names
        """One object, with its content to read from `Body`."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> Any:  # noqa: N803 - S3's names
        """Write one object."""


class AbsentError(Exception):
    """An object to read is not there."""


def duration(text: str) -> float:
    """The number of seconds that `text` names."""
    digits = text.replace(".", "", 1)
    if not digits.isascii() or not digits.isdigit() or float(text) > MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"seconds, 0 to {MAX_SECONDS}, got {text!r}; for instance 1.5")
    return float(text)


def exit_code(text: str) -> int:
    """The exit code that `text` names."""
    if not text.isascii() or not text.isdigit() or int(text) > 255:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to 255, got {text!r}; for instance 1")
    return int(text)


def new_object(text: str) -> tuple[str, int]:
    """Key and size of the object that `text` names."""
    key, equals, size = text.rpartition("=")
    if not key or not equals or not size.isascii() or not size.isdigit() or int(size) > MAX_WRITE_BYTES:
        raise argparse.ArgumentTypeError(
            f"KEY=BYTES with up to {MAX_WRITE_BYTES} bytes, got {text!r}; for instance results/a=1024"
        )
    return key, int(size)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """The options; exits with 2 and a message where one is missing or wrong."""
    parser = argparse.ArgumentParser(
        prog="standin",
        description="Stand in for a real task: read objects, sleep or compute, write objects.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--seconds",
        type=duration,
        default=0.0,
        metavar="S",
        help=f"how long it takes between reading and writing, 0 to {MAX_SECONDS} (default 0)",
    )
    parser.add_argument("--cpu", action="store_true", help="compute for as many CPU seconds, on one core, not sleep")
    parser.add_argument(
        "--read", action="extend", nargs="+", default=[], metavar="KEY", help="objects that must be there; repeatable"
    )
    parser.add_argument(
        "--write",
        action="extend",
        nargs="+",
        default=[],
        type=new_object,
        metavar="KEY=BYTES",
        help=f"objects of that many bytes, up to {MAX_WRITE_BYTES}; repeatable",
    )
    parser.add_argument(
        "--exit-code", type=exit_code, default=0, metavar="N", help="how to end, 0 to 255 (default %(default)s)"
    )
    parser.add_argument("--bucket", default=environment.get("RESULTS_BUCKET"), help="bucket (default: $RESULTS_BUCKET)")
    options = parser.parse_args(arguments)
    if (options.read or options.write) and not options.bucket:
        parser.error("--bucket: names the bucket to read and write, got none; give it, or set RESULTS_BUCKET")
    return options


def read(store: ObjectStore, bucket: str, key: str) -> int:
    """The size of an object, all of which was read. Raises AbsentError.

    By listing first: a role that may list only under a prefix gets 403, not 404, for an object that is absent.
    """
    listing = store.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    if not any(entry["Key"] == key for entry in listing.get("Contents", ())):
        raise AbsentError(f"s3://{bucket}/{key}: is not there")
    return len(store.get_object(Bucket=bucket, Key=key)["Body"].read())


def compute(seconds: float, clock: Callable[[], float] = time.process_time) -> None:
    """Keep one core busy until that many seconds of its time are used."""
    end = clock() + seconds
    while clock() < end:
        sum(range(10_000))


def work(options: argparse.Namespace) -> None:
    """Take the time."""
    if options.cpu:
        compute(options.seconds)
    else:
        time.sleep(options.seconds)
    print(f"{'computed' if options.cpu else 'slept'} for {options.seconds:g} s")


def run_with_objects(options: argparse.Namespace, connect: Callable[[], ObjectStore]) -> int:
    """Read, work, write; the exit code."""
    # Imported here because it takes half a second, which a task without objects does not wait for.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

    try:
        store = connect()
        for key in options.read:
            print(f"read s3://{options.bucket}/{key}: {read(store, options.bucket, key)} bytes")
        work(options)
        for key, size in options.write:
            content = bytes(size)
            store.put_object(Bucket=options.bucket, Key=key, Body=content, ContentType="application/octet-stream")
            print(f"wrote s3://{options.bucket}/{key}: {size} bytes")
    except AbsentError as error:
        print(f"standin: {error}", file=sys.stderr)
        return EXIT_NO_INPUT
    except (BotoCoreError, ClientError) as error:
        print(f"standin: s3://{options.bucket}: could not be read or written: {error}", file=sys.stderr)
        return EXIT_STORE
    return int(options.exit_code)


def run(options: argparse.Namespace, connect: Callable[[], ObjectStore]) -> int:
    """What was asked for; the exit code. `connect` is called where objects are."""
    if options.read or options.write:
        return run_with_objects(options, connect)
    work(options)
    return int(options.exit_code)


def s3_client() -> ObjectStore:
    """S3, reached as whatever role or profile the SDK finds; one call gives up after a minute or so."""
    import boto3  # noqa: PLC0415 - as above
    from botocore.config import Config  # noqa: PLC0415 - as above

    store: ObjectStore = boto3.client(
        "s3", config=Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
    )
    return store


def stop(*_signal: object) -> NoReturn:
    """Leave at once: Batch kills what is still there 30 seconds after SIGTERM."""
    os.write(2, b"standin: stopped by SIGTERM\n")  # not print, which the signal may have interrupted
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
