"""From work to a running process."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from local_batch.executors.attempt_root import AttemptRoot
from local_batch.executors.errors import CannotCreateContainerError, CannotStartContainerError
from local_batch.executors.gpu_pool import GpuPool
from local_batch.executors.image import Image
from local_batch.executors.marker import MARKER_VARIABLE, attempt_marker
from local_batch.executors.recipe import Launch, Recipe
from local_batch.executors.root_pool import RootPool
from local_batch.executors.running_attempt import RunningAttempt
from local_batch.executors.spawn import spawn
from local_batch.executors.work import AttemptWork

_SPAWN_FIXES = {
    errno.EINVAL: "correct the command or the environment",
    errno.ENOENT: "the interpreter that its first line names is not on this machine",
    errno.ENOEXEC: "begin the script with #! and its interpreter, or build it for this machine",
    errno.E2BIG: "pass less in the command and the environment",
}


class OutOfDescriptorsError(Exception):
    """So much runs that this process can open no more: try again when something has ended."""


class AttemptStarter:
    """Starts attempts, each in a root of its own."""

    def __init__(self, *, pool: RootPool, token: str, python_bin: Path) -> None:
        """`token` marks the attempts' processes; `python_bin` holds the `python` that they find."""
        self._pool = pool
        self._token = token
        self._python_bin = python_bin
        self._recipes: dict[str, Recipe] = {}
        self._gpus = GpuPool()

    def add_image(self, tag: str, image: Image) -> None:
        """Known from now on as what work names `…:tag`."""
        self._recipes[tag] = Recipe(image, self._python_bin)

    def is_quick(self, work: AttemptWork) -> bool:
        """Whether making its root takes no time to speak of."""
        return self._recipe(work).layout.is_quick

    def make_root(self, work: AttemptWork) -> AttemptRoot:
        """The root that `start` needs; other threads may make it too. Raises ContainerError."""
        try:
            return self._pool.take(self._recipe(work).layout)
        except OSError as error:
            raise CannotCreateContainerError(f"{error.filename}: {error.strerror}; free it and try again") from error

    def start(self, work: AttemptWork, root: AttemptRoot) -> RunningAttempt:
        """Start its process. Raises ContainerError, OutOfDescriptorsError; then the root is free again."""
        gpus = self._gpus.take(work.gpus) if work.gpus else ()
        marker = attempt_marker(work.job_id, work.attempt, self._token)
        extra = {MARKER_VARIABLE: marker}
        if gpus:
            # ECS tells the NVIDIA runtime by the first which GPUs to let the container see; without that runtime it is
            # CUDA that has to be told.
            extra["NVIDIA_VISIBLE_DEVICES"] = extra["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
        try:
            pid, output = self._spawned(work, root, extra)
        except BaseException:
            self._gpus.give_back(gpus)
            self._pool.put_back(root)
            raise
        return RunningAttempt(work, root, marker, pid, output, gpus=gpus)

    def end(self, attempt: RunningAttempt, *, is_kept: bool) -> None:
        """Nothing of it runs any more. A root that is kept can be looked into."""
        self._gpus.give_back(attempt.gpus)
        if is_kept:
            self._pool.link(attempt.root, *attempt.key)
        else:
            self._pool.put_back(attempt.root)

    def _recipe(self, work: AttemptWork) -> Recipe:
        return self._recipes[work.image.rpartition(":")[2]]

    def _spawned(self, work: AttemptWork, root: AttemptRoot, extra: Mapping[str, str]) -> tuple[int, int]:
        recipe = self._recipe(work)
        launch = recipe.launch(root.directory, work, extra)
        try:
            output, inlet = os.pipe()
        except OSError as error:
            raise OutOfDescriptorsError(str(error)) from error
        try:
            try:
                pid = _spawn(launch, inlet)
            except FileNotFoundError:
                recipe.forget_programs()
                launch = recipe.launch(root.directory, work, extra)
                pid = _spawn(launch, inlet)
        except (OSError, ValueError) as error:
            os.close(output)
            raise _start_error(launch, error) from error
        finally:
            os.close(inlet)
        os.set_blocking(output, False)
        return pid, output


def _spawn(launch: Launch, inlet: int) -> int:
    return spawn(launch.program, launch.argv, launch.environment, launch.directory, {1: inlet, 2: inlet})


def _start_error(launch: Launch, error: OSError | ValueError) -> CannotStartContainerError:
    if isinstance(error, OSError):
        number = error.errno or errno.EINVAL
        text = os.strerror(number).lower()
    else:
        number = errno.EINVAL
        text = f"a string of a process holds no NUL byte and no half of a character, got {error}"
    fix = _SPAWN_FIXES.get(number, "free the resource and try again")
    return CannotStartContainerError(f'exec: "{launch.argv[0]}": {text}; {fix}')
