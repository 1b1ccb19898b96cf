"""How long each job queue is, how long its first job has been first, how many vCPUs it has in use.

Of an idle queue nothing is reported: idle metrics cost nothing. The first job's time, not the oldest's: in a long queue
that moves every job waits long; in a stuck one the first stays first. An array is its children.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

Row = dict[str, Any]

LISTED = 1000
"""Jobs and arrays of a queue and state that are counted: a ListJobs page's most, so that it is one call."""

AT_ONCE = 100
"""DescribeJobs' most."""


def handler(event: object, context: object) -> dict[str, int]:  # noqa: ARG001
    """Report on QUEUES (JSON, name -> ARN) to NAMESPACE; how many data."""
    batch, cloudwatch = boto3.client("batch"), boto3.client("cloudwatch")
    queues: dict[str, str] = json.loads(os.environ["QUEUES"])

    def report(queue: tuple[str, str]) -> int:
        data = queue_data(batch, *queue, time.time())
        if data:
            cloudwatch.put_metric_data(Namespace=os.environ["NAMESPACE"], MetricData=data)
        return len(data)

    # A slow or failing queue costs its own data alone.
    with ThreadPoolExecutor(len(queues)) as pool:
        return {"data": sum(pool.map(report, queues.items()))}


def queue_data(batch: Any, name: str, arn: str, now: float) -> list[Row]:
    """MetricData; none where no job is active."""
    listed = [row for status in ("PENDING", "RUNNABLE", "RUNNING") for row in rows(batch, arn, status)]
    # DescribeJobs alone tells of vCPUs and children. What else is PENDING waits for others.
    active = [row["jobId"] for row in listed if row["status"] == "RUNNING" or "arrayProperties" in row]
    waiting = sum(row["status"] == "RUNNABLE" and "arrayProperties" not in row for row in listed)
    vcpus = 0.0
    for start in range(0, len(active), AT_ONCE):
        for job in batch.describe_jobs(jobs=active[start : start + AT_ONCE])["jobs"]:
            waiting += count(job, "RUNNABLE")
            vcpus += count(job, "RUNNING") * job_vcpus(job)
    if not waiting and not vcpus:
        return []
    front = batch.get_job_queue_snapshot(jobQueue=arn).get("frontOfQueue", {}).get("jobs", [])
    minutes = max(0.0, now - front[0]["earliestTimeAtPosition"] / 1000) / 60 if front else 0.0
    values = {"RunnableJobs": waiting, "FirstJobMinutes": minutes, "RunningVcpus": vcpus}
    of = [{"Name": "JobQueue", "Value": name}]
    return [{"MetricName": key, "Value": value, "Dimensions": of} for key, value in values.items()]


def rows(batch: Any, queue: str, status: str) -> list[Row]:
    """Of ListJobs, up to LISTED."""
    lister, limits = batch.get_paginator("list_jobs"), {"MaxItems": LISTED, "PageSize": LISTED}
    found: Row = lister.paginate(jobQueue=queue, jobStatus=status, PaginationConfig=limits).build_full_result()
    if "NextToken" in found:
        print(f"{queue}: more than {LISTED} {status}, counted no further")
    return list(found["jobSummaryList"])


def count(job: Row, status: str) -> int:
    """1 for a job in that state; of an array, its children in it."""
    if "arrayProperties" in job:
        return int(job["arrayProperties"].get("statusSummary", {}).get(status, 0))
    return int(job["status"] == status)


def job_vcpus(job: Row) -> float:
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


def container_vcpus(container: Row) -> float:
    """What it asks for."""
    asked = container.get("resourceRequirements", [])
    return sum(float(each["value"]) for each in asked if each["type"] == "VCPU")
