"""Starting a program in a directory, in a session of its own, without ever copying this process.

Theory of operation. os.posix_spawn is the fastest way to start a program, but cannot set the working directory, so that
of this process is set before each start: it is a process agent, whose working directory nobody else cares about.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

_RESET = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these, and a process starts with what its parent ignores."""

_FIRST_FREE = 5
"""Above those that `descriptors` of `spawn` name."""


def spawn(
    program: str,
    argv: tuple[str, ...],
    environment: Mapping[str, str],
    directory: str,
    descriptors: Mapping[int, int],
) -> int:
    """The pid of `program`, run in `directory` with our stdin, and each key of `descriptors` a copy of its value.

    It leads a session of its own. Raises OSError where the program cannot be executed, ValueError where a string cannot
    be passed: NUL bytes, lone surrogates.
    """
    os.chdir(directory)
    return os.posix_spawn(
        program,
        argv,
        environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, source, target) for target, source in descriptors.items()],
        setsid=True,
        setsigmask=(),
        setsigdef=_RESET,
    )


def set_up() -> None:
    """Once, before the first start: ignore and block nothing that whoever started this process did.

    The first descriptors are taken, so that none that is to be copied to one of them is itself one of them.
    """
    while (placeholder := os.open(os.devnull, os.O_RDONLY)) < _FIRST_FREE:
        pass
    os.close(placeholder)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, *_RESET}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
