"""What would be deployed, byte by byte: an unintended change of any resource shows here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.synthesised import STACKS, Template, without_hashes

SNAPSHOTS = Path(__file__).resolve().parent / "snapshots"


@pytest.mark.parametrize("stack", STACKS)
def test_the_template_is_the_one_that_was_reviewed(
    stack: str, templates: dict[str, Template], request: pytest.FixtureRequest
) -> None:
    """Each stack's template equals its snapshot; `make snapshots` writes them anew after an intended change."""
    snapshot = SNAPSHOTS / f"{stack}.json"
    actual = without_hashes(templates[stack].text)
    if request.config.getoption("--update-snapshots", default=False):
        snapshot.write_text(actual, encoding="utf-8")
    assert actual == snapshot.read_text(encoding="utf-8")


def test_an_edited_image_leaves_the_snapshots_alone() -> None:
    """Content hashes of images and assets are normalised, their presence is not."""
    first = '{"a": [":0123456789abcdef"], "b": "' + "0" * 64 + '.zip"}'
    second = '{"a": [":fedcba9876543210"], "b": "' + "f" * 64 + '.zip"}'
    assert without_hashes(first) == without_hashes(second) == '{"a": [":IMAGE-TAG"], "b": "ASSET-HASH.zip"}'
