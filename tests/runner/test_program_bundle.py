"""Shipping code: the same bytes every time, whatever cannot be shipped named before anything is sent."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from runner import program_bundle
from runner.errors import InputError
from runner.program_bundle import MAX_AGE, Bundle, ShippingError, pack, upload
from runner.shipping import ship_programs
from runner.workflow import Workflow
from runner.workflow_file import read
from tests.runner.fake_aws import FakeS3
from tests.runner.fake_batch import client_error


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with code in it, the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "heat" / "lib").mkdir(parents=True)
    (tmp_path / "heat" / "heat.c").write_text("// heat\n")
    (tmp_path / "heat" / "lib" / "grid.h").write_text("// grid\n")
    run = tmp_path / "heat" / "run.sh"
    run.write_text("#!/bin/sh\nmpirun ./heat\n")
    run.chmod(0o700)
    return tmp_path


def archive(bundle: Bundle | None) -> dict[str, tarfile.TarInfo]:
    """What is in a bundle, by path."""
    assert bundle is not None
    bundle.content.seek(0)
    with tarfile.open(fileobj=bundle.content, mode="r:gz") as opened:
        return {member.name: member for member in opened.getmembers()}


def test_a_file_is_shipped_under_its_name_with_what_stands_beside_it(here: Path) -> None:
    """Files at the top, directories with what they hold; the arguments stay the program's."""
    packed = pack("hello.c", ["heat/lib", "heat/heat.c"], here)
    shipped = packed.run_with(["a", "b"])
    assert (shipped.name, shipped.arguments, shipped.is_of_image) == ("hello.c", ("a", "b"), False)
    assert list(archive(shipped.bundle)) == ["heat.c", "hello.c", "lib", "lib/grid.h"]


def test_a_directory_is_shipped_whole_and_the_first_argument_names_the_program(here: Path) -> None:
    """Its own name is gone: paths in it stay as they are there."""
    shipped = pack("heat/", [], here).run_with(["run.sh", "1"])
    assert (shipped.name, shipped.arguments) == ("run.sh", ("1",))
    assert list(archive(shipped.bundle)) == ["heat.c", "lib", "lib/grid.h", "run.sh"]


def test_the_bytes_depend_on_nothing_but_the_content(here: Path) -> None:
    """Neither on times nor on owners nor on the way to the files; a changed byte, mode or name makes another key."""
    first = pack("heat", [], here).bundle
    for path in here.rglob("*"):
        os.utime(path, (1, 1))
    (here / "elsewhere").mkdir()
    (here / "heat").rename(here / "elsewhere" / "other")
    again = pack("other", [], here / "elsewhere").bundle
    assert first is not None
    assert again is not None
    first.content.seek(0)
    content = first.content.read()
    again.content.seek(0)
    assert content == again.content.read()
    assert first.key("programs/") == f"programs/{hashlib.sha256(content).hexdigest()}.tar.gz" == again.key("programs/")
    (here / "elsewhere" / "other" / "heat.c").chmod(0o755)
    assert pack("elsewhere/other", [], here).run_with(["heat.c"]).bundle.digest != first.digest  # type: ignore[union-attr]


def test_members_have_no_owner_no_time_and_one_of_two_modes(here: Path) -> None:
    """As they are unpacked by another user on another machine."""
    for name, member in archive(pack("heat", [], here).bundle).items():
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", ""), name
        assert member.mode == (0o755 if name in {"lib", "run.sh"} else 0o644)
        assert member.isfile() or member.isdir()


def test_what_tools_keep_for_themselves_and_earlier_results_are_left_out(here: Path) -> None:
    """And said."""
    for name in (".git/config", "__pycache__/x.pyc", "results/old.csv", "lib/results/kept.csv"):
        path = here / "heat" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("x")
    packed = pack("heat", [], here)
    assert packed.left_out == (".git/", "__pycache__/", "results/")
    assert "lib/results/kept.csv" in packed.names


def test_a_link_inside_is_shipped_as_the_file_that_it_leads_to(here: Path) -> None:
    """Nodes have no links to follow."""
    (here / "heat" / "again.c").symlink_to("heat.c")
    member = archive(pack("heat", [], here).bundle)["again.c"]
    assert (member.isfile(), member.size) == (True, len("// heat\n"))


def test_a_name_that_is_not_here_is_a_program_of_the_image(here: Path) -> None:
    """As a bare name or an absolute path; with files there is a bundle nevertheless."""
    for name in ("hostname", "/opt/mpi/bin/solver"):
        shipped = pack(name, [], here).run_with([])
        assert (shipped.name, shipped.bundle, shipped.is_of_image) == (name, None, True)
    shipped = pack("solver", ["hello.c"], here).run_with([])
    assert (shipped.is_of_image, list(archive(shipped.bundle))) == (True, ["hello.c"])


def test_a_makefile_may_make_the_program(here: Path) -> None:
    """What it makes need not be there yet."""
    with pytest.raises(ShippingError, match="names a program in it, got 'solver'"):
        pack("heat", [], here).run_with(["solver"])
    (here / "heat" / "Makefile").write_text("solver: heat.c\n")
    assert pack("heat", [], here).run_with(["solver"]).name == "solver"


def test_what_cannot_be_shipped_is_refused_with_the_reason(here: Path) -> None:
    """One sentence each, with the path."""
    (here / "empty").mkdir()
    (here / "results").mkdir()
    (here / "out").mkdir()
    (here / "out" / "link").symlink_to("../hello.c")
    (here / "circle").mkdir()
    (here / "circle" / "round").symlink_to(".")
    (here / "dangling").mkdir()
    (here / "dangling" / "link").symlink_to("nothing")
    (here / "special").mkdir()
    os.mkfifo(here / "special" / "pipe")
    expected = {
        (
            "mpi/helo.c",
        ): "is a file or directory here, or the bare name or absolute path of a program of the image, got",
        ("helo.c",): "got 'helo.c', which is not there; check the path",
        ("empty",): "a directory that is shipped holds files, got none in 'empty'; name another",
        ("out",): "a link in a shipped directory leads to a file in it, got",
        ("circle",): "circle/round to .; replace it by what it leads to, or remove it",
        ("dangling",): "dangling/link to nothing; replace it",
        ("special",): "files and directories are shipped, got",
        ("special/pipe",): "special/pipe, which is neither; remove it, or ship less",
        ("hello.c", "none.txt"): "is a file or directory here, got 'none.txt', which is not there; check the path",
        ("hello.c", "results"): "results/ is the folder that a program leaves its results in, got 'results' to ship",
    }
    for (program, *files), text in expected.items():
        with pytest.raises(ShippingError) as caught:
            pack(program, files, here)
        assert text in str(caught.value)


def test_two_files_of_one_name_are_refused_and_one_file_twice_is_not(here: Path) -> None:
    """Both would stand in the same place."""
    (here / "heat" / "hello.c").write_text("// another\n")
    assert pack("hello.c", ["hello.c"], here).names == ("hello.c",)
    with pytest.raises(ShippingError, match=r"has a name of its own, got 'hello\.c' from .*; rename one") as caught:
        pack("hello.c", ["heat/heat.c", "heat/hello.c"], here)
    assert (caught.value.key, caught.value.index) == ("files", 1)


def test_more_than_a_gibibyte_is_refused_before_it_is_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from the sizes that the file system tells."""
    monkeypatch.setattr(program_bundle, "MAX_PROGRAM_BYTES", 5 << 20)
    with (here / "heat" / "data").open("wb") as file:
        file.truncate(7 << 20)
    with pytest.raises(ShippingError, match=r"at most 5 MiB together, .* got 7 MiB; put data into the bucket"):
        pack("heat", [], here)


def test_what_cannot_be_read_is_refused(here: Path) -> None:
    """By its path."""
    collection = program_bundle._Collection()
    collection.add("hello.c", here / "hello.c")
    (here / "hello.c").unlink()
    with pytest.raises(ShippingError, match=r"can be read, got No such file.* for .*hello\.c; change its mode"):
        program_bundle._archive(collection)


def test_only_what_the_bucket_lacks_or_will_lose_soon_is_sent(here: Path) -> None:
    """Sent again, it begins its life there anew."""
    s3 = FakeS3()
    bundle = pack("hello.c", [], here).bundle
    assert bundle is not None
    assert upload(s3, "bucket", "programs/", [bundle, bundle], s3.now) == bundle.size_bytes
    assert s3.puts == [bundle.key("programs/")]
    s3.now += MAX_AGE - dt.timedelta(seconds=1)
    assert upload(s3, "bucket", "programs/", [bundle], s3.now) == 0
    s3.now += dt.timedelta(seconds=1)
    assert upload(s3, "bucket", "programs/", [bundle], s3.now) == bundle.size_bytes
    assert s3.written[bundle.key("programs/")] == s3.now


def test_a_refusal_by_the_bucket_is_not_taken_for_absence(here: Path) -> None:
    """It is told as what it is."""

    class Refusing(FakeS3):
        def head_object(self, **request: object) -> dict[str, object]:
            raise client_error("403", "Forbidden", "HeadObject", 403)

    bundle = pack("hello.c", [], here).bundle
    assert bundle is not None
    with pytest.raises(Exception, match="Forbidden"):
        upload(Refusing(), "bucket", "programs/", [bundle], dt.datetime.now(dt.UTC))


def test_paths_are_relative_to_the_workflow_file_or_to_the_current_directory(here: Path) -> None:
    """From a file, and from Python; a group of tasks is packed once."""
    text = "name: w\ntasks:\n  t:\n    program: ${what}.c\n    foreach: {what: [heat], n: [1, 2]}\n"
    (here / "heat" / "w.yaml").write_text(text)
    workflow = read("heat/w.yaml")
    shipped = ship_programs(workflow.graph(), workflow.folder, workflow.places)
    assert {name: program.name for name, program in shipped.items()} == {"t-heat-1": "heat.c", "t-heat-2": "heat.c"}
    assert shipped["t-heat-1"].bundle is shipped["t-heat-2"].bundle
    made = Workflow("w")
    made.task("t", program="heat/heat.c")
    assert ship_programs(made.graph(), made.folder, made.places)["t"].name == "heat.c"


def test_every_program_that_cannot_be_shipped_is_named_with_its_line(here: Path) -> None:
    """All at once, by task and key."""
    (here / "w.yaml").write_text(
        "name: w\ntasks:\n  a: {program: no.c}\n  b:\n    program: heat\n    command: [no.c]\n"
        "  c:\n    program: hello.c\n    files:\n      - heat\n      - no.h\n"
    )
    workflow = read("w.yaml")
    with pytest.raises(InputError) as caught:
        ship_programs(workflow.graph(), workflow.folder, workflow.places)
    where = [finding.split(": ")[:2] for finding in caught.value.findings]
    assert where == [
        ["w.yaml:3", "tasks.a.program"],
        ["w.yaml:6", "tasks.b.command[0]"],
        ["w.yaml:11", "tasks.c.files[1]"],
    ]
