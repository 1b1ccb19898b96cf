"""Whatever a Dockerfile or an image's name holds, there is an image or one sentence."""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_batch.executors.attempt_root import AttemptRoot
from local_batch.executors.build_context import read_image
from local_batch.executors.errors import CannotPullContainerError, ContainerError, DockerfileError
from local_batch.executors.host_programs import HostPrograms
from local_batch.executors.image import Image
from local_batch.executors.image_store import ImageStore
from local_batch.executors.recipe import Recipe
from local_batch.executors.work import AttemptWork

SOME_INSTRUCTIONS = """FROM RUN COPY ADD ENV ARG WORKDIR VOLUME ENTRYPOINT CMD SHELL USER STOPSIGNAL LABEL EXPOSE
    ONBUILD HEALTHCHECK MAINTAINER copy cmd NONE # \\"""
SOME_WORDS = r"""AS base A=b A = A= $A ${A} ${A:-b} $ ${ \ # escape=` ' " 'a b' "a [ ] ["a"] ["a",1] [] [""] {} --from=x
    -- ["a\nb"] --chmod=755 --chmod=9 --chown=a:b <<EOF . .. ../x / // /app /app/ app * ** ? [a- [z-a] [^a] file dir
    dir/deep a.tar https://x/y git@x ~ | ; &&"""
SOME_CHARACTERS = ("\\\n", "\n", "\t", "\r", "\0", "\x1f", "ä", "\u2028", "\N{PILE OF POO}", "")

INSTRUCTIONS = st.sampled_from(SOME_INSTRUCTIONS.split())
WORDS = st.sampled_from((*SOME_WORDS.split(), *SOME_CHARACTERS))
LINES = st.tuples(INSTRUCTIONS, st.lists(WORDS, max_size=5)).map(lambda line: " ".join((line[0], *line[1])))
LIKE_DOCKERFILES = st.lists(LINES, max_size=8).map(lambda lines: "\n".join(("FROM base", *lines)))
NOT_EVEN_LIKE = st.text(max_size=200)


def read(dockerfile: str | bytes, ignore: str = "") -> None:
    """The image of a folder with these is read, or refused with one line that begins with the Dockerfile's path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "dir" / "deep").mkdir(parents=True)
        (folder / "file").touch()
        (folder / "dir" / "deep" / "a b").touch()
        (folder / ".dockerignore").write_bytes(ignore.encode(errors="surrogatepass"))
        data = dockerfile if isinstance(dockerfile, bytes) else dockerfile.encode(errors="surrogatepass")
        (folder / "Dockerfile").write_bytes(data)
        try:
            image = read_image(folder)
        except DockerfileError as error:
            text = str(error)
        else:
            launch(image, folder / "root")
            return
        assert text.startswith(str(folder))
        assert "\n" not in text


def launch(image: Image, root: Path) -> None:
    """A container of it is laid out inside of its root and its process found, or one sentence says why not."""
    for path in (*image.directories, *(file.destination for file in image.files)):
        assert not Path(path).is_absolute()
        assert ".." not in Path(path).parts
    recipe = Recipe(image, HostPrograms(str(Path(sys.executable).parent)))
    work = AttemptWork("job", 1, "image:tag", (), {"A": "/app"}, vcpus=1, memory_mib=1)
    # What cannot be made is reported as the system has it.
    with suppress(OSError):
        AttemptRoot(str(root), recipe.layout)
        try:
            recipe.launch(str(root), work, {})
        except ContainerError as error:
            text = error.reason
        else:
            return
        assert "\n" not in text


@given(LIKE_DOCKERFILES | NOT_EVEN_LIKE)
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_image_or_refused(dockerfile: str) -> None:
    """Nothing else comes of it."""
    read(dockerfile)


@given(st.binary(max_size=100))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_an_image_or_refused(dockerfile: bytes) -> None:
    """Also those that are no text."""
    read(dockerfile)


@given(st.lists(WORDS, max_size=20).map(" ".join) | st.text(max_size=100))
@settings(max_examples=50, deadline=None)
def test_any_dockerignore_is_honoured_or_refused(ignore: str) -> None:
    """It holds patterns, of which many cannot match."""
    read("FROM base\nCOPY . /app/\n", ignore)


@given(st.text(max_size=60) | st.from_regex(r"[a-z/]{0,9}:[0-9a-f]{15,17}"))
@settings(max_examples=50, deadline=None)
def test_any_name_of_no_image_is_refused(reference: str) -> None:
    """With one line that repeats it."""
    with tempfile.TemporaryDirectory() as name:
        store = ImageStore(roots=[Path(name) / "containers"], store=Path(name) / "images")
        with pytest.raises(CannotPullContainerError) as refusal:
            store.resolve(reference)
        assert "\n" not in refusal.value.reason
