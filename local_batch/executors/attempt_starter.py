"""From work to a running process."""

from __future__ import annotations

import errno
import marshal
import os
import resource

from local_batch.executors.attempt_options import AttemptOptions, Orders
from local_batch.executors.attempt_root import AttemptRoot
from local_batch.executors.errors import CannotCreateContainerError, CannotStartContainerError, quoted
from local_batch.executors.gpu_pool import GpuPool
from local_batch.executors.host_programs import HostPrograms
from local_batch.executors.image import Image
from local_batch.executors.marker import MARKER_VARIABLE, attempt_marker
from local_batch.executors.name_spaces import NameSpaces, spawn_launcher
from local_batch.executors.recipe import Launch, Recipe
from local_batch.executors.root_pool import RootPool
from local_batch.executors.running_attempt import RunningAttempt
from local_batch.executors.spawn import spawn
from local_batch.executors.work import AttemptWork

_SPAWN_FIXES = {
    errno.EINVAL: "correct the command or the environment",
    errno.EACCES: "make it and its directories accessible to the job's user",
    errno.ENOENT: "the interpreter that its first line names is not on this machine",
    errno.ENOEXEC: "begin the script with #! and its interpreter, or build it for this machine",
    errno.E2BIG: "pass less in the command and the environment",
}


NODE_LAUNCHER = "MPI_LAUNCHER"
"""Variable that tells a node how the programs of a job are started on the others: ssh where it is not there."""

SPARE_DESCRIPTORS = 8
"""Kept free of attempts' output, for looking at memory and orphans, for making roots, and for launchers."""


class OutOfDescriptorsError(Exception):
    """So much runs that this process can open no more: try again when something has ended."""


class AttemptStarter:
    """Starts attempts, each in a root of its own."""

    def __init__(self, *, pool: RootPool, name_spaces: NameSpaces, token: str, programs: HostPrograms) -> None:
        """`token` marks the attempts' processes; `programs` are what they find besides their images'."""
        self._pool = pool
        self._token = token
        self._programs = programs
        self._recipes: dict[str, Recipe] = {}
        self._gpus = GpuPool()
        self._options = AttemptOptions(name_spaces)

    def add_image(self, tag: str, image: Image) -> None:
        """Known from now on as what work names `…:tag`."""
        self._recipes[tag] = Recipe(image, self._programs)

    def is_slow(self, work: AttemptWork) -> bool:
        """Whether making its root may take long."""
        recipe = self._recipes.get(_tag(work))
        return recipe is not None and not recipe.layout.is_quick

    def make_root(self, work: AttemptWork) -> AttemptRoot:
        """The root that `start` needs; other threads may make it too. Raises ContainerError."""
        try:
            return self._pool.take(self._recipe(work).layout)
        except OSError as error:
            _check_descriptors(error)
            where = f"{error.filename}: " if error.filename else ""
            raise CannotCreateContainerError(f"{where}{error.strerror}; free it and try again") from error

    def start(self, work: AttemptWork, root: AttemptRoot) -> RunningAttempt:
        """Start its process. Raises ContainerError, OutOfDescriptorsError; then the root is free again."""
        gpus = self._gpus.take(work.gpus) if work.gpus else ()
        attempt = RunningAttempt(work, root, attempt_marker(work.job_id, work.attempt, self._token), gpus=gpus)
        try:
            orders = self._options.orders(work, root.directory)
            if orders is None:
                self._spawn_program(attempt)
            else:
                self._spawn_launcher(attempt, orders)
        except BaseException as error:
            self.end(attempt, is_kept=False)
            if isinstance(error, OSError):
                _check_descriptors(error)
            raise
        return attempt

    def start_failure(self, attempt: RunningAttempt, status: bytes) -> str:
        """Why its program was not executed, as its launcher has it."""
        step, what = marshal.loads(status)  # noqa: S302 - our own process wrote it
        if step == "execute":
            return _start_error(attempt.command, OSError(what, os.strerror(what))).reason
        return CannotStartContainerError(what).reason

    def end(self, attempt: RunningAttempt, *, is_kept: bool) -> None:
        """Nothing of it runs any more. A root that is kept can be looked into."""
        self._gpus.give_back(attempt.gpus)
        if is_kept:
            self._pool.link(attempt.root, *attempt.key)
        else:
            self._pool.put_back(attempt.root, attempt.began)

    def _recipe(self, work: AttemptWork) -> Recipe:
        return self._recipes[_tag(work)]

    def _launch(self, attempt: RunningAttempt) -> Launch:
        work = attempt.work
        extra = {MARKER_VARIABLE: attempt.marker}
        if attempt.gpus:
            # ECS tells the NVIDIA runtime by the first which GPUs to let the container see; without that runtime it is
            # CUDA that has to be told.
            extra["NVIDIA_VISIBLE_DEVICES"] = extra["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, attempt.gpus))
        if work.node is not None:
            extra["HOSTNAME"] = work.node.host_name
            # Nodes here have no sshd; the bring-up of MPI jobs (containers/mpi) has something in its place.
            extra[NODE_LAUNCHER] = "agent"
        launch = self._recipe(work).launch(attempt.root.directory, work, extra)
        attempt.command = launch.argv[0]
        return launch

    def _spawn_program(self, attempt: RunningAttempt) -> None:
        launch = self._launch(attempt)
        attempt.output, inlet = _pipe()
        try:
            try:
                attempt.pid = _spawned(launch, inlet)
            except (FileNotFoundError, PermissionError):
                # It may be somewhere else by now, or say better what is wrong.
                self._recipe(attempt.work).forget_programs()
                launch = self._launch(attempt)
                attempt.pid = _spawned(launch, inlet)
        except (OSError, ValueError) as error:
            os.close(attempt.output)
            raise _start_error(attempt.command, error) from error
        finally:
            os.close(inlet)

    def _spawn_launcher(self, attempt: RunningAttempt, orders: Orders) -> None:
        launch = self._launch(attempt)
        if orders["user"] is not None:
            attempt.root.open_to_everybody()
        orders |= {
            "program": launch.program,
            "argv": launch.argv,
            "environment": dict(launch.environment),
            "directory": launch.directory,
        }
        attempt.output, inlet = _pipe()
        try:
            attempt.pid, attempt.status = spawn_launcher(
                orders, environment={MARKER_VARIABLE: attempt.marker}, directory=attempt.root.directory, output=inlet
            )
        except OSError as error:
            os.close(attempt.output)
            _check_descriptors(error)
            raise _start_error(attempt.command, error) from error
        finally:
            os.close(inlet)


def _tag(work: AttemptWork) -> str:
    return work.image.rpartition(":")[2]


def _pipe() -> tuple[int, int]:
    try:
        output, inlet = os.pipe()
    except OSError as error:
        raise OutOfDescriptorsError(error.strerror) from error
    # The kernel gives the lowest number that is free.
    if inlet >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS:
        os.close(output)
        os.close(inlet)
        raise OutOfDescriptorsError(os.strerror(errno.EMFILE))
    os.set_blocking(output, False)
    return output, inlet


def _check_descriptors(error: OSError) -> None:
    """Raise OutOfDescriptorsError where it is about them."""
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        raise OutOfDescriptorsError(error.strerror) from error


def _spawned(launch: Launch, inlet: int) -> int:
    return spawn(launch.program, launch.argv, launch.environment, launch.directory, {1: inlet, 2: inlet})


def _start_error(command: str, error: OSError | ValueError) -> CannotStartContainerError:
    if isinstance(error, OSError):
        number = error.errno or errno.EINVAL
        text = os.strerror(number).lower()
    else:
        number = errno.EINVAL
        text = f"a string of a process holds no NUL byte and no half of a character, got {error}"
    fix = _SPAWN_FIXES.get(number, "free the resource and try again")
    return CannotStartContainerError(f"exec: {quoted(command)}: {text}; {fix}")
