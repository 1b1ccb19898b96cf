"""Which executor runs the jobs of a local cloud."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local_batch.executors.image_store import ImageStore
from local_batch.executors.work import Executor, Reporter
from local_batch.host.mpi_choice import host_programs
from local_batch.host.state_directory import StateDirectory

PROCESS: Final = "process"
CONTAINER: Final = "container"


def job_executor(
    kind: str,
    directory: StateDirectory,
    reporter: Reporter,
    *,
    images: Sequence[Path],
    base_image: str | None,
    mpi: str | None,
) -> Executor:
    """The executor of that kind, on images of the folders in `images`; what a killed server left is ended first.

    Raises EngineError where containers are asked for and no engine is to be had, MpiChoiceError where processes are to
    find an MPI that is not here.
    """
    store = ImageStore(roots=[root.absolute() for root in images], store=directory.images)
    # Each is imported where it is chosen: the other's start-up time and dependencies are not paid for.
    if kind == CONTAINER:
        from local_batch.executors.container import ContainerExecutor  # noqa: PLC0415

        return ContainerExecutor(
            images=store, state=directory.path, reporter=reporter, base_image=base_image, environment=os.environ
        )
    from local_batch.executors.leftovers import end_leftovers  # noqa: PLC0415
    from local_batch.executors.process import ProcessExecutor  # noqa: PLC0415

    programs = host_programs(
        mpi,
        python_bin=Path(sys.executable).parent,
        search_path=os.environ.get("PATH", ""),
        directory=directory.mpi,
    )
    end_leftovers(directory.jobs)
    return ProcessExecutor(images=store, jobs_dir=directory.jobs, reporter=reporter, programs=programs)
