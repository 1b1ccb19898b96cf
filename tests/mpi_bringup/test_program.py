"""The program of a job: what is unpacked, compiled, run as it is, and kept; and what is refused."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from mpi_bringup import program
from mpi_bringup.object_store import ObjectPlace, ObjectStore
from mpi_bringup.program import ProgramError, Wanted, pack, prepare, save_results, unpack

from tests.mpi_bringup.conftest import SEARCH_PATH
from tests.mpi_bringup.object_server import ObjectServer

HELLO = b"""#include <mpi.h>
#include <math.h>
#include <stdio.h>
#ifndef WORD
#define WORD "hello"
#endif
int main(int count, char **words) {
  MPI_Init(&count, &words);
  printf("%s %.0f\\n", WORD, sqrt(count * 4.0));
  return MPI_Finalize();
}
"""
PLACE = ObjectPlace("code", "programs/x.tar.gz")


Member = tuple[tarfile.TarInfo, bytes]


def bundle(files: Mapping[str, bytes]) -> bytes:
    """A gzipped archive of these files."""
    return archive(*(member(name, content) for name, content in files.items()))


def member(name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> Member:
    """One entry of an archive."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, len(content)
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        info.linkname = "/etc/passwd"
    return info, content


def archive(*members: Member) -> bytes:
    """Of these entries."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        for info, content in members:
            opened.addfile(info, io.BytesIO(content))
    return made.getvalue()


Prepare = Callable[..., list[str]]


@pytest.fixture
def prepared(server: ObjectServer, tmp_path: Path) -> Prepare:
    """Prepares a program of a bundle with these files, in `work`."""

    def run(
        files: Mapping[str, bytes], name: str, *arguments: str, flags: tuple[str, ...] = (), is_script: bool = False
    ) -> list[str]:
        content = bundle(files)
        key = f"programs/{hashlib.sha256(content).hexdigest()}.tar.gz"
        server.objects[f"/code/{key}"] = content
        (tmp_path / "work").mkdir(exist_ok=True)
        wanted = Wanted(
            program=name,
            arguments=arguments,
            bundle=ObjectPlace("code", key),
            flags=flags,
            is_script=is_script,
        )
        return prepare(wanted, tmp_path / "work", ObjectStore(server.environment), environment())

    return run


def environment() -> dict[str, str]:
    """In which programs are built and run."""
    return {"PATH": SEARCH_PATH, "HOME": "/nonexistent"}


def of_image(name: str) -> Wanted:
    """A program without a bundle."""
    return Wanted(program=name, arguments=("x",), bundle=None, flags=(), is_script=False)


def outcome(command: list[str], directory: Path) -> str:
    """What it prints, run as a single process."""
    return subprocess.run(
        command, cwd=directory, env=environment(), check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_files_are_unpacked_with_their_directories_and_nothing_of_their_owner(tmp_path: Path) -> None:
    """Whether they may be executed is kept, nothing else of their mode."""
    unpack(
        archive(
            member("d", kind=tarfile.DIRTYPE, mode=0o700),
            member("d/run", b"run", mode=0o4777),
            member("deep/er/data", b"data", mode=0o600),
        ),
        tmp_path,
    )
    assert (tmp_path / "deep/er/data").read_bytes() == b"data"
    assert (tmp_path / "d/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "deep/er/data").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("/etc/cron.d/x", tarfile.REGTYPE),
        ("../x", tarfile.REGTYPE),
        ("a/../../x", tarfile.REGTYPE),
        ("..", tarfile.DIRTYPE),
        ("link", tarfile.SYMTYPE),
        ("link", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
        ("pipe", tarfile.FIFOTYPE),
    ],
)
def test_what_would_leave_the_directory_is_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    """Names, links and devices."""
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(ProgramError, match="bundle: holds files and directories below itself, got") as refused:
        unpack(archive(member(name, kind=kind)), work)
    assert refused.value.exit_code == 2
    assert list(tmp_path.rglob("*")) == [work]


@pytest.mark.parametrize(
    "content", [b"", b"no archive", archive(member("x", b"y" * 5000))[:60]], ids=["empty", "text", "cut off"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """One that is cut off, too."""
    with pytest.raises(ProgramError, match="bundle: is a tar archive, got") as refused:
        unpack(content, tmp_path)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    """Such an archive cannot be unpacked anywhere."""
    with pytest.raises(ProgramError, match="bundle: is unpacked into"):
        unpack(archive(*(member(name, b"x") for name in names)), tmp_path)


def test_a_bundle_is_what_its_name_says(server: ObjectServer, tmp_path: Path) -> None:
    """One that was changed in the bucket is not unpacked."""
    key = f"programs/{hashlib.sha256(b'one').hexdigest()}.tar.gz"
    server.objects[f"/code/{key}"] = bundle({"run.sh": b"#!/bin/sh\n"})
    wanted = Wanted(program="run.sh", arguments=(), bundle=ObjectPlace("code", key), flags=(), is_script=False)
    with pytest.raises(ProgramError, match="has the SHA-256 that its name says, got") as refused:
        prepare(wanted, tmp_path, ObjectStore(server.environment), environment())
    assert refused.value.exit_code == 74
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_has_a_name_of_its_content(server: ObjectServer, tmp_path: Path) -> None:
    """Any other is refused before it is fetched."""
    wanted = Wanted(program="x", arguments=(), bundle=PLACE, flags=(), is_script=False)
    with pytest.raises(ProgramError, match="--bundle: is named by the SHA-256 of its content") as refused:
        prepare(wanted, tmp_path, ObjectStore(server.environment), environment())
    assert refused.value.exit_code == 2
    assert server.requests == []


def test_a_bundle_that_cannot_be_fetched_is_reported(server: ObjectServer, tmp_path: Path) -> None:
    """With the code for what could not be moved."""
    place = ObjectPlace("code", f"programs/{'0' * 64}.tar.gz")
    wanted = Wanted(program="x", arguments=(), bundle=place, flags=(), is_script=False)
    with pytest.raises(ProgramError, match="got HTTP 404") as refused:
        prepare(wanted, tmp_path, ObjectStore(server.environment), environment())
    assert refused.value.exit_code == 74


def test_python_runs_under_python(prepared: Prepare) -> None:
    """Wherever it is in the bundle."""
    assert prepared({"code/pi.py": b"print(3)"}, "code/pi.py", "-n", "5") == ["python3", "code/pi.py", "-n", "5"]


def test_a_script_runs_as_it_is(prepared: Prepare, tmp_path: Path) -> None:
    """Though nobody made it executable."""
    command = prepared({"run.sh": b'#!/bin/sh\necho "ran $1"\n'}, "run.sh", "it")
    assert command == ["./run.sh", "it"]
    assert outcome(command, tmp_path / "work") == "ran it\n"


def test_a_job_script_without_an_interpreter_runs_in_the_shell(prepared: Prepare) -> None:
    """As the batch systems do; as a program of each rank it is refused."""
    assert prepared({"job": b"mpirun hello\n"}, "job", is_script=True) == ["/bin/sh", "./job"]
    with pytest.raises(ProgramError, match=r"job: is C, C\+\+ or Fortran source .* begins with b'mpir'") as refused:
        prepared({"job": b"mpirun hello\n"}, "job")
    assert refused.value.exit_code == 2


def test_a_directory_is_no_program(prepared: Prepare) -> None:
    """The message says what to name."""
    with pytest.raises(ProgramError, match="code: is a file of the bundle, got a directory"):
        prepared({"code/x": b""}, "code")


def test_a_name_of_neither_bundle_nor_image_is_refused(prepared: Prepare) -> None:
    """And one that leads out of the bundle is none of its files."""
    for name in ("no-such", "../job/x"):
        with pytest.raises(ProgramError, match="it is neither in the bundle nor in the image") as refused:
            prepared({"x": b"#!/bin/sh\n"}, name)
        assert refused.value.exit_code == 2


def test_a_program_of_the_image_is_found_on_the_path(tmp_path: Path) -> None:
    """By its name or as an absolute path."""
    store = ObjectStore({})
    found = prepare(of_image("sh"), tmp_path, store, environment())
    assert Path(found[0]).is_absolute()
    assert found[1:] == ["x"]
    assert prepare(of_image("/bin/sh"), tmp_path, store, environment()) == ["/bin/sh", "x"]
    with pytest.raises(ProgramError, match="it is not in the image"):
        prepare(of_image("/bin/no-such"), tmp_path, store, environment())


def test_a_program_of_the_image_may_come_with_files(prepared: Prepare) -> None:
    """A bundle of data for it."""
    assert prepared({"data": b"1"}, "cat", "data")[1:] == ["data"]


@pytest.mark.mpi
def test_source_is_compiled_with_flags(prepared: Prepare, tmp_path: Path) -> None:
    """And with the mathematical library; the file of the program's name is left alone."""
    command = prepared({"code/hello.c": HELLO}, "code/hello.c", "x", flags=("-O1", '-DWORD="moin"'))
    assert command == ["./code/hello", "x"]
    assert outcome(command, tmp_path / "work") == "moin 3\n"
    assert prepared({"hello.c": HELLO, "hello": b"data"}, "hello.c") == ["./hello.c.mpi"]
    assert (tmp_path / "work/hello").read_bytes() == b"data"


@pytest.mark.mpi
def test_source_that_does_not_compile_is_wrong_input(prepared: Prepare, capfd: pytest.CaptureFixture[str]) -> None:
    """The compiler's own words come out, the message names the command."""
    with pytest.raises(
        ProgramError, match=r"bad.c: does not compile: `mpicc bad.c -O2 -lm -o bad` ended with 1"
    ) as refused:
        prepared({"bad.c": b"int main(void) { return no_such_name; }\n"}, "bad.c")
    assert refused.value.exit_code == 2
    shown = capfd.readouterr()
    assert "no_such_name" in shown.err
    assert shown.out == ""


@pytest.mark.mpi
def test_a_makefile_makes_what_is_not_there(prepared: Prepare, tmp_path: Path) -> None:
    """With the compilers of MPI."""
    makefile = b"hello: hello.c\n\t$(CC) -o $@ $< -lm\n"
    command = prepared({"Makefile": makefile, "hello.c": HELLO}, "hello")
    assert command == ["./hello"]
    assert outcome(command, tmp_path / "work") == "hello 2\n"
    with pytest.raises(ProgramError, match="other: does not compile: `make") as refused:
        prepared({"Makefile": makefile, "hello.c": HELLO}, "other")
    assert refused.value.exit_code == 2


def test_without_a_compiler_the_message_says_what_to_ship(tmp_path: Path) -> None:
    """Rather than that some file is missing."""
    (tmp_path / "x.c").write_text("")
    with pytest.raises(ProgramError, match=r"x\.c: needs mpicc to be built, got none on the PATH") as refused:
        program._compiled("x.c", "mpicc", (), tmp_path, {"PATH": str(tmp_path)})
    assert refused.value.exit_code == 2


def test_what_is_packed_is_unpacked_alike(tmp_path: Path) -> None:
    """On every node the program and its files are those of the main one; empty directories, too."""
    work, other = tmp_path / "work", tmp_path / "other"
    (work / "a/empty").mkdir(parents=True)
    (work / "a/run").write_bytes(b"\x7fELF")
    (work / "a/run").chmod(0o755)
    (work / "a/data").write_bytes(b"x" * 100_000)
    other.mkdir()
    pack(work, tmp_path / "program.tar")
    unpack((tmp_path / "program.tar").read_bytes(), other)
    assert [path.relative_to(other) for path in sorted(other.rglob("*"))] == [
        path.relative_to(work) for path in sorted(work.rglob("*"))
    ]
    assert os.access(other / "a/run", os.X_OK)
    assert (other / "a/data").read_bytes() == b"x" * 100_000


def test_what_a_build_links_is_shared_as_files(tmp_path: Path) -> None:
    """A Makefile makes links, of either kind, which every node has as files."""
    work, other = tmp_path / "work", tmp_path / "other"
    work.mkdir()
    other.mkdir()
    (work / "lib.so.1").write_bytes(b"library")
    (work / "lib.so").symlink_to("lib.so.1")
    (work / "broken").symlink_to("nothing")
    (work / "twin").hardlink_to(work / "lib.so.1")
    pack(work, tmp_path / "program.tar")
    unpack((tmp_path / "program.tar").read_bytes(), other)
    assert [(other / name).read_bytes() for name in ("lib.so", "lib.so.1", "twin")] == [b"library"] * 3


def test_results_are_saved_with_their_directories(server: ObjectServer, tmp_path: Path) -> None:
    """Every file below results/, under the prefix; nothing where there is none."""
    store = ObjectStore(server.environment)
    place = ObjectPlace("kept", "runs/1/")
    assert save_results(tmp_path, place, store) == []
    (tmp_path / "results/deep/er").mkdir(parents=True)
    (tmp_path / "results/a.txt").write_bytes(b"a")
    (tmp_path / "results/deep/er/b.bin").write_bytes(b"b")
    (tmp_path / "beside").write_bytes(b"not kept")
    assert save_results(tmp_path, place, store) == ["runs/1/a.txt", "runs/1/deep/er/b.bin"]
    assert server.objects == {"/kept/runs/1/a.txt": b"a", "/kept/runs/1/deep/er/b.bin": b"b"}


def test_results_that_are_none_are_told_and_stay(server: ObjectServer, tmp_path: Path) -> None:
    """A link out of the working directory is not followed, a pipe is not read, a file is no directory of results."""
    store, place, said = ObjectStore(server.environment), ObjectPlace("kept", "runs/1/"), list[str]()
    work = tmp_path / "work"
    (work / "results").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"not the program's")
    (work / "results/link").symlink_to(tmp_path / "secret")
    os.mkfifo(work / "results/pipe")
    assert save_results(work, place, store, said.append) == []
    assert [text.partition(":")[0] for text in said] == ["results/link", "results/pipe"]
    assert server.objects == {}
    other = tmp_path / "other"
    other.mkdir()
    (other / "results").write_bytes(b"x")
    said.clear()
    assert save_results(other, place, store, said.append) == []
    assert said == ["results: is a directory whose files are kept, got a file; nothing was stored"]
