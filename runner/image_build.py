"""One build of images by the deployment's CodeBuild project: sent, started or found running, followed to its end.

One build for all images that are missing: a machine is waited for once, layers that images share are pulled once, and
there is one log. What it pushes is never pushed again, so that a build that failed or was left is simply repeated.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from runner.aws_clients import Answer, CodeBuildClient, LogsClient, S3Client
from runner.errors import HpcError, ServiceError
from runner.image_archive import ImageArchive
from runner.logs import LogReader

POLL_SECONDS: Final = 5.0
_UNKNOWN_POLLS: Final = 5
"""How often a build that was just started may be unknown before that is an error."""

_NEWEST: Final = 100
"""Builds that BatchGetBuilds takes. https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html

One runs at a time, so that the running one is among them.
"""

_SCRIPT_SAYS: Final = "images: "
"""How lines of the build script's own begin; the others are docker's."""

_TAIL_LINES: Final = 25
_QUIET_READS: Final = 3
"""Reads of a log that may find nothing after a build's end: CloudWatch lags behind it by seconds."""


@dataclass(frozen=True, kw_only=True)
class BuildPlace:
    """Where images are built."""

    project: str
    bucket: str
    builds_prefix: str

    def source(self, archive: ImageArchive) -> str:
        """An archive as CodeBuild names it: `bucket/key`."""
        return f"{self.bucket}/{archive.key(self.builds_prefix)}"

    def request(self, archive: ImageArchive, version: str | None) -> dict[str, str]:
        """Of StartBuild, but for its token. With a version, what another writes under the key is not built."""
        pinned = {"sourceVersion": version} if version else {}
        source = {"sourceTypeOverride": "S3", "sourceLocationOverride": self.source(archive)}
        return {"projectName": self.project, **source, **pinned}


class ImageBuild:
    """Starts and follows builds at a place. `say` is told what happens, `sleep` waits some seconds."""

    def __init__(
        self,
        place: BuildPlace,
        *,
        codebuild: CodeBuildClient,
        s3: S3Client,
        logs: LogsClient,
        say: Callable[[str], None],
        sleep: Callable[[float], None],
    ) -> None:
        self._place = place
        self._codebuild = codebuild
        self._s3 = s3
        self._reader = LogReader(logs)
        self._say = say
        self._sleep = sleep

    def run(self, archive: ImageArchive) -> str:
        """Build what is in the archive; the build's id, once it has succeeded. HpcError says why it has not.

        A build of the same archive that runs is followed in the place of another: who was interrupted repeats.
        """
        running = self._running()
        if running is None:
            build_id = self._start(archive)
            self._say(f"build {build_id}: started; interrupted, it goes on: repeat the command to follow it")
        elif running["source"].get("location") == self._place.source(archive):
            build_id = running["id"]
            self._say(f"build {build_id}: builds the same and runs already; it is followed")
        else:
            raise HpcError(
                f"{self._place.project}: builds one thing at a time, got build {running['id']} that runs; repeat when "
                "it has ended"
            )
        self._follow(build_id)
        return build_id

    def _running(self) -> Answer | None:
        listed = self._codebuild.list_builds_for_project(projectName=self._place.project, sortOrder="DESCENDING")
        newest = listed.get("ids", [])[:_NEWEST]
        if not newest:
            return None
        builds = self._codebuild.batch_get_builds(ids=newest)["builds"]
        return next((build for build in builds if build["buildStatus"] == "IN_PROGRESS"), None)

    def _start(self, archive: ImageArchive) -> str:
        sent = self._s3.put_object(
            Bucket=self._place.bucket,
            Key=archive.key(self._place.builds_prefix),
            Body=archive.content,
            ContentType="application/zip",
            # S3 refuses bytes that changed on the way.
            ChecksumSHA256=base64.b64encode(bytes.fromhex(archive.digest)).decode(),
        )
        # A token for this call alone: the SDK's own retry of it starts no second build, a repeated command may.
        token = uuid.uuid4().hex
        try:
            answer = self._codebuild.start_build(
                **self._place.request(archive, sent.get("VersionId")), idempotencyToken=token
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccountLimitExceededException":
                raise
            raise ServiceError(
                f"{self._place.project}: CodeBuild starts a build where neither the project nor the account has all "
                f"that it may run, got: {error.response['Error']['Message']}; repeat when others have ended"
            ) from None
        return str(answer["build"]["id"])

    def _follow(self, build_id: str) -> None:
        phase, unknown = "", 0
        while True:
            answer = self._codebuild.batch_get_builds(ids=[build_id])
            if not answer["builds"]:
                unknown += 1
                if unknown >= _UNKNOWN_POLLS:
                    raise ServiceError(
                        f"build {build_id}: CodeBuild describes a build that it has started, got none {unknown} times; "
                        "repeat the command"
                    )
            else:
                build, unknown = answer["builds"][0], 0
                if build.get("currentPhase", phase) != phase:
                    phase = build["currentPhase"]
                    self._say(f"build {build_id}: {phase}")
                self._tell(build)
                if build["buildStatus"] != "IN_PROGRESS":
                    break
            self._sleep(POLL_SECONDS)
        if build["buildStatus"] != "SUCCEEDED":
            raise HpcError(self._failure(build))

    def _tell(self, build: Answer) -> None:
        stream = _stream(build)
        if stream is not None:
            for line in self._reader.news(*stream):
                if line.text.startswith(_SCRIPT_SAYS):
                    self._say(line.text)

    def _failure(self, build: Answer) -> str:
        said = f"build {build['id']}: ends SUCCEEDED, got {build['buildStatus']}{_failed_phase(build)}"
        stream = _stream(build)
        if stream is None:
            return f"{said}; it has no log: it ended before it had a machine"
        lines = self._tail(*stream)
        shown = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
        group, name = stream
        return (
            f"{said}; the last lines of its log:\n{shown}\nall of it: aws logs tail {group} --log-stream-names {name} "
            "--since 1d"
        )

    def _tail(self, group: str, stream: str) -> list[str]:
        lines: list[str] = []
        for attempt in range(_QUIET_READS):
            if attempt:
                self._sleep(POLL_SECONDS)
            now = [line.text for line in self._reader.tail(group, stream, _TAIL_LINES)]
            if now and now == lines:
                break
            lines = now
        return lines


def _stream(build: Answer) -> tuple[str, str] | None:
    """Group and stream of its log, once it has one."""
    logs: Mapping[str, Any] = build.get("logs", {})
    group, stream = logs.get("groupName"), logs.get("streamName")
    return (str(group), str(stream)) if group and stream else None


def _failed_phase(build: Answer) -> str:
    """The phase that did not succeed, with what CodeBuild says of it."""
    for phase in build.get("phases", ()):
        if phase.get("phaseStatus", "SUCCEEDED") not in {"SUCCEEDED", "IN_PROGRESS"}:
            contexts = [
                f"{one['statusCode']}: {one['message'].strip()}" if one.get("statusCode") else one["message"].strip()
                for one in phase.get("contexts", ())
                if one.get("message")
            ]
            return f" in {phase['phaseType']}" + (f" ({'; '.join(contexts)})" if contexts else "")
    return ""
