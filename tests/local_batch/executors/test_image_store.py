"""Images by tag: found, kept, never changed."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from image_tags import image_tag
from local_batch.executors.errors import CannotCreateContainerError, CannotPullContainerError
from local_batch.executors.image_store import ImageStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image's folder under `containers/`."""
    folder = tmp_path / "containers" / "image"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text('FROM base\nCOPY data /\nCMD ["one"]\n')
    (folder / "data").write_text("one")
    return folder


def store(tmp_path: Path) -> ImageStore:
    """As a new local cloud makes it."""
    return ImageStore(roots=[tmp_path / "containers", tmp_path / "absent"], store=tmp_path / "images")


def test_a_tag_means_the_content_it_was_made_from(tmp_path: Path, folder: Path) -> None:
    """Editing the folder makes a new tag; the old one still runs what it ran, also after a restart."""
    images = store(tmp_path)
    old = f"127.0.0.1:5000/repository:{image_tag(folder)}"
    assert images.resolve(old).config.cmd == ("one",)
    (folder / "Dockerfile").write_text('FROM base\nCOPY data /\nCMD ["two"]\n')
    (folder / "data").write_text("two")
    new = f"127.0.0.1:5000/repository:{image_tag(folder)}"
    assert images.resolve(new).config.cmd == ("two",)
    for again in (images, store(tmp_path)):
        image = again.resolve(old)
        assert image.config.cmd == ("one",)
        assert Path(image.files[0].source).read_text() == "one"


def test_two_may_keep_one_image_at_once(tmp_path: Path, folder: Path) -> None:
    """The slower takes what the faster has kept."""
    reference = f"repository:{image_tag(folder)}"
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            images = store(tmp_path)
            kept = set(pool.map(lambda _, images=images: images.folder(reference), range(4)))
            assert kept == {tmp_path / "images" / image_tag(folder)}
            assert [path.name for path in (tmp_path / "images").iterdir()] == [image_tag(folder)]
            shutil.rmtree(tmp_path / "images")


def test_an_edit_is_noticed_whatever_its_size(tmp_path: Path, folder: Path) -> None:
    """The remembered tag of a folder is that of its files' times and sizes."""
    images = store(tmp_path)
    with pytest.raises(CannotPullContainerError):
        images.resolve("repository:0123456789abcdef")
    status = (folder / "data").stat()
    (folder / "data").write_text("two")
    os.utime(folder / "data", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert Path(images.resolve(f"repository:{image_tag(folder)}").files[0].source).read_text() == "two"


def test_only_whole_copies_are_kept(tmp_path: Path, folder: Path) -> None:
    """One directory a tag, with its files and permissions, and nothing half-made."""
    (folder / "data").chmod(0o755)
    (folder / "__pycache__").mkdir()
    tag = image_tag(folder)
    store(tmp_path).resolve(f"repository:{tag}")
    assert [path.name for path in (tmp_path / "images").iterdir()] == [tag]
    assert sorted(path.name for path in (tmp_path / "images" / tag).iterdir()) == ["Dockerfile", "data"]
    assert (tmp_path / "images" / tag / "data").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("reference", ["busybox", "docker.io/library/busybox:1.36", "repository:latest", "r@sha256:00"])
def test_images_of_registries_are_not_pulled(tmp_path: Path, reference: str) -> None:
    """The text says what an image is here."""
    with pytest.raises(CannotPullContainerError, match="the local cloud pulls from no registry") as refusal:
        store(tmp_path).resolve(reference)
    assert refusal.value.reason.startswith(f"CannotPullContainerError: {reference}: ")
    assert "containers/ or absent/" in str(refusal.value)


def test_an_image_that_cannot_be_read_is_refused_each_time(tmp_path: Path, folder: Path) -> None:
    """A failure is not remembered as a success."""
    (folder / "Dockerfile").write_text("FROM base\nCOPY absent /\n")
    images = store(tmp_path)
    for _ in range(2):
        with pytest.raises(CannotCreateContainerError, match=r"Dockerfile:2: .*'absent'"):
            images.resolve(f"repository:{image_tag(folder)}")


def test_a_digest_is_refused_by_name(tmp_path: Path, folder: Path) -> None:
    """No folder can be checked against it; the reason says what to deploy in its place."""
    digest = f"sha256:{'ab' * 32}"
    reference = f"registry/repository@{digest}"
    with pytest.raises(CannotPullContainerError) as refusal:
        store(tmp_path).resolve(reference)
    assert refusal.value.reason == (
        f"CannotPullContainerError: {reference}: the local cloud pulls from no registry and runs folders, which no "
        f"digest can be checked against, got {digest}; deploy without pins (image_digests), so that images of "
        "containers/ or absent/ are named by tag"
    )
    assert not (tmp_path / "images").exists()
