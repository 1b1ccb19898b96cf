"""Which files of a cloud assembly are the templates of its stacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

MANIFEST: Final = "manifest.json"
_STACK: Final = "aws:cloudformation:stack"


def template_files(assembly: Path) -> dict[str, Path]:
    """Templates by stack name, in the order of the alphabet; none where the folder is no assembly.

    By the assembly's manifest, not by what lies there: cdk leaves the templates of stacks that are no more, or were of
    another deployment. Source: https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.cloud_assembly_schema-readme.html
    """
    try:
        manifest = json.loads((assembly / MANIFEST).read_text(encoding="utf-8"))
        artifacts = manifest["artifacts"]
        return {
            name: assembly / artifact["properties"]["templateFile"]
            for name, artifact in sorted(artifacts.items())
            if artifact["type"] == _STACK
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}
