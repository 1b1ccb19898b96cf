"""Where a node begins."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from mpi_bringup import exits
from mpi_bringup.sealing import NoSecretError, sealed_keys

DIRECTORY_NAME = "mpi-job"
"""Of the bring-up's own directory, the same on every node: Open MPI goes where its mpirun is."""


def main() -> int:
    """The exit code of this node; of the main one it is the job's."""
    # The kernel keeps signals without a handler from a container's first process: until there is more to end.
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(exits.SIGNALLED + number))
    try:
        # Before anything else is loaded: this may begin the program again.
        keys = sealed_keys(os.environ)
    except NoSecretError as error:
        return _refused(str(error))
    from mpi_bringup.node import NodeError, this_node  # noqa: PLC0415
    from mpi_bringup.options import OptionsError, parsed  # noqa: PLC0415
    from mpi_bringup.peers import PortsTakenError  # noqa: PLC0415
    from mpi_bringup.remains import end_remains  # noqa: PLC0415
    from mpi_bringup.services import ServiceError  # noqa: PLC0415

    environment = dict(os.environ)
    try:
        options = parsed(sys.argv[1:], environment)
        node = this_node(environment)
    except (OptionsError, NodeError) as error:
        return _refused(str(error))
    directory = _own_directory()
    try:
        if node.is_main:
            from mpi_bringup.main_shell import MainShell  # noqa: PLC0415

            return MainShell(node=node, keys=keys, options=options, environment=environment, directory=directory).run()
        from mpi_bringup.other_shell import OtherShell  # noqa: PLC0415

        return OtherShell(node=node, keys=keys, options=options, environment=environment, directory=directory).run()
    except (ServiceError, NodeError) as error:
        return _refused(str(error))
    except PortsTakenError as error:
        return _refused(str(error), exits.NODES_MISSING)
    finally:
        end_remains(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _own_directory() -> Path:
    """The usual one, which in a container is nobody else's; another where it is there already."""
    wanted = Path(tempfile.gettempdir()) / DIRECTORY_NAME
    try:
        wanted.mkdir(mode=0o700)
    except FileExistsError:
        return Path(tempfile.mkdtemp(prefix=f"{DIRECTORY_NAME}-"))
    return wanted


def _refused(text: str, exit_code: int = exits.WRONG_INPUT) -> int:
    sys.stderr.write(f"mpi: {text}\n")
    return exit_code
