"""How long each job queue is, how long its first job has been first, how many vCPUs it has in use.

Of a queue without active jobs nothing is reported: idle metrics cost nothing. The first job's time, not the oldest's:
in a long queue that moves every job waits long; in a stuck one the first stays first. An array is its children, a
multi-node parallel job one job.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import boto3

PAGES = 10
"""Of ListJobs, a queue and state: counts end at 1,000 jobs or arrays, which bounds time and calls."""

AT_ONCE = 100
"""Jobs of a ListJobs page or DescribeJobs call, their most."""


def handler(event: object, context: object) -> dict[str, int]:  # noqa: ARG001
    """Report once, for the queues in QUEUES (JSON, name -> ARN) to the namespace NAMESPACE; how many data."""
    batch, cloudwatch = boto3.client("batch"), boto3.client("cloudwatch")
    queues: dict[str, str] = json.loads(os.environ["QUEUES"])
    data = [datum for name, arn in queues.items() for datum in queue_data(batch, name, arn, time.time())]
    if data:
        cloudwatch.put_metric_data(Namespace=os.environ["NAMESPACE"], MetricData=data)
    return {"data": len(data)}


def queue_data(batch: Any, name: str, arn: str, now: float) -> list[dict[str, Any]]:
    """MetricData of a queue; nothing where no job is active."""
    listed = [row for status in ("PENDING", "RUNNABLE", "RUNNING") for row in rows(batch, arn, status)]
    # A job that is PENDING waits for others: only arrays in that state have children in the queue.
    active = [row["jobId"] for row in listed if row["status"] != "PENDING" or "arrayProperties" in row]
    waiting, vcpus = 0, 0.0
    for start in range(0, len(active), AT_ONCE):
        for job in batch.describe_jobs(jobs=active[start : start + AT_ONCE])["jobs"]:
            waiting += count(job, "RUNNABLE")
            vcpus += count(job, "RUNNING") * job_vcpus(job)
    if not waiting and not vcpus:
        return []
    front = batch.get_job_queue_snapshot(jobQueue=arn).get("frontOfQueue", {}).get("jobs", [])
    minutes = max(0.0, now - front[0]["earliestTimeAtPosition"] / 1000) / 60 if front else 0.0
    values = {"RunnableJobs": waiting, "FirstJobMinutes": minutes, "RunningVcpus": vcpus}
    dimensions = [{"Name": "JobQueue", "Value": name}]
    return [{"MetricName": key, "Value": value, "Dimensions": dimensions} for key, value in values.items()]


def rows(batch: Any, queue: str, status: str) -> Iterator[dict[str, Any]]:
    """Rows of ListJobs, up to PAGES pages."""
    more: dict[str, str] = {}
    for _ in range(PAGES):
        page = batch.list_jobs(jobQueue=queue, jobStatus=status, maxResults=AT_ONCE, **more)
        yield from page["jobSummaryList"]
        if not page.get("nextToken"):
            return
        more = {"nextToken": page["nextToken"]}
    print(f"{queue}: more than {PAGES} pages {status}, counted no further")


def count(job: dict[str, Any], status: str) -> int:
    """1 for a job in that state; of an array, its children in it."""
    if "arrayProperties" in job:
        return int(job["arrayProperties"].get("statusSummary", {}).get(status, 0))
    return int(job["status"] == status)


def job_vcpus(job: dict[str, Any]) -> float:
    """Of a job or child; of all nodes together."""
    if "nodeProperties" not in job:
        return container_vcpus(job["container"])
    last = job["nodeProperties"]["numNodes"] - 1
    total = 0.0
    for group in job["nodeProperties"]["nodeRangeProperties"]:
        first, colon, end = group["targetNodes"].partition(":")
        size = int((end or last) if colon else first) - int(first or 0) + 1
        total += size * container_vcpus(group["container"])
    return total


def container_vcpus(container: dict[str, Any]) -> float:
    """What it asks for."""
    asked = container.get("resourceRequirements", [])
    return sum((float(each["value"]) for each in asked if each["type"] == "VCPU"), 0.0)
