"""The generated part of docs/architecture.md is that of today's templates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from deployment_outputs import DEFAULT_PROFILE
from runner.assembly.architecture import main, replaced
from runner.assembly.cloud_assembly import read_assembly
from settings import PROFILES
from tests.infra.synthesised import CHECKOUT

DOCUMENT = CHECKOUT / "docs" / "architecture.md"


def test_the_document_shows_what_is_deployed(assembly: Path, assemblies: Mapping[str, Path]) -> None:
    """Diagram and tables are written by `make architecture`, and by nobody else."""
    text = DOCUMENT.read_text(encoding="utf-8")
    others = {name: read_assembly(assemblies[name]) for name in PROFILES if name != DEFAULT_PROFILE}
    if replaced(text, read_assembly(assembly), str(DOCUMENT), others) != text:
        pytest.fail(
            "docs/architecture.md no longer shows what the templates deploy: run make architecture", pytrace=False
        )


def test_what_was_edited_by_hand_is_written_anew(
    assembly: Path, assemblies: Mapping[str, Path], tmp_path: Path
) -> None:
    """The rest of the document stays as it is, byte by byte."""
    text = DOCUMENT.read_text(encoding="utf-8")
    edited = tmp_path / "architecture.md"
    edited.write_text(text.replace("| nothing |", "| a fortune |"), encoding="utf-8")
    assert edited.read_text(encoding="utf-8") != text
    others = []
    for name in PROFILES:
        if name != DEFAULT_PROFILE:
            others.append(tmp_path / f"cdk.out.{name}")
            others[-1].symlink_to(assemblies[name])
    assert main([str(edited), str(assembly), *map(str, others)]) == 0
    assert edited.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("content", "expected"),
    [("# No markers\n", "add them where it belongs"), (None, "DOCUMENT: is a file")],
)
def test_a_document_without_a_place_for_it_is_refused(
    assembly: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, expected: str
) -> None:
    """Exit code 2, and nothing is written."""
    document = tmp_path / "d.md"
    if content is not None:
        document.write_text(content, encoding="utf-8")
    assert main([str(document), str(assembly)]) == 2
    assert expected in capsys.readouterr().err
    assert content is None or document.read_text(encoding="utf-8") == content
