"""The program of a job: fetched, unpacked, compiled where it is source; and what it left, put into the bucket."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from mpi_bringup import exits
from mpi_bringup.object_store import ObjectError, ObjectPlace, ObjectStore

COMPILE_SECONDS: Final = 1800.0
"""A compiler that takes longer hangs."""

RESULTS: Final = "results"
"""Directory of the main node's working directory whose files are kept."""

_COMPILERS: Final[Mapping[str, str]] = {
    ".c": "mpicc",
    ".cc": "mpicxx",
    ".cpp": "mpicxx",
    ".cxx": "mpicxx",
    ".C": "mpicxx",
    ".f": "mpifort",
    ".f90": "mpifort",
    ".f95": "mpifort",
    ".F": "mpifort",
    ".F90": "mpifort",
}
_DEFAULT_FLAGS: Final = ("-O2",)
_BUNDLE_NAME: Final = re.compile(r"([0-9a-f]{64})\.tar\.gz")
_MAKEFILES: Final = ("GNUmakefile", "makefile", "Makefile")
_C_COMPILERS: Final = ("gcc", "cc", "clang")
_FALLBACKS: Final[Mapping[str, str]] = {
    "MPICH_CC": "zig-cc",
    "OMPI_CC": "zig-cc",
    "MPICH_CXX": "zig-c++",
    "OMPI_CXX": "zig-c++",
}
"""What the wrappers of MPI compile with where the machine has no C compiler."""


class ProgramError(Exception):
    """There is nothing to run."""

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be run."""

    program: str
    arguments: tuple[str, ...]
    bundle: ObjectPlace | None
    flags: tuple[str, ...]
    """Of the compiler."""

    is_script: bool
    """Runs once and calls mpirun itself."""


def prepare(
    wanted: Wanted,
    work: Path,
    store: ObjectStore,
    environment: Mapping[str, str],
    is_over: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Put the program into the directory `work`; its command line there. Raises ProgramError.

    Gives up where `is_over`, asked at every step, says that the job is.
    """
    if wanted.bundle is not None:
        unpack(_fetched(wanted.bundle, store), work, is_over)
    _check_over(is_over)
    return [*_executable(wanted, work, environment), *wanted.arguments]


def unpack(archive: bytes | Path, work: Path, is_over: Callable[[], bool] = lambda: False) -> None:
    """Plain files and directories of an archive, none outside of `work`. Raises ProgramError; see `prepare`."""
    try:
        with (
            tarfile.open(archive) if isinstance(archive, Path) else tarfile.open(fileobj=io.BytesIO(archive))
        ) as opened:
            for member in opened:
                _check_over(is_over)
                _extract(opened, member, work)
    except (tarfile.TarError, EOFError) as error:
        raise ProgramError(exits.WRONG_INPUT, f"bundle: is a tar archive, got {error}; submit it again") from error
    except OSError as error:
        text = f"bundle: is unpacked into {work}, got {error.strerror}; ask for more disk"
        raise ProgramError(exits.NOT_MOVED, text) from error


def pack(work: Path, archive: Path) -> None:
    """Everything in `work`, for the other nodes; where a build has made a link, what it leads to."""
    with tarfile.open(archive, "w", dereference=True) as made:
        for path in sorted(path for path in work.rglob("*") if path.is_file() or path.is_dir()):
            made.add(path, arcname=path.relative_to(work).as_posix(), recursive=False)


def save_results(
    work: Path, place: ObjectPlace, store: ObjectStore, say: Callable[[str], None] = lambda _text: None
) -> list[str]:
    """Put every file of the results under the prefix; their keys. Raises ObjectError.

    Links that lead out of the working directory, and what is no file, stay behind; `say` is told of each.
    """
    folder = work / RESULTS
    if folder.exists() and not folder.is_dir():
        say(f"{RESULTS}: is a directory whose files are kept, got a file; nothing was stored")
    keys = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(work).as_posix()
        if path.is_dir():
            continue
        if not path.is_file() or not path.resolve().is_relative_to(work.resolve()):
            say(f"{name}: was not stored: it is no file of the working directory")
            continue
        if not _is_text(name):
            say(f"{name}: was not stored: a key of the bucket is UTF-8, which this name is not; rename it")
            continue
        key = f"{place.key.rstrip('/')}/{path.relative_to(folder).as_posix()}"
        store.put(ObjectPlace(place.bucket, key), path)
        keys.append(key)
    return keys


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_over(is_over: Callable[[], bool]) -> None:
    if is_over():
        raise ProgramError(exits.NOT_MOVED, "the job was over before its program was there")


def _fetched(place: ObjectPlace, store: ObjectStore) -> bytes:
    named = _BUNDLE_NAME.fullmatch(PurePosixPath(place.key).name)
    if named is None:
        text = f"--bundle: is named by the SHA-256 of its content, as in <64 hex digits>.tar.gz, got {place}"
        raise ProgramError(exits.WRONG_INPUT, text)
    try:
        archive = store.get(place)
    except ObjectError as error:
        raise ProgramError(exits.NOT_MOVED, str(error)) from error
    found = hashlib.sha256(archive).hexdigest()
    if found != named[1]:
        text = f"{place}: has the SHA-256 that its name says, got {found}; somebody changed it: submit the job again"
        raise ProgramError(exits.NOT_MOVED, text)
    return archive


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, work: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        text = f"bundle: holds files and directories below itself, got {member.name!r}; submit it again"
        raise ProgramError(exits.WRONG_INPUT, text)
    destination = work / path
    if member.isdir():
        destination.mkdir(parents=True, exist_ok=True)
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member)
    assert content is not None
    with content, destination.open("wb") as written:
        shutil.copyfileobj(content, written)
    destination.chmod(0o755 if member.mode & 0o100 else 0o644)


def _executable(wanted: Wanted, work: Path, environment: Mapping[str, str]) -> list[str]:
    """The beginning of the command line that runs the program, compiled if need be."""
    name = wanted.program
    path = PurePosixPath(name)
    inside = work / path
    is_in_bundle = not path.is_absolute() and ".." not in path.parts
    if wanted.bundle is not None and is_in_bundle and not inside.exists() and _has_makefile(work):
        _make(name, work, environment)
    if wanted.bundle is None or not is_in_bundle or not inside.exists():
        return _of_the_image(wanted, environment)
    if not inside.is_file():
        raise ProgramError(exits.WRONG_INPUT, f"{name}: is a file of the bundle, got a directory; name a file in it")
    compiler = _COMPILERS.get(path.suffix)
    if compiler is not None:
        return [f"./{_compiled(name, compiler, wanted.flags, work, environment)}"]
    if path.suffix == ".py":
        return ["python3", str(path)]
    return _script_or_binary(inside, path, is_script=wanted.is_script)


def _script_or_binary(inside: Path, path: PurePosixPath, *, is_script: bool) -> list[str]:
    with inside.open("rb") as opened:
        start = opened.read(4)
    if not start.startswith((b"#!", b"\x7fELF")):
        if is_script:
            return ["/bin/sh", f"./{path}"]
        raise ProgramError(
            exits.WRONG_INPUT,
            f"{path}: is C, C++ or Fortran source by its suffix, Python, a script that begins with #!, or a program "
            f"for Linux, got a file that begins with {start!r}; rename or build it",
        )
    inside.chmod(stat.S_IMODE(inside.stat().st_mode) | 0o111)
    return [f"./{path}"]


def _of_the_image(wanted: Wanted, environment: Mapping[str, str]) -> list[str]:
    found = shutil.which(wanted.program, path=environment.get("PATH"))
    if found is None:
        where = "neither in the bundle nor in the image" if wanted.bundle is not None else "not in the image"
        raise ProgramError(
            exits.WRONG_INPUT,
            f"{wanted.program}: is a file that was shipped, or a program of the image, got none: it is {where}; "
            "correct the name or ship it",
        )
    return [found]


def _compiled(name: str, compiler: str, flags: Sequence[str], work: Path, environment: Mapping[str, str]) -> str:
    """The name of the program made of a source file."""
    path = PurePosixPath(name)
    made = str(path.with_suffix(""))
    if (work / made).exists():
        made = f"{name}.mpi"
    libraries = ["-lm"] if compiler == "mpicc" else []
    command = [compiler, str(path), *(flags or _DEFAULT_FLAGS), *libraries, "-o", made]
    _build(name, command, work, environment)
    return made


def _has_makefile(work: Path) -> bool:
    return any((work / name).is_file() for name in _MAKEFILES)


def _make(name: str, work: Path, environment: Mapping[str, str]) -> None:
    compilers = ["CC=mpicc", "CXX=mpicxx", "FC=mpifort"]
    _build(name, ["make", f"-j{os.cpu_count() or 1}", *compilers, name], work, environment)


def _build(name: str, command: Sequence[str], work: Path, environment: Mapping[str, str]) -> None:
    """Its output goes to this program's, so that it is read as from a shell."""
    variables = dict(environment)
    search_path = variables.get("PATH")
    if not any(shutil.which(compiler, path=search_path) for compiler in _C_COMPILERS):
        variables |= {key: wrapper for key, wrapper in _FALLBACKS.items() if shutil.which(wrapper, path=search_path)}
    tool = shutil.which(command[0], path=search_path)
    if tool is None:
        text = f"{name}: needs {command[0]} to be built, got none on the PATH; ship a program that is built already"
        raise ProgramError(exits.WRONG_INPUT, text)
    try:
        done = subprocess.run(
            [tool, *command[1:]],
            cwd=work,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=2,
            timeout=COMPILE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = f"{name}: is built within {COMPILE_SECONDS:g} s, got a {command[0]} that still ran; ship what it makes"
        raise ProgramError(exits.WRONG_INPUT, text) from None
    if done.returncode != 0:
        text = f"{name}: does not compile: `{' '.join(command)}` ended with {done.returncode}; see its output above"
        raise ProgramError(exits.WRONG_INPUT, text)
