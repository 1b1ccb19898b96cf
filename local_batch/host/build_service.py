"""CodeBuild's StartBuild: refused, where MiniStack would record a build that succeeded though nothing was built.

Projects that a template declares are kept and described; a local cloud needs no image built, for it runs their folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_batch.host.seams import MiniStack


def install(ministack: MiniStack) -> None:
    """Answer every StartBuild with an error of CodeBuild's that says so."""

    def start_build(request: Mapping[str, Any]) -> Any:
        return ministack.responses.error_response_json(
            "InvalidInputException",
            f"StartBuild: the local cloud has no build service, got a build of {request.get('projectName', '')!r}; it "
            "runs the images' folders themselves: submit jobs without building",
            400,
        )

    ministack.replace("services.codebuild", "_start_build", start_build)
