"""CodeBuild, played in memory: builds move on each time they are described. Requests are held against the model."""

# ruff: noqa: D102 - the methods are AWS's own

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.runner.fake_batch import client_error
from tests.runner.service_model import check_request

GROUP = "builds-log"
STREAM = "stream"


class FakeCodeBuild:
    """One project, whose builds go through `phases` and end as `ends` says."""

    def __init__(self, ends: str = "SUCCEEDED", phases: Sequence[str] = ("QUEUED", "BUILD", "COMPLETED")) -> None:
        self.ends = ends
        self.phases = phases
        self.builds: dict[str, dict[str, Any]] = {}
        self.started: list[dict[str, Any]] = []
        self.unknown = 0
        """How often a build is not known yet."""
        self.limit: str | None = None
        """What StartBuild is refused with."""
        self.has_log = True
        self.on_end: Callable[[], object] = lambda: None
        """What a build that succeeds has done."""

    def start_build(self, **request: Any) -> dict[str, Any]:
        check_request("codebuild", "StartBuild", request)
        if self.limit:
            raise client_error("AccountLimitExceededException", self.limit, "StartBuild")
        self.started.append(request)
        return {"build": self.add(request["sourceLocationOverride"])}

    def add(self, location: str) -> dict[str, Any]:
        """A build of that source that runs."""
        build = {
            "id": f"builder:{len(self.builds) + 1}",
            "buildStatus": "IN_PROGRESS",
            "source": {"type": "S3", "location": location},
        }
        self.builds[str(build["id"])] = build
        return build

    def list_builds_for_project(self, **request: Any) -> dict[str, Any]:
        check_request("codebuild", "ListBuildsForProject", request)
        assert request["sortOrder"] == "DESCENDING"
        return {"ids": list(reversed(self.builds))}

    def batch_get_builds(self, **request: Any) -> dict[str, Any]:
        check_request("codebuild", "BatchGetBuilds", request)
        assert 1 <= len(request["ids"]) <= 100
        if self.started and self.unknown:
            self.unknown -= 1
            return {"builds": [], "buildsNotFound": request["ids"]}
        return {"builds": [self._advanced(self.builds[build_id]) for build_id in request["ids"]]}

    def _advanced(self, build: dict[str, Any]) -> dict[str, Any]:
        if build["buildStatus"] == "IN_PROGRESS":
            shown = build.setdefault("shown", 0)
            build["currentPhase"] = self.phases[shown]
            build["shown"] = shown + 1
            if self.has_log and shown:
                build["logs"] = {"groupName": GROUP, "streamName": STREAM}
            if shown + 1 == len(self.phases):
                build["buildStatus"] = self.ends
                build["phases"] = [{"phaseType": "QUEUED", "phaseStatus": "SUCCEEDED"}]
                if self.ends == "SUCCEEDED":
                    self.on_end()
                else:
                    said = {"statusCode": "COMMAND_EXECUTION_ERROR", "message": "exit status 7\n"}
                    build["phases"].append({"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [said]})
        return build
