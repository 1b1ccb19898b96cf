"""How the stack's secret leaves this container's processes before anything else happens.

Batch puts it into the environment of the first process, where whoever runs in the container could read it. So the
first thing this program does is to derive the job's key and to begin again without the secret: what is left to find is
worth nothing beyond the job.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

from mpi_bringup.keys import KEY_BYTES, JobKeys, job_key

SECRET_VARIABLE = "MPI_BRINGUP_SECRET"  # noqa: S105 - its name
KEY_VARIABLE = "MPI_JOB_KEY_DESCRIPTOR"


class NoSecretError(Exception):
    """Several nodes have nothing in common to know each other by."""


def sealed_keys(environment: MutableMapping[str, str]) -> JobKeys:
    """The job's keys; this process's environment does not hold the secret, and never did. Raises NoSecretError."""
    job_id = environment.get("AWS_BATCH_JOB_ID", "none").partition("#")[0]
    descriptor = environment.pop(KEY_VARIABLE, None)
    if descriptor is not None:
        with os.fdopen(int(descriptor), "rb") as opened:
            return JobKeys(opened.read(KEY_BYTES), job_id)
    secret = environment.pop(SECRET_VARIABLE, None)
    if not secret:
        if environment.get("AWS_BATCH_JOB_NUM_NODES", "1") != "1":
            raise NoSecretError(
                f"{SECRET_VARIABLE}: several nodes know each other by a secret, got none; give the job definition one "
                "(secrets)"
            )
        return JobKeys(os.urandom(KEY_BYTES), job_id)
    file = os.memfd_create("mpi-job-key", 0)
    os.write(file, job_key(secret.encode(), job_id))
    os.lseek(file, 0, os.SEEK_SET)
    environment[KEY_VARIABLE] = str(file)
    return os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(environment))  # noqa: S606 - this program
