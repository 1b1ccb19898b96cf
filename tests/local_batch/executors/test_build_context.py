"""Which files of a folder COPY takes, and where they go."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_batch.executors.build_context import read_image
from local_batch.executors.errors import DockerfileError


def destinations(folder: Path, copy: str, ignore: str | None = None) -> dict[str, str]:
    """Source by destination of an image with these instructions, made from a folder with some files."""
    for name in ("a.py", "b.py", "c.txt", "dir/d.py", "dir/deep/e.py", "dir/deep/f.txt", "__pycache__/a.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "Dockerfile").write_text(f"FROM base\n{copy}\n")
    if ignore is not None:
        (folder / ".dockerignore").write_text(ignore)
    image = read_image(folder)
    return {file.destination: str(Path(file.source).relative_to(folder)) for file in image.files}


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        ("COPY a.py /x", {"x": "a.py"}),
        ("COPY a.py /x/", {"x/a.py": "a.py"}),
        ("WORKDIR /x\nCOPY a.py /x", {"x/a.py": "a.py"}),
        ("COPY a.py /x/\nCOPY b.py /x", {"x/a.py": "a.py", "x/b.py": "b.py"}),
        ("COPY a.py c.txt /", {"a.py": "a.py", "c.txt": "c.txt"}),
        ("COPY *.py /x/", {"x/a.py": "a.py", "x/b.py": "b.py"}),
        ("COPY [ab].py /x/", {"x/a.py": "a.py", "x/b.py": "b.py"}),
        ("COPY ?.txt /x", {"x": "c.txt"}),
        ("COPY dir /x", {"x/d.py": "dir/d.py", "x/deep/e.py": "dir/deep/e.py", "x/deep/f.txt": "dir/deep/f.txt"}),
        ("COPY dir/ /x/", {"x/d.py": "dir/d.py", "x/deep/e.py": "dir/deep/e.py", "x/deep/f.txt": "dir/deep/f.txt"}),
        ("COPY dir/*/e.py /x", {"x": "dir/deep/e.py"}),
        ("COPY a.py /x\nCOPY b.py /x", {"x": "b.py"}),
        (
            "COPY dir /in\nFROM base\nCOPY --from=0 /in/deep /x",
            {"x/e.py": "dir/deep/e.py", "x/f.txt": "dir/deep/f.txt"},
        ),
        ("COPY a.py b.py /in/\nFROM base AS second\nCOPY --from=0 /in/a.py /x/", {"x/a.py": "a.py"}),
        ("WORKDIR /in\nCOPY a.py ./\nRUN make\nFROM base\nCOPY --from=0 / /x/", {"x/in/a.py": "a.py"}),
        ("COPY c.txt /1\nFROM base AS b\nCOPY --from=0 1 /2\nFROM base\nCOPY --from=B /2 /3", {"3": "c.txt"}),
    ],
)
def test_copy_takes_what_docker_takes(tmp_path: Path, copy: str, expected: dict[str, str]) -> None:
    """Files under a name or into a directory, directories by their content, patterns name by name."""
    assert destinations(tmp_path, copy) == expected


def test_copying_everything_leaves_caches_out(tmp_path: Path) -> None:
    """What the tag does not count is no part of the image."""
    assert sorted(destinations(tmp_path, "COPY . /x")) == [
        "x/Dockerfile",
        "x/a.py",
        "x/b.py",
        "x/c.txt",
        "x/dir/d.py",
        "x/dir/deep/e.py",
        "x/dir/deep/f.txt",
    ]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("*.py\nDockerfile\n.dockerignore\n", ["c.txt", "dir/d.py", "dir/deep/e.py", "dir/deep/f.txt"]),
        ("**/*.py\nDockerfile\n.dockerignore\n", ["c.txt", "dir/deep/f.txt"]),
        ("dir\n# a comment\n\n*ocker*\n", ["a.py", "b.py", "c.txt"]),
        ("*\n!dir\ndir/deep/\n!dir/deep/f.txt\n", ["dir/d.py", "dir/deep/f.txt"]),
        ("/a.py\n?.txt\n[^b].py\ndir/**\n*ocker*\n", ["b.py"]),
    ],
)
def test_dockerignore_is_honoured(tmp_path: Path, ignore: str, left: list[str]) -> None:
    """The last rule that matches decides."""
    assert sorted(destinations(tmp_path, "COPY . /", ignore)) == left


def test_an_empty_context_is_none_the_worse(tmp_path: Path) -> None:
    """The folder itself is always there."""
    assert destinations(tmp_path, "COPY . /", "*\n") == {}


def test_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Docker's build would fail; so does the container, with the line."""
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: a source of COPY is a file .* got 'absent\.py'"):
        destinations(tmp_path, "COPY a.py absent.py /x/")
    with pytest.raises(DockerfileError, match=r"got 'a\.py'; correct the source or add the file"):
        destinations(tmp_path, "COPY a.py /x/", "a.py\n")


def test_directories_come_parents_first(tmp_path: Path) -> None:
    """Those of WORKDIR and those that files need."""
    (tmp_path / "a").write_text("")
    (tmp_path / "Dockerfile").write_text("FROM base\nWORKDIR /w/deep\nCOPY a /opt/a/b/\n")
    assert read_image(tmp_path).directories == ("opt", "opt/a", "opt/a/b", "w", "w/deep")


def test_what_a_stage_built_is_refused(tmp_path: Path) -> None:
    """RUN is passed over, so that a stage has nothing but what it copied."""
    with pytest.raises(DockerfileError) as refusal:
        destinations(tmp_path, "COPY a.py /in/\nRUN make /out\nFROM base\nCOPY --from=0 /in/a.py /out /x/")
    assert str(refusal.value) == (
        f"{tmp_path}/Dockerfile:5: a source of COPY --from is what stage 0 copied from the folder, as nothing is built "
        "here, got '/out'; copy it from the folder"
    )


def test_a_mode_given_in_a_stage_is_kept(tmp_path: Path) -> None:
    """As in a built image, where files carry their modes from stage to stage."""
    (tmp_path / "a.py").write_text("")
    (tmp_path / "Dockerfile").write_text("FROM b\nCOPY --chmod=751 a.py /a\nFROM b\nCOPY --from=0 /a /x\n")
    assert [(file.destination, file.mode) for file in read_image(tmp_path).files] == [("x", 0o751)]
