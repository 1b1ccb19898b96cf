"""Batch, played in memory. Every request is held against the service's model."""

# ruff: noqa: D102 - the methods are AWS's own

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tests.runner.service_model import check_request

REGION = "eu-central-1"
ACCOUNT = "111122223333"
LIFE = ("RUNNABLE", "STARTING", "RUNNING")
STATUSES = ("SUBMITTED", "PENDING", *LIFE, "SUCCEEDED", "FAILED")


def arn(kind: str, name: str) -> str:
    """An ARN of Batch."""
    return f"arn:aws:batch:{REGION}:{ACCOUNT}:{kind}/{name}"


def client_error(code: str, message: str, operation: str = "SubmitJob", status: int = 400) -> ClientError:
    """What boto3 raises for an error answer."""
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


@dataclass
class FakeJob:
    """A job that moves on each time it is described."""

    detail: dict[str, Any]
    exit_codes: list[int]
    """Of its attempts to come."""
    step: int = 0
    is_still: bool = False
    """Whether it stays as it is."""


def _nothing(request: dict[str, Any]) -> None:
    del request


class FakeBatch:
    """Takes every job a step on per DescribeJobs. `exit_codes` are those of attempts, by the end of a job's name; of a
    child of an array by the end of its name and `:index`.
    """

    def __init__(self, exit_codes: Mapping[str, list[int]] | None = None) -> None:
        self.jobs: dict[str, FakeJob] = {}
        self.calls: list[str] = []
        self.exit_codes = exit_codes or {}
        self.node_exit_codes: dict[int, int] = {}
        """Of nodes that end otherwise than their job."""
        self.reclaimed: Callable[[Mapping[str, Any]], bool] = lambda _: False
        """Whether a job's failed attempts are its host's end."""
        self.stuck: dict[str, str] = {}
        """End of job name -> statusReason of a job that stays RUNNABLE."""
        self.unstoppable: set[str] = set()
        """Ids of jobs that TerminateJob is refused for."""
        self.before_submit: Callable[[dict[str, Any]], None] = _nothing
        self.after_submit: Callable[[dict[str, Any]], None] = _nothing
        self.now = 1_000_000
        self.page = 1000
        """Rows of ListJobs."""
        self.queues: dict[str, dict[str, Any]] = {}
        self.environments: dict[str, dict[str, Any]] = {}
        self.definitions: list[dict[str, Any]] = []

    def submit_job(self, **request: Any) -> dict[str, Any]:
        check_request("batch", "SubmitJob", request)
        self.calls.append("SubmitJob")
        self.before_submit(request)
        job_id = f"00000000-0000-4000-8000-{len(self.jobs) + 1:012d}"
        codes = self._codes(request["jobName"])
        container = {
            **request.get("containerOverrides", {}),
            "logConfiguration": {"options": {"awslogs-group": "jobs"}},
        }
        detail = {
            "jobId": job_id,
            "jobName": request["jobName"],
            "jobQueue": request["jobQueue"],
            "status": "SUBMITTED",
            "createdAt": self.now,
            "dependsOn": request.get("dependsOn", []),
            "attempts": [],
            "retryStrategy": request.get("retryStrategy", {"attempts": 1}),
            "container": container,
        }
        if "nodeOverrides" in request:
            self._make_nodes(request, detail)
        if "arrayProperties" in request:
            detail["arrayProperties"] = {**request["arrayProperties"], "statusSummary": dict.fromkeys(STATUSES, 0)}
        self.jobs[job_id] = FakeJob(detail, list(codes))
        self.after_submit(request)
        return {"jobId": job_id, "jobName": request["jobName"]}

    def _codes(self, name: str) -> list[int]:
        return next((codes for end, codes in self.exit_codes.items() if name.endswith(end)), [0])

    def _make_nodes(self, request: Mapping[str, Any], detail: dict[str, Any]) -> None:
        """A multi-node job as a whole has no container; Batch takes overrides of the definition's ranges only."""
        container = detail.pop("container")
        wanted = request["jobDefinition"]
        properties = next(one["nodeProperties"] for one in self.definitions if one["jobDefinitionArn"] == wanted)
        ranges = [entry["targetNodes"] for entry in properties["nodeRangeProperties"]]
        given = request["nodeOverrides"]
        assert [entry["targetNodes"] for entry in given["nodePropertyOverrides"]] == ranges
        detail["nodeProperties"] = {
            "numNodes": given.get("numNodes", properties["numNodes"]),
            "mainNode": 0,
            "nodeRangeProperties": [
                {"targetNodes": entry["targetNodes"], "container": {**container, **entry["containerOverrides"]}}
                for entry in given["nodePropertyOverrides"]
            ],
        }

    def describe_jobs(self, **request: Any) -> dict[str, Any]:
        check_request("batch", "DescribeJobs", request)
        assert 1 <= len(request["jobs"]) <= 100
        self.calls.append("DescribeJobs")
        self.now += 1000
        for job in list(self.jobs.values()):
            self._advance(job)
        return {"jobs": [_copy(self.jobs[job_id].detail) for job_id in request["jobs"] if job_id in self.jobs]}

    def list_jobs(self, **request: Any) -> dict[str, Any]:
        check_request("batch", "ListJobs", request)
        self.calls.append("ListJobs")
        (of,) = {"jobQueue", "arrayJobId", "multiNodeJobId"} & set(request)
        if of == "jobQueue":
            details = [one.detail for one in self.jobs.values() if re.search("[:#]", one.detail["jobId"]) is None]
            details = [detail for detail in reversed(details) if detail["jobQueue"] == request["jobQueue"]]
        else:
            parts = re.compile(re.escape(request[of]) + "[:#]")
            details = [one.detail for one in self.jobs.values() if parts.match(one.detail["jobId"])]
        if "filters" in request:
            (name,) = request["filters"][0]["values"]
            rows = [_row(detail) for detail in details if detail["jobName"].lower() == name.lower()]
        else:
            status = request.get("jobStatus", "RUNNING")
            rows = [_row(detail) for detail in details if detail["status"] == status]
        start = int(request.get("nextToken", 0))
        more = {"nextToken": str(start + self.page)} if start + self.page < len(rows) else {}
        return {"jobSummaryList": rows[start : start + self.page], **more}

    def terminate_jobs(self, **request: Any) -> dict[str, Any]:
        check_request("batch", "TerminateJobs", request)
        assert 1 <= len(request["jobs"]) <= 50
        errors = []
        for job_id in request["jobs"]:
            try:
                self._terminate(job_id, request["reason"])
            except ClientError as error:
                errors.append({"job": job_id, "code": "X", "message": str(error)})
        return {"successful": [], "errors": errors}

    def terminate_job(self, **request: Any) -> dict[str, Any]:
        check_request("batch", "TerminateJob", request)
        self._terminate(request["jobId"], request["reason"])
        return {}

    def _terminate(self, job_id: str, reason: str) -> None:
        self.calls.append(f"TerminateJob {job_id}")
        if job_id in self.unstoppable:
            raise client_error("ServerException", "Try again", "TerminateJob", 500)
        detail = self.jobs[job_id].detail
        if detail["status"] not in {"SUCCEEDED", "FAILED"}:
            detail |= {"status": "FAILED", "statusReason": reason, "isTerminated": True, "stoppedAt": self.now}

    def describe_job_queues(self, **request: Any) -> dict[str, Any]:
        check_request("batch", "DescribeJobQueues", request)
        return {
            "jobQueues": [queue for queue in self.queues.values() if _is_named(queue, "jobQueue", request["jobQueues"])]
        }

    def describe_compute_environments(self, **request: Any) -> dict[str, Any]:
        check_request("batch", "DescribeComputeEnvironments", request)
        wanted = request["computeEnvironments"]
        return {"computeEnvironments": [self.environments[name] for name in wanted if name in self.environments]}

    def describe_job_definitions(self, **request: Any) -> dict[str, Any]:
        check_request("batch", "DescribeJobDefinitions", request)
        if "jobDefinitionName" in request:
            found = [one for one in self.definitions if one["jobDefinitionName"] == request["jobDefinitionName"]]
            return {"jobDefinitions": [one for one in found if one["status"] == request["status"]]}
        wanted = request["jobDefinitions"]
        return {
            "jobDefinitions": [
                one
                for one in self.definitions
                if one["jobDefinitionArn"] in wanted or f"{one['jobDefinitionName']}:{one['revision']}" in wanted
            ]
        }

    def _advance(self, job: FakeJob) -> None:
        detail = job.detail
        if job.is_still or detail["status"] in {"SUCCEEDED", "FAILED"}:
            return
        needed = [self._needed(entry, detail) for entry in detail["dependsOn"]]
        if "FAILED" in needed:
            detail |= {"status": "FAILED", "statusReason": "Dependent Job failed", "stoppedAt": self.now}
        elif any(status != "SUCCEEDED" for status in needed):
            detail["status"] = "PENDING"
        elif "size" in detail.get("arrayProperties", {}):
            self._advance_array(detail)
        elif reason := next((why for end, why in self.stuck.items() if detail["jobName"].endswith(end)), None):
            detail |= {"status": "RUNNABLE", "statusReason": reason}
        elif job.step < len(LIFE):
            detail["status"] = LIFE[job.step]
            job.step += 1
            if detail["status"] == "RUNNING":
                stream = f"program/default/{detail['jobId'][-4:]}-{len(detail['attempts']) + 1}"
                detail["startedAt"] = self.now
                if "nodeProperties" in detail:
                    self._start_nodes(detail, stream)
                else:
                    detail["container"]["logStreamName"] = stream
        else:
            self._end_attempt(job)

    def _needed(self, entry: Mapping[str, str], detail: Mapping[str, Any]) -> str:
        """The status of what a job waits for; of an array's partner that of the child with the same index."""
        other = self.jobs[entry["jobId"]].detail
        if entry.get("type") != "N_TO_N":
            return str(other["status"])
        if "size" in detail["arrayProperties"]:
            has_children = f"{entry['jobId']}:0" in self.jobs
            return "SUCCEEDED" if has_children else str(other["status"])
        child = self.jobs[f"{entry['jobId']}:{detail['arrayProperties']['index']}"]
        return str(child.detail["status"])

    def _advance_array(self, detail: dict[str, Any]) -> None:
        """Children are made when the whole may begin; it ends with the last of them."""
        job_id, size = detail["jobId"], detail["arrayProperties"]["size"]
        if f"{job_id}:0" not in self.jobs:
            by_index = [entry for entry in detail["dependsOn"] if entry.get("type") == "N_TO_N"]
            for index in range(size):
                child = {**detail, "jobId": f"{job_id}:{index}", "arrayProperties": {"index": index}, "attempts": []}
                child |= {"dependsOn": by_index, "container": dict(detail["container"]), "status": "PENDING"}
                self.jobs[child["jobId"]] = FakeJob(child, list(self._codes(f"{detail['jobName']}:{index}")))
            detail["status"] = "PENDING"
        found = [self.jobs[f"{job_id}:{index}"].detail["status"] for index in range(size)]
        detail["arrayProperties"] = {"size": size, "statusSummary": {one: found.count(one) for one in STATUSES}}
        if set(found) <= {"SUCCEEDED", "FAILED"}:
            has_failed = "FAILED" in found
            detail["status"] = "FAILED" if has_failed else "SUCCEEDED"
            detail |= {"statusReason": "Array Child Job failed"} if has_failed else {}

    def _end_attempt(self, job: FakeJob) -> None:
        detail, code = job.detail, job.exit_codes.pop(0)
        if "nodeProperties" in detail:
            nodes = [self.jobs[f"{detail['jobId']}#{n}"].detail for n in range(detail["nodeProperties"]["numNodes"])]
            for node in nodes:
                own = self.node_exit_codes.get(node["nodeDetails"]["nodeIndex"], code)
                self._record(node, node["container"], own)
                node |= {"status": "FAILED" if own else "SUCCEEDED", "stoppedAt": self.now}
            self._record(detail, nodes[0]["container"], code)
        else:
            self._record(detail, detail["container"], code)
        if code and job.exit_codes:
            job.step, detail["status"] = 0, "RUNNABLE"
            return
        detail["stoppedAt"] = self.now
        detail["status"] = "FAILED" if code else "SUCCEEDED"
        detail["statusReason"] = self._reason(detail, code)

    def _reason(self, detail: Mapping[str, Any], code: int) -> str:
        """Why an attempt ended."""
        is_reclaimed = code and self.reclaimed(detail)
        return "Host EC2 (instance i-0) terminated." if is_reclaimed else "Essential container in task exited"

    def _record(self, detail: dict[str, Any], container: dict[str, Any], code: int) -> None:
        """An attempt that has ended."""
        container["exitCode"] = code
        detail["attempts"].append(
            {
                "startedAt": detail["startedAt"],
                "stoppedAt": self.now,
                "statusReason": self._reason(detail, code),
                "container": {"exitCode": code, "logStreamName": container["logStreamName"]},
            }
        )

    def _start_nodes(self, detail: dict[str, Any], stream: str) -> None:
        """Jobs of their own, whose attempts so far are kept."""
        for index in range(detail["nodeProperties"]["numNodes"]):
            job_id = f"{detail['jobId']}#{index}"
            known = self.jobs[job_id].detail["attempts"] if job_id in self.jobs else []
            own = {"logStreamName": f"{stream}-{index}", "logConfiguration": {"options": {"awslogs-group": "jobs"}}}
            node = {
                **{key: detail[key] for key in ("jobName", "jobQueue", "createdAt")},
                "jobId": job_id,
                "status": "RUNNING",
                "startedAt": self.now,
                "nodeDetails": {"nodeIndex": index, "isMainNode": index == 0},
                "attempts": known,
                "container": own,
            }
            self.jobs[job_id] = FakeJob(node, [], is_still=True)


def _is_named(answer: Mapping[str, Any], kind: str, wanted: Iterable[str]) -> bool:
    return bool({answer[f"{kind}Name"], answer[f"{kind}Arn"]} & set(wanted))


def _row(detail: Mapping[str, Any]) -> dict[str, Any]:
    """A JobSummary: no attempts, no queue, of the container how it ended, of nodes and arrays what they are."""
    known = ("jobId", "jobName", "status", "statusReason", "createdAt", "startedAt", "stoppedAt", "isTerminated")
    row = {key: detail[key] for key in known if key in detail}
    ended = {key: value for key, value in detail.get("container", {}).items() if key in {"exitCode", "reason"}}
    row |= {"container": ended} if ended else {}
    if "nodeProperties" in detail:
        row["nodeProperties"] = {"numNodes": detail["nodeProperties"]["numNodes"]}
    if "nodeDetails" in detail:
        row["nodeProperties"] = detail["nodeDetails"]
    return row | {key: detail[key] for key in ("arrayProperties",) if key in detail}


def _copy(detail: dict[str, Any]) -> dict[str, Any]:
    container = {"container": dict(detail["container"])} if "container" in detail else {}
    return {**detail, "attempts": list(detail["attempts"]), **container}
