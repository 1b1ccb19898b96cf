"""Pins in a synthesised assembly: a local cloud is not deployed to with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cdk_app import CdkApp
from runner.cli.deploy import refuse_pins
from runner.errors import InputError
from tests.runner.assembly.templates import write_assembly

DIGEST = f"sha256:{'ab' * 32}"


def app(assembly: Path, template: str) -> CdkApp:
    """An app whose assembly has one template."""
    write_assembly(assembly, **{"CloudHpc-Batch": template})
    return CdkApp(assembly=assembly, environment={}, context={}, log=assembly / "cdk.log")


def test_a_template_that_names_a_digest_is_refused(tmp_path: Path) -> None:
    """No job of it would start: the digest is named, and what to deploy instead."""
    pinned = app(tmp_path, f'{{"Image": {{"Fn::Join": ["", [{{"Ref": "R"}}, "@{DIGEST}"]]}}}}')
    with pytest.raises(InputError) as caught:
        refuse_pins(pinned)
    assert str(caught.value) == (
        "--local: a local cloud runs the images' folders, which no digest can be checked against, got job "
        f"definitions that name {DIGEST}; deploy a profile without image_digests here: synth has made sure that "
        "the pins are of the folders as they are"
    )


def test_a_template_of_tags_is_deployed(tmp_path: Path) -> None:
    """Hashes of assets are no pins."""
    refuse_pins(app(tmp_path, f'{{"Image": ":0123456789abcdef", "Key": "{DIGEST}"}}'))
