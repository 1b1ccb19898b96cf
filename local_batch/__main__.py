"""`python -m local_batch serve`: the server in the foreground. `hpc local up` starts the same in the background.

Exit codes: 0 stopped when asked, 1 an error of the server, 2 it cannot start with what it was given.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
from pathlib import Path

_CONTAINERS = Path(__file__).resolve().parent.parent / "containers"


def main(arguments: list[str]) -> int:
    """Run the command; the process's exit code."""
    options = _options(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s [%(name)s] %(message)s")
    # Imported after the arguments are known to be good: the server's imports take half a second.
    from local_batch.executors.errors import EngineError  # noqa: PLC0415
    from local_batch.host.mpi_choice import MpiChoiceError  # noqa: PLC0415
    from local_batch.host.seams import SeamError  # noqa: PLC0415
    from local_batch.host.server import ServerOptions, serve  # noqa: PLC0415
    from local_batch.host.state_directory import StateDirectoryError  # noqa: PLC0415
    from local_batch.journal import JournalError  # noqa: PLC0415

    try:
        serve(
            ServerOptions(
                state=options.state,
                port=options.port,
                images=tuple(options.images or [_CONTAINERS]),
                vcpus=options.vcpus,
                memory_mib=options.memory_mib,
                gpus=options.gpus,
                executor=options.executor,
                base_image=options.base_image,
                mpi=options.mpi,
                enforce_iam=options.enforce_iam,
            )
        )
    except (StateDirectoryError, JournalError, SeamError, EngineError, MpiChoiceError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.executor == "container":
        options.base_image = options.base_image or os.environ.get("HPC_BASE_IMAGE") or None
        if options.mpi is not None:
            parser.error("argument --mpi: goes with --executor process, containers have their image's; leave it out")
    elif options.base_image is not None:
        parser.error("argument --base-image: goes with --executor container; add that, or leave it out")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_batch", description="AWS Batch on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="answer on a loopback port until SIGTERM or Ctrl-C")
    serve.add_argument("--state", type=Path, required=True, metavar="DIR", help="state directory; made where missing")
    serve.add_argument("--port", type=_port, default=0, help="0 to 65535; 0, the default: the last start's, else free")
    serve.add_argument(
        "--images",
        type=Path,
        action="append",
        metavar="DIR",
        help="folder of image folders; repeatable; default: containers/ of the checkout",
    )
    serve.add_argument("--vcpus", type=_positive_float, metavar="N", help="vCPUs for jobs; default: this machine's")
    serve.add_argument("--memory-mib", type=_positive_int, metavar="N", help="MiB for jobs; default: this machine's")
    serve.add_argument("--gpus", type=_whole, metavar="N", help="GPUs for jobs; default: this machine's NVIDIA devices")
    serve.add_argument(
        "--executor", choices=["process", "container"], default="process", help="how jobs run; default: process"
    )
    serve.add_argument(
        "--base-image",
        metavar="IMAGE",
        help="containers: base in place of the Dockerfiles' own (ARG BASE_IMAGE); default: HPC_BASE_IMAGE, else theirs",
    )
    serve.add_argument(
        "--mpi",
        choices=["mpich", "openmpi", "system"],
        help="MPI that processes find; default: mpich; system: the first mpiexec on PATH outside the checkout",
    )
    serve.add_argument(
        "--enforce-iam",
        action="store_true",
        help="let IAM policies decide on every request, jobs' ones with their roles; default: all keys may everything",
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535, got {text!r}")
    return port


def _positive_float(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"a finite number above 0, got {text!r}")
    return number


def _positive_int(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"a whole number above 0, got {text!r}")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"a whole number from 0, got {text!r}")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
