"""Something of everything that the local Batch does, played against a server that may die at any moment.

A step that was not answered is looked up before it is done again, as a careful client does: SubmitJob has no
idempotency token. Jobs leave a line in a file when they begin and when they end, so that what really ran is known.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.contract.service import IMAGE, deploy
from tests.robustness.mortal_cloud import PATIENCE_SECONDS, DiedError, MortalCloud

ATTEMPTS = 4
ENDED = ("SUCCEEDED", "FAILED")
HOST_LOST = "Host EC2"


class Scenario:
    """One playing of it. `ids` are the jobs that were answered for, by name."""

    def __init__(self, cloud: MortalCloud, evidence: Path) -> None:
        self._cloud = cloud
        self._evidence = evidence
        self.ids: dict[str, str] = {}
        self.seen_ended: dict[str, dict[str, Any]] = {}

    def play(self) -> None:
        """Every step, whatever happens to the server meanwhile; then wait for the end of all jobs."""
        for step in (self._deploy, self._define, *self._submissions(), self._tag, self._cancel, self._terminate):
            self._surely(step)
        self._surely(self._await_ends)

    def details(self) -> dict[str, dict[str, Any]]:
        """All jobs by id, with children and nodes."""
        wanted = list(self.ids.values())
        array, nodes = self.ids["array"], self.ids["nodes"]
        wanted += [f"{array}:{index}" for index in range(3)] + [f"{nodes}#{index}" for index in range(2)]
        return {job["jobId"]: job for job in self._cloud.call("describe_jobs", jobs=wanted)["jobs"]}

    def lines(self) -> Counter[str]:
        """What jobs have written: `id attempt begin` or `id attempt end`, each with how often."""
        return Counter(self._evidence.read_text(encoding="utf-8").splitlines())

    def _surely(self, step: Callable[[], None]) -> None:
        while True:
            try:
                step()
            except DiedError:
                self._cloud.start_again()
            else:
                return

    def _deploy(self) -> None:
        if self._cloud.call("describe_job_definitions", jobDefinitionName="shell")["jobDefinitions"]:
            return
        environments = self._cloud.call("describe_compute_environments")["computeEnvironments"]
        queues = self._cloud.call("describe_job_queues")["jobQueues"]
        names = {item["computeEnvironmentName"] for item in environments} | {item["jobQueueName"] for item in queues}
        deploy(_WhatIsMissing(self._cloud, names))

    def _define(self) -> None:
        if self._cloud.call("describe_job_definitions", jobDefinitionName="nodes")["jobDefinitions"]:
            return
        container = {
            "image": IMAGE,
            "command": self._script("sleep 0.1"),
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "128"}],
        }
        ranges = [{"targetNodes": "0:", "container": container}]
        node_properties = {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": ranges}
        self._cloud.call(
            "register_job_definition", jobDefinitionName="nodes", type="multinode", nodeProperties=node_properties
        )

    def _submissions(self) -> list[Callable[[], None]]:
        return [
            lambda: self._submit("first"),
            lambda: self._submit("second", after="first"),
            lambda: self._submit("array", arrayProperties={"size": 3}),
            lambda: self._submit("reduce", after="array"),
            lambda: self._submit("nodes", queue="ec2", jobDefinition="nodes", containerOverrides=None),
            lambda: self._submit("failing", script="exit 3", retryStrategy={"attempts": 1}),
            lambda: self._submit("endless", script="sleep 1000 & wait"),
            lambda: self._submit("never", after="endless"),
        ]

    def _submit(
        self, name: str, *, script: str = "sleep 0.1", after: str | None = None, queue: str = "normal", **more: Any
    ) -> None:
        named = {"name": "JOB_NAME", "values": [name]}
        found = self._cloud.call("list_jobs", jobQueue=queue, filters=[named])["jobSummaryList"]
        assert len(found) <= 1, f"{name} was submitted once, got {found}"
        if found:
            self.ids[name] = found[0]["jobId"]
            return
        request = {
            "jobName": name,
            "jobQueue": queue,
            "jobDefinition": "shell",
            "containerOverrides": {"command": self._script(script)},
            "retryStrategy": {"attempts": ATTEMPTS},
            **({"dependsOn": [{"jobId": self.ids[after]}]} if after else {}),
            **more,
        }
        answer = self._cloud.call("submit_job", **{key: value for key, value in request.items() if value is not None})
        self.ids[name] = answer["jobId"]

    def _script(self, work: str) -> list[str]:
        mark = f'echo "$AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ATTEMPT $0" >> {shlex.quote(str(self._evidence))}'
        return ["sh", "-c", f"sh -c '{mark}' begin; {work}; sh -c '{mark}' end"]

    def _tag(self) -> None:
        arn = self._cloud.call("describe_jobs", jobs=[self.ids["first"]])["jobs"][0]["jobArn"]
        self._cloud.call("tag_resource", resourceArn=arn, tags={"run": "1"})

    def _cancel(self) -> None:
        self._cloud.call("cancel_job", jobId=self.ids["never"], reason="not needed")

    def _terminate(self) -> None:
        self._cloud.call("terminate_job", jobId=self.ids["endless"], reason="long enough")

    def _await_ends(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            details = self.details()
            for job_id, job in details.items():
                # What was once seen ended must be shown the same for ever after; a node begins again with its job.
                if job["status"] in ENDED and "#" not in job_id:
                    assert self.seen_ended.setdefault(job_id, job) == job
            if all(details[job_id]["status"] in ENDED for job_id in self.ids.values()):
                return
            assert time.monotonic() < deadline, {job["jobName"]: job["status"] for job in details.values()}
            time.sleep(0.03)


class _WhatIsMissing:
    """Takes the place of a client in `deploy`: what was made before a server died is not made again."""

    def __init__(self, cloud: MortalCloud, made: set[str]) -> None:
        self._cloud = cloud
        self._made = made

    def create_compute_environment(self, **request: Any) -> object:
        return request["computeEnvironmentName"] in self._made or self._cloud.call(
            "create_compute_environment", **request
        )

    def create_job_queue(self, **request: Any) -> object:
        return request["jobQueueName"] in self._made or self._cloud.call("create_job_queue", **request)

    def register_job_definition(self, **request: Any) -> dict[str, Any]:
        return self._cloud.call("register_job_definition", **request)
