"""Wait for an object, extend its text by a line and leave the result in another object."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn, Protocol

DEFAULT_WAIT_SECONDS = 120
MAX_WAIT_SECONDS = 86_400
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0

EXIT_NO_INPUT = 3
EXIT_STORE = 4
EXIT_SIGTERM = 143

EXIT_CODES = """\
exit codes:
  0    the extended object is in the bucket
  2    an argument or variable is missing or wrong
  3    the input object did not appear in time
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


def wait_for(
    appeared: Callable[[], bool],
    limit_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether `appeared` came true within the limit; asked at once, then after pauses that double up to a bound."""
    deadline = clock() + limit_seconds
    pause = FIRST_PAUSE_SECONDS
    while not appeared():
        left = deadline - clock()
        if left <= 0:
            return False
        sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    return True


def exists(store: ObjectStore, bucket: str, key: str) -> bool:
    """Whether the object is there.

    By listing: a role that may list only under a prefix gets 403, not 404, when it asks for an absent object, which
    would look like a refusal.
    """
    listing = store.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(entry["Key"] == key for entry in listing.get("Contents", ()))


def extended(text: str, name: str, source: str) -> str:
    """`text` with a last line that says who extended it and where it came from."""
    separator = "" if text.endswith("\n") or not text else "\n"
    return f"{text}{separator}{name}: extended {source}\n"


def wait_limit(text: str) -> float:
    """The number of seconds that `text` names."""
    if not text.isascii() or not text.isdigit() or int(text) > MAX_WAIT_SECONDS:
        message = (
            f"a whole number of seconds, 0 to {MAX_WAIT_SECONDS}, got {text!r}; for instance {DEFAULT_WAIT_SECONDS}"
        )
        raise argparse.ArgumentTypeError(message)
    return float(text)


def default_key(environment: Mapping[str, str]) -> str | None:
    """The key of a job that was given none: its id under the results prefix; None outside Batch."""
    job_id = environment.get("AWS_BATCH_JOB_ID")
    return f"{environment.get('RESULTS_PREFIX', '')}{job_id}.txt" if job_id else None


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """The options; exits with 2 and a message where one is missing or wrong."""
    parser = argparse.ArgumentParser(
        prog="dopisecond",
        description="Wait for an S3 object, extend its text by a line and write the result to another object.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--input-key", required=True, help="key of the object to extend")
    parser.add_argument(
        "--key", default=default_key(environment), help="key to write (default: $RESULTS_PREFIX$AWS_BATCH_JOB_ID.txt)"
    )
    parser.add_argument("--bucket", default=environment.get("RESULTS_BUCKET"), help="bucket (default: $RESULTS_BUCKET)")
    parser.add_argument(
        "--name", default="dopisecond", help="who the added line says extended it (default %(default)s)"
    )
    parser.add_argument(
        "--wait-seconds",
        type=wait_limit,
        default=float(DEFAULT_WAIT_SECONDS),
        metavar="S",
        help=f"longest wait for the input, 0 to {MAX_WAIT_SECONDS} (default {DEFAULT_WAIT_SECONDS})",
    )
    options = parser.parse_args(arguments)
    if not options.bucket:
        parser.error("--bucket: names the bucket to read and write, got none; give it, or set RESULTS_BUCKET")
    if not options.key:
        parser.error("--key: names the object to write, got none; give it, or set AWS_BATCH_JOB_ID")
    if options.key == options.input_key:
        parser.error(f"--key: another object than --input-key, got {options.key!r} for both; change one")
    return options


def run(options: argparse.Namespace, connect: Callable[[], ObjectStore]) -> int:
    """Wait, read, extend, write; the exit code."""
    # Imported here because it takes half a second; a wrong argument does not wait for it.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see above

    source = f"s3://{options.bucket}/{options.input_key}"
    try:
        store = connect()
        if not wait_for(lambda: exists(store, options.bucket, options.input_key), options.wait_seconds):
            print(f"dopisecond: {source}: did not appear within {options.wait_seconds:g} s", file=sys.stderr)
            return EXIT_NO_INPUT
        text = store.get_object(Bucket=options.bucket, Key=options.input_key)["Body"].read().decode(errors="replace")
        result = extended(text, options.name, source)
        store.put_object(
            Bucket=options.bucket, Key=options.key, Body=result.encode(), ContentType="text/plain; charset=utf-8"
        )
    except (BotoCoreError, ClientError) as error:
        print(f"dopisecond: s3://{options.bucket}: could not be read or written: {error}", file=sys.stderr)
        return EXIT_STORE
    print(result, end="")
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
    os.write(2, b"dopisecond: stopped by SIGTERM\n")  # not print, which the signal may have interrupted
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
