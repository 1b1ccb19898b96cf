"""Roots of attempts: used again where nobody could tell, kept where they are worth a look, gone otherwise."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from local_batch.executors.attempt_root import AttemptRoot, ImageLayout
from local_batch.executors.image import Image, ImageConfig, ImageFile
from local_batch.executors.root_pool import RootPool

AT_ONCE = 0.0
"""An attempt that began before its root could bear a date of its own."""


def layout_of(folder: Path, *, size_bytes: int = 5) -> ImageLayout:
    """Of an image with one program in a directory."""
    source = folder / "source"
    source.write_bytes(b"x" * size_bytes)
    file = ImageFile(str(source), "app/program", 0o755, size_bytes)
    config = ImageConfig((), (), {}, "/app", ("/app",), (), None)
    return ImageLayout(Image(config, ("app",), (file,), frozenset({"app"})))


@pytest.fixture
def pool(tmp_path: Path) -> RootPool:
    """A pool that removes at once."""
    return RootPool(tmp_path / "jobs", lambda call: call())


@pytest.fixture
def layout(tmp_path: Path) -> ImageLayout:
    """The layout of a small image."""
    return layout_of(tmp_path)


def dated(root: AttemptRoot) -> float:
    """The beginning of an attempt whose changes bear other dates than the making of the root."""
    made_ns = max(path.lstat().st_ctime_ns for path in (Path(root.directory), *Path(root.directory).rglob("*")))
    probe = Path(f"{root.directory}.probe")
    probe.touch()
    while probe.stat().st_ctime_ns <= made_ns:
        probe.touch()
    probe.unlink()
    return float("inf")


@pytest.mark.parametrize("is_dated", [False, True])
def test_an_untouched_root_is_used_again(pool: RootPool, layout: ImageLayout, is_dated: bool) -> None:
    """Whether the attempt came at once or later."""
    root = pool.take(layout)
    pool.put_back(root, dated(root) if is_dated else AT_ONCE)
    assert pool.take(layout) is root
    assert pool.take(layout) is not root


def test_a_root_is_used_again_by_the_same_image_alone(tmp_path: Path, pool: RootPool, layout: ImageLayout) -> None:
    """Another has other files."""
    root = pool.take(layout)
    pool.put_back(root, AT_ONCE)
    assert pool.take(layout_of(tmp_path)) is not root


def write_through_a_map(file: Path) -> None:
    """Where no date tells of it on some file systems."""
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        mapped[0] = ord("y")


def replace_by_pipe(file: Path) -> None:
    """Reading it would wait for ever."""
    file.unlink()
    os.mkfifo(file)


def replace_by_link(file: Path) -> None:
    """To something of the same content."""
    file.rename(file.with_name("original"))
    file.symlink_to("original")


TOUCHES: dict[str, Callable[[Path], object]] = {
    "file": lambda root: (root / "new").touch(),
    "file among the image's": lambda root: (root / "app" / "new").touch(),
    "temporary file": lambda root: (root / "tmp" / "new").touch(),
    "directory": lambda root: (root / "tmp" / "new").mkdir(),
    "removal": lambda root: (root / "app" / "program").unlink(),
    "removal of a directory": lambda root: (root / "tmp").rmdir(),
    "content": lambda root: (root / "app" / "program").write_bytes(b"xxxxy"),
    "longer content": lambda root: (root / "app" / "program").write_bytes(b"xxxxxx"),
    "content through a map": lambda root: write_through_a_map(root / "app" / "program"),
    "pipe": lambda root: replace_by_pipe(root / "app" / "program"),
    "link": lambda root: replace_by_link(root / "app" / "program"),
    "permissions": lambda root: (root / "app" / "program").chmod(0o700),
    "permissions of a directory": lambda root: (root / "tmp").chmod(0o777),
    "other name": lambda root: os.link(root / "app" / "program", root / "tmp" / "program"),
}


@pytest.mark.parametrize("is_dated", [False, True])
@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_a_touched_root_goes(
    pool: RootPool, layout: ImageLayout, touch: Callable[[Path], object], is_dated: bool
) -> None:
    """However it was touched, and however soon after it was made."""
    root = pool.take(layout)
    since = dated(root) if is_dated else AT_ONCE
    touch(Path(root.directory))
    pool.put_back(root, since)
    assert not Path(root.directory).exists()
    assert pool.take(layout) is not root


def test_what_was_made_and_taken_back_leaves_a_date(pool: RootPool, layout: ImageLayout) -> None:
    """A root that had other entries for a while is not used again, once changes have dates of their own."""
    root = pool.take(layout)
    since = dated(root)
    (Path(root.directory) / "tmp" / "new").touch()
    (Path(root.directory) / "tmp" / "new").unlink()
    pool.put_back(root, since)
    assert pool.take(layout) is not root


def test_a_root_of_a_big_image_is_used_once(tmp_path: Path, pool: RootPool) -> None:
    """Comparing it would take as long as making it."""
    layout = layout_of(tmp_path, size_bytes=300_000)
    assert not layout.is_quick
    root = pool.take(layout)
    assert (Path(root.directory) / "app" / "program").stat().st_size == 300_000
    pool.put_back(root, AT_ONCE)
    assert not Path(root.directory).exists()


def test_a_failed_attempts_root_is_found_by_job_and_attempt(
    tmp_path: Path, pool: RootPool, layout: ImageLayout
) -> None:
    """As long as it is not put back; a later one of the same name takes its place."""
    first, second = pool.take(layout), pool.take(layout)
    link = tmp_path / "jobs" / "job.3" / "1"
    pool.link(first, "job:3", 1)
    assert link.resolve() == Path(first.directory)
    pool.link(second, "job:3", 1)
    assert link.resolve() == Path(second.directory)
    pool.put_back(second, AT_ONCE)
    assert not link.parent.exists()
    assert Path(first.directory).exists()


def test_a_link_that_cannot_be_made_is_no_matter(tmp_path: Path, pool: RootPool, layout: ImageLayout) -> None:
    """It is logged: the attempt has ended all the same."""
    (tmp_path / "jobs" / "job").touch()
    root = pool.take(layout)
    pool.link(root, "job", 1)
    assert root.link is None


def test_roots_of_an_earlier_server_go_unless_they_are_linked(
    tmp_path: Path, pool: RootPool, layout: ImageLayout
) -> None:
    """A failure is still to be looked into, what ran when the server was killed was worth no link yet."""
    failed, killed = pool.take(layout), pool.take(layout)
    pool.link(failed, "job", 1)
    later = RootPool(tmp_path / "jobs", lambda call: call())
    assert Path(failed.directory).exists()
    assert not Path(killed.directory).exists()
    assert int(Path(later.take(layout).directory).name) > int(Path(killed.directory).name)


def test_closing_removes_what_is_kept_for_later(tmp_path: Path, pool: RootPool, layout: ImageLayout) -> None:
    """Nothing but failures stays."""
    pool.put_back(pool.take(layout), AT_ONCE)
    pool.close()
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_root_whose_files_the_disk_takes_half_of_is_none(
    tmp_path: Path, pool: RootPool, layout: ImageLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No attempt is to run a program that was cut short."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:-1]))
    with pytest.raises(OSError, match="No space left on device: wrote 4 of 5 bytes"):
        pool.take(layout)
    assert not list((tmp_path / "jobs" / "roots").iterdir())


def test_a_root_that_cannot_be_made_leaves_nothing(tmp_path: Path, pool: RootPool) -> None:
    """Half of one is none."""
    config = ImageConfig((), (), {}, "/", (), (), None)
    absent = ImageFile(str(tmp_path / "absent"), "file", 0o644, 5)
    with pytest.raises(FileNotFoundError):
        pool.take(ImageLayout(Image(config, (), (absent,), frozenset())))
    assert list((tmp_path / "jobs" / "roots").iterdir()) == []
