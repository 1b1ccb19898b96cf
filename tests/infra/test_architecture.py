"""The generated part of docs/architecture.md is that of today's templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.assembly.architecture import main, replaced
from runner.assembly.cloud_assembly import read_assembly
from tests.infra.synthesised import CHECKOUT

DOCUMENT = CHECKOUT / "docs" / "architecture.md"


def test_the_document_shows_what_is_deployed(assembly: Path) -> None:
    """Diagram and table are written by `make architecture`, and by nobody else."""
    text = DOCUMENT.read_text(encoding="utf-8")
    if replaced(text, read_assembly(assembly), str(DOCUMENT)) != text:
        pytest.fail(
            "docs/architecture.md no longer shows what the templates deploy: run make architecture", pytrace=False
        )


def test_what_was_edited_by_hand_is_written_anew(assembly: Path, tmp_path: Path) -> None:
    """The rest of the document stays as it is, byte by byte."""
    text = DOCUMENT.read_text(encoding="utf-8")
    edited = tmp_path / "architecture.md"
    edited.write_text(text.replace("| nothing |", "| a fortune |"), encoding="utf-8")
    assert edited.read_text(encoding="utf-8") != text
    assert main([str(assembly), str(edited)]) == 0
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
    assert main([str(assembly), str(document)]) == 2
    assert expected in capsys.readouterr().err
    assert content is None or document.read_text(encoding="utf-8") == content
