"""Starting a program in a directory, in a session of its own, without ever copying this process.

Theory of operation. The server has threads and much memory, so fork() is out: it is unsafe with the first and slow
with the second. os.posix_spawn has neither problem but cannot set the working directory, and the directory of this
process belongs to all of its threads. The C library's posix_spawn can, by an extension that glibc (2.29), musl (1.1.24)
and macOS (10.15) share, so it is called directly.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping, Sequence

_LIBC = ctypes.CDLL(None, use_errno=True)

_OPAQUE_BYTES = 1024
"""Room for posix_spawnattr_t (336 bytes in glibc), posix_spawn_file_actions_t (80) or a sigset_t (128)."""

_CLOSE_FROM = getattr(_LIBC, "posix_spawn_file_actions_addclosefrom_np", None)
"""glibc 2.34: closes what this process was itself started with and never opened, and so never marked close-on-exec."""

_SETSIGDEF = 0x04
_SETSIGMASK = 0x08
_SETSID = 0x0400 if sys.platform == "darwin" else 0x80


def _checked(error: int) -> None:
    """posix_spawn and its kin return an errno rather than setting it."""
    if error:
        raise OSError(error, os.strerror(error))


def _attributes() -> ctypes.Array[ctypes.c_char]:
    """A session of its own; no signal blocked or ignored, whatever this process does with its signals."""
    attributes = ctypes.create_string_buffer(_OPAQUE_BYTES)
    every_signal = ctypes.create_string_buffer(_OPAQUE_BYTES)
    no_signal = ctypes.create_string_buffer(_OPAQUE_BYTES)
    _LIBC.sigfillset(every_signal)
    _LIBC.sigemptyset(no_signal)
    _checked(_LIBC.posix_spawnattr_init(attributes))
    _checked(_LIBC.posix_spawnattr_setsigdefault(attributes, every_signal))
    _checked(_LIBC.posix_spawnattr_setsigmask(attributes, no_signal))
    _checked(_LIBC.posix_spawnattr_setflags(attributes, ctypes.c_short(_SETSIGDEF | _SETSIGMASK | _SETSID)))
    return attributes


_ATTRIBUTES = _attributes()


def _c_strings(strings: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    encoded = [os.fsencode(text) for text in strings]
    for text in encoded:
        if b"\0" in text:
            raise ValueError(f"a string of a process holds no NUL byte, got {text!r}")
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


def spawn(program: str, argv: Sequence[str], environment: Mapping[str, str], directory: str, output: int) -> int:
    """The pid of `program`, run in `directory` with stdout and stderr on the descriptor `output` and no stdin.

    It leads a session of its own. Raises OSError where the program cannot be executed, ValueError where a string cannot
    be passed: NUL bytes, lone surrogates.
    """
    actions = ctypes.create_string_buffer(_OPAQUE_BYTES)
    _checked(_LIBC.posix_spawn_file_actions_init(actions))
    try:
        _checked(_LIBC.posix_spawn_file_actions_addopen(actions, 0, b"/dev/null", os.O_RDONLY, 0))
        _checked(_LIBC.posix_spawn_file_actions_adddup2(actions, output, 1))
        _checked(_LIBC.posix_spawn_file_actions_adddup2(actions, output, 2))
        _checked(_LIBC.posix_spawn_file_actions_addchdir_np(actions, os.fsencode(directory)))
        if _CLOSE_FROM is not None:
            _checked(_CLOSE_FROM(actions, 3))
        pid = ctypes.c_int()
        _checked(
            _LIBC.posix_spawn(
                ctypes.byref(pid),
                os.fsencode(program),
                actions,
                _ATTRIBUTES,
                _c_strings(argv),
                _c_strings([f"{name}={value}" for name, value in environment.items()]),
            )
        )
    finally:
        _LIBC.posix_spawn_file_actions_destroy(actions)
    return pid.value
