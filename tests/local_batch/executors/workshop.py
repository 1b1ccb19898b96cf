"""Where executors are tried: image folders made on the spot, attempts run, everything they report kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from image_tags import image_tag
from local_batch.executors.work import (
    PLAIN,
    AttemptWork,
    ContainerOptions,
    Executor,
    Exited,
    Logged,
    LogLine,
    NodeAddress,
    Report,
    Started,
    StartFailed,
)

PATIENCE_SECONDS = 60.0
"""For what takes milliseconds on an idle machine."""


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until it is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass
class Outcome:
    """What was reported about one attempt."""

    calls: list[str] = field(default_factory=list)
    """What kinds of report, in order."""

    lines: list[LogLine] = field(default_factory=list)
    start_failure: str | None = None
    exit_code: int | None = None
    reason: str | None = None

    @property
    def texts(self) -> list[str]:
        """The lines without their time stamps."""
        return [line.text for line in self.lines]


class RecordingReporter:
    """Implements Reporter; lets a test wait for what it expects."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._outcomes: dict[tuple[str, int], Outcome] = {}

    def report(self, reports: Sequence[Report]) -> None:
        """See Reporter."""
        with self._changed:
            for report in reports:
                self._record(report, self._outcome(report.job_id, report.attempt))
            self._changed.notify_all()

    def end_of(self, job_id: str, attempt: int) -> Outcome:
        """The outcome once the attempt has ended, whichever way."""
        return self._await(job_id, attempt, lambda outcome: outcome.calls[-1] in {"exited", "start_failed"})

    def line_of(self, job_id: str, attempt: int, beginning: str) -> str:
        """The rest of the first line that begins so, once it has been written."""
        outcome = self._await(
            job_id, attempt, lambda outcome: any(text.startswith(beginning) for text in outcome.texts)
        )
        return next(text.removeprefix(beginning) for text in outcome.texts if text.startswith(beginning))

    def calls_about(self, job_id: str, attempt: int) -> list[str]:
        """What has been reported so far."""
        with self._changed:
            return list(self._outcome(job_id, attempt).calls)

    def _record(self, report: Report, outcome: Outcome) -> None:
        match report:
            case Started():
                outcome.calls.append("started")
            case StartFailed():
                outcome.calls.append("start_failed")
                outcome.start_failure = report.reason
            case Logged():
                outcome.calls.append("logged")
                outcome.lines.extend(report.lines)
            case Exited():
                outcome.calls.append("exited")
                outcome.exit_code, outcome.reason = report.exit_code, report.reason

    def _outcome(self, job_id: str, attempt: int) -> Outcome:
        return self._outcomes.setdefault((job_id, attempt), Outcome())

    def _await(self, job_id: str, attempt: int, is_there: Callable[[Outcome], bool]) -> Outcome:
        with self._changed:
            outcome = self._outcome(job_id, attempt)
            assert self._changed.wait_for(lambda: outcome.calls and is_there(outcome), PATIENCE_SECONDS), (
                f"{job_id}/{attempt}: nothing of the kind in {PATIENCE_SECONDS:g} s, got {outcome}"
            )
            return outcome


class Workshop:
    """An executor, with images that are a Dockerfile and files away."""

    many = 200
    """Attempts that it takes seconds to run."""

    def __init__(
        self, images: Path, executor: Executor, reporter: RecordingReporter, registry: str = "registry.example"
    ) -> None:
        self.executor = executor
        self.reporter = reporter
        self._images = images
        self._registry = registry

    def image(self, dockerfile: str, *, name: str = "image", files: Mapping[str, str] | None = None) -> str:
        """The reference of an image made from these."""
        folder = self._images / name
        for path, content in {"Dockerfile": dockerfile, **(files or {})}.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            # Not written again: the executor may be reading it for the attempt before.
            if not file.exists() or file.read_text(encoding="utf-8") != content:
                file.write_text(content, encoding="utf-8")
        return f"{self._registry}/{name}:{image_tag(folder)}"

    def start(
        self,
        image: str,
        *command: str,
        job_id: str = "job",
        attempt: int = 1,
        environment: Mapping[str, str] | None = None,
        memory_mib: int = 512,
        options: ContainerOptions = PLAIN,
        node: NodeAddress | None = None,
    ) -> None:
        """Start an attempt."""
        work = AttemptWork(
            job_id,
            attempt,
            image,
            command,
            environment or {},
            vcpus=1,
            memory_mib=memory_mib,
            options=options,
            node=node,
        )
        self.executor.start([work])

    def shell(
        self,
        script: str,
        *,
        job_id: str = "job",
        attempt: int = 1,
        memory_mib: int = 512,
        options: ContainerOptions = PLAIN,
        node: NodeAddress | None = None,
    ) -> None:
        """Start an attempt that is a shell script."""
        image = self.image('FROM base\nENTRYPOINT ["/bin/sh", "-c"]\n', name="shell")
        self.start(image, script, job_id=job_id, attempt=attempt, memory_mib=memory_mib, options=options, node=node)

    def end_of(self, job_id: str = "job", attempt: int = 1) -> Outcome:
        """See RecordingReporter."""
        return self.reporter.end_of(job_id, attempt)

    def run_shell(
        self,
        script: str,
        *,
        memory_mib: int = 512,
        options: ContainerOptions = PLAIN,
        node: NodeAddress | None = None,
    ) -> Outcome:
        """Run a shell script to its end."""
        self.shell(script, memory_mib=memory_mib, options=options, node=node)
        return self.end_of()


class ContainerWorkshop(Workshop):
    """Images whose base can be named when they are built: what tests call `base` is in no registry."""

    many = 40

    def image(self, dockerfile: str, *, name: str = "image", files: Mapping[str, str] | None = None) -> str:
        """See Workshop."""
        named = dockerfile.replace("FROM base\n", "ARG BASE_IMAGE=base\nFROM ${BASE_IMAGE}\n")
        return super().image(named, name=name, files=files)
