"""Dockerfiles: what is understood, and what is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_batch.executors.dockerfile import read_dockerfile
from local_batch.executors.errors import DockerfileError
from local_batch.executors.image import CopyInstruction, ImageConfig

CONTAINERS = Path(__file__).resolve().parents[3] / "containers"


def read(folder: Path, content: str) -> ImageConfig:
    """The image of a Dockerfile with this content."""
    (folder / "Dockerfile").write_text(content, encoding="utf-8")
    return read_dockerfile(folder)


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in CONTAINERS.glob("*/Dockerfile")), ids=lambda p: p.name
)
def test_the_images_of_this_project_are_understood(folder: Path) -> None:
    """Each starts something, as somebody who is not root."""
    config = read_dockerfile(folder)
    assert config.entrypoint
    assert config.user


def test_an_image_says_nothing_of_itself(tmp_path: Path) -> None:
    """What a base image says is not known."""
    assert read(tmp_path, "FROM python:3\n") == ImageConfig((), (), {}, "/", (), (), None)


@pytest.mark.parametrize(
    ("instruction", "command"),
    [
        ('CMD ["a", "b c"]', ("a", "b c")),
        ("CMD a 'b c'", ("/bin/sh", "-c", "a 'b c'")),
        ("CMD [not json", ("/bin/sh", "-c", "[not json")),
        ("CMD a \\\n  # a comment between\n  b", ("/bin/sh", "-c", "a   b")),
        ('SHELL ["/bin/bash", "-ec"]\nCMD a', ("/bin/bash", "-ec", "a")),
        ("CMD a\nCMD b", ("/bin/sh", "-c", "b")),
        ('cmd ["lower case"]', ("lower case",)),
    ],
)
def test_cmd_has_an_exec_and_a_shell_form(tmp_path: Path, instruction: str, command: tuple[str, ...]) -> None:
    """The last one counts."""
    assert read(tmp_path, f"FROM base\n{instruction}\n").cmd == command


def test_entrypoint_keeps_the_cmd_beside_it_and_drops_that_of_the_stage_below(tmp_path: Path) -> None:
    """Docker's rule: a base's CMD was meant for the base's entry point."""
    assert read(tmp_path, 'FROM base\nCMD ["c"]\nENTRYPOINT ["e"]\n').cmd == ("c",)
    below = 'FROM base AS below\nCMD ["c"]\nFROM below\n'
    assert read(tmp_path, below).cmd == ("c",)
    assert read(tmp_path, below + 'ENTRYPOINT ["e"]\n').cmd == ()


@pytest.mark.parametrize(
    ("instructions", "env"),
    [
        ("ENV A=1 B='two words' C=three\\ words", {"A": "1", "B": "two words", "C": "three words"}),
        ("ENV A an old form", {"A": "an old form"}),
        ("ENV A=1\nENV A=2 B=$A", {"A": "2", "B": "1"}),
        ("ENV A=x\nENV B=${A}y C='$A' D=$UNSET", {"A": "x", "B": "xy", "C": "$A", "D": ""}),
        ("ARG A=default\nENV B=$A", {"B": "default"}),
        ("ARG A=arg\nENV A=env\nENV B=$A", {"A": "env", "B": "env"}),
        ("ARG GLOBAL\nENV B=$GLOBAL", {"B": "before"}),
        ("ENV B=$GLOBAL", {"B": ""}),
        ("ENV PATH=/app/bin:$PATH", {"PATH": "/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}),
    ],
)
def test_env_and_arg_expand_as_docker_expands_them(tmp_path: Path, instructions: str, env: dict[str, str]) -> None:
    """ENV wins over ARG; an ARG before FROM counts in a stage that asks for it."""
    assert read(tmp_path, f"ARG GLOBAL=before\nFROM base\n{instructions}\n").env == env


def test_workdir_is_relative_to_the_one_before(tmp_path: Path) -> None:
    """And brings the directory into being."""
    config = read(tmp_path, "FROM base\nENV D=deep\nWORKDIR /a\nWORKDIR b/$D\nWORKDIR ../c/\n")
    assert config.workdir == "/a/b/c"
    assert config.directories == ("/a", "/a/b/deep", "/a/b/c")


def test_copy_knows_sources_destination_and_mode(tmp_path: Path) -> None:
    """A destination is relative to WORKDIR; a directory where it can only be one."""
    config = read(
        tmp_path,
        "FROM base\nWORKDIR /w\nARG X=x\n"
        'COPY a b\nCOPY --chown=1:1 --chmod=750 a $X.py ./\nADD ["with space", "/abs"]\nCOPY a ../up/\nCOPY . .\n',
    )
    assert config.copies == (
        CopyInstruction(4, ("a",), "/w/b", None),
        CopyInstruction(5, ("a", "x.py"), "/w/", 0o750),
        CopyInstruction(6, ("with space",), "/abs", None),
        CopyInstruction(7, ("a",), "/up/", None),
        CopyInstruction(8, (".",), "/w/", None),
    )


def test_the_last_stage_is_the_image(tmp_path: Path) -> None:
    """It holds what it inherits from a stage it begins with, and nothing of the others."""
    config = read(
        tmp_path,
        "ARG BASE=common\nFROM scratch AS Common\nENV A=1\nWORKDIR /c\nUSER 7\n"
        "FROM scratch AS other\nENV B=1\nFROM --platform=linux/amd64 ${BASE} AS last\nENV C=1\n",
    )
    assert config == ImageConfig((), (), {"A": "1", "C": "1"}, "/c", ("/c",), (), "7")


def test_what_a_batch_job_does_not_see_is_passed_over(tmp_path: Path) -> None:
    """RUN is not executed; the rest changes nothing."""
    config = read(
        tmp_path,
        "FROM base\nRUN apt-get update && \\\n  apt-get install x\nLABEL a=b\nEXPOSE 80\n"
        "HEALTHCHECK CMD true\nMAINTAINER me\nVOLUME /v\nSTOPSIGNAL SIGTERM\nCMD true\n",
    )
    assert config.cmd == ("/bin/sh", "-c", "true")
    assert config.directories == ("/v",)


@pytest.mark.parametrize(
    ("content", "line", "text"),
    [
        ("CMD x\n", 1, "only ARG may stand before FROM, got 'CMD'"),
        ("FROM a b\n", 1, "FROM takes an image and optionally AS and a name, got 'a b'"),
        ("FROM base\nCOPY --from=alpine /a /b\n", 2, "the process executor has no image, got 'alpine'"),
        ("FROM base AS it\nCOPY --from=it /a /b\n", 2, "COPY --from names an earlier stage"),
        ("FROM base\nCOPY --parents a /b\n", 2, "this option of COPY is not honoured, got '--parents'"),
        ("FROM base\nCOPY --chmod=u+x a /b\n", 2, "--chmod takes an octal mode, got 'u+x'"),
        ("FROM base\nCOPY ../a /b\n", 2, "a source lies inside the image's folder, got '../a'"),
        ("FROM base\nCOPY a\n", 2, "COPY takes sources and a destination, got 'a'"),
        ("FROM base\nADD https://host/a /b\n", 2, "ADD fetches nothing here, got 'https://host/a'"),
        ("FROM base\nADD a.tar.gz /b\n", 2, "ADD unpacks no archive here, got 'a.tar.gz'"),
        ("FROM base\nCOPY <<EOF /b\ntext\nEOF\n", 2, "a here-document in COPY is not read"),
        ("FROM base\n\nRUN <<-'EOF'\necho\nEOF\n", 3, "a here-document in RUN is not read"),
        ("FROM base\nENV A=${B:-c}\n", 2, "only $NAME and ${NAME} are expanded, got '${B:…'"),
        ("FROM base\nWORKDIR ${B:-c}\n", 2, "only $NAME and ${NAME} are expanded"),
        ("FROM base\nENV A=1 B\n", 2, "ENV takes NAME=value pairs"),
        ("FROM base\nWORKDIR a b\n", 2, "one value is needed here, got 'a b'"),
        ("FROM base\nSTOPSIGNAL SIGINT\n", 2, "jobs are stopped by SIGTERM here, got 'SIGINT'"),
        ("FROM base\nCMD [1]\n", 2, "the exec form of CMD is a JSON list of strings"),
        ("FROM base\nSHELL bash\n", 2, "SHELL takes a JSON list of strings, got 'bash'"),
        ("FROM base\nENTRYPONIT x\n", 2, "an instruction of the Dockerfile reference is needed, got 'ENTRYPONIT'"),
        ("FROM base\nWORKDIR\n", 2, "WORKDIR needs a value, got ''"),
        ("# escape=`\nFROM base\n", 1, "only the backslash escapes here"),
    ],
)
def test_what_is_not_honoured_is_refused_with_its_line(tmp_path: Path, content: str, line: int, text: str) -> None:
    """Silence would run something else than the image."""
    with pytest.raises(DockerfileError) as refusal:
        read(tmp_path, content)
    assert str(refusal.value).startswith(f"{tmp_path}/Dockerfile:{line}: ")
    assert text in str(refusal.value)


def test_a_file_that_is_no_dockerfile_is_refused(tmp_path: Path) -> None:
    """Absent, not text, or without FROM."""
    with pytest.raises(DockerfileError, match=r"a Dockerfile in UTF-8 is needed, got .*No such file"):
        read_dockerfile(tmp_path)
    (tmp_path / "Dockerfile").write_bytes(b"FROM \xff\n")
    with pytest.raises(DockerfileError, match=r"a Dockerfile in UTF-8 is needed, got .*invalid start byte"):
        read_dockerfile(tmp_path)
    with pytest.raises(DockerfileError, match="an image begins with FROM, got none"):
        read(tmp_path, "# nothing\n")
