"""Multi-node parallel jobs, as a client of AWS Batch and as their nodes see them."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.service import IMAGE, Service, node_container, order

MEET = """
import json, os, socket, time, urllib.request
env = os.environ
metadata = json.load(urllib.request.urlopen(env["ECS_CONTAINER_METADATA_URI_V4"]))
(own,) = metadata["Networks"][0]["IPv4Addresses"]
# Other jobs of this machine may have the same addresses at the same time.
port = 10_000 + int(env["AWS_BATCH_JOB_ID"][:4], 16) % 20_000
document = {"own": own, "colour": env.get("COLOUR"), "main": env.get("AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS")}
if env["AWS_BATCH_JOB_NODE_INDEX"] == env["AWS_BATCH_JOB_MAIN_NODE_INDEX"]:
    server = socket.create_server((own, port))
    met = document["met"] = {}
    while len(met) < int(env["AWS_BATCH_JOB_NUM_NODES"]) - 1:
        peer, address = server.accept()
        with peer:
            met[peer.makefile().readline()] = address[0]
else:
    until = time.monotonic() + 50
    while True:
        try:
            connection = socket.create_connection((document["main"], port), source_address=(own, 0))
            break
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.02)
    connection.sendall(env["AWS_BATCH_JOB_NODE_INDEX"].encode())
print(json.dumps(document))
"""
MEETING = f"exec python3 -c {shlex.quote(MEET)}"
UNTIL_STOPPED = "sleep 60 & wait"


def said(service: Service, node: dict[str, Any]) -> dict[str, Any]:
    """The document that a node of MEET wrote."""
    (line,) = service.log(node)
    document: dict[str, Any] = json.loads(line)
    return document


def test_nodes_find_the_main_node_and_each_has_an_address(service: Service) -> None:
    """They connect to the address that they were given, each from its own; the main node is told none."""
    parent = service.wait(service.submit_nodes("meet", [("0:2", MEETING)]))
    nodes = service.nodes(parent)
    assert parent["status"] == "SUCCEEDED", [service.log(node) for node in nodes]
    main, *others = [said(service, node) for node in nodes]
    assert main["main"] is None
    assert {other["main"] for other in others} == {main["own"]}
    assert main["met"] == {str(index): other["own"] for index, other in enumerate(others, 1)}
    addresses = [node["container"]["networkInterfaces"][0]["privateIpv4Address"] for node in nodes]
    assert addresses == [main["own"], *(other["own"] for other in others)]
    assert len(set(addresses)) == 3


def test_the_main_node_may_be_another_than_the_first(service: Service) -> None:
    """Nodes are told which one it is, and their records say so."""
    parent = service.wait(service.submit_nodes("meet-last", [("0:2", MEETING)], main_node=2))
    assert parent["status"] == "SUCCEEDED"
    nodes = service.nodes(parent)
    assert [node["nodeDetails"]["isMainNode"] for node in nodes] == [False, False, True]
    assert sorted(said(service, nodes[2])["met"]) == ["0", "1"]


def test_a_submission_may_ask_for_more_nodes_and_other_variables(service: Service) -> None:
    """numNodes over an open range; each range has overrides of its own."""
    colours = [("0", "red"), ("1:", "blue")]
    overrides = [
        {"targetNodes": target, "containerOverrides": {"environment": [{"name": "COLOUR", "value": colour}]}}
        for target, colour in colours
    ]
    parent = service.wait(
        service.submit_nodes(
            "more",
            [("0", MEETING), ("1:", MEETING)],
            num_nodes=2,
            nodeOverrides={"numNodes": 4, "nodePropertyOverrides": overrides},
        )
    )
    assert (parent["status"], parent["nodeProperties"]["numNodes"]) == ("SUCCEEDED", 4)
    assert [said(service, node)["colour"] for node in service.nodes(parent)] == ["red", "blue", "blue", "blue"]


def test_the_main_nodes_end_is_the_jobs(service: Service) -> None:
    """The job has no container, and the attempt and times of its main node; it lists its nodes."""
    job_id = service.submit_nodes("records", [("0", "echo main; exit 3"), ("1:", UNTIL_STOPPED)])
    parent = service.wait(job_id)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", "Essential container in task exited")
    assert "container" not in parent
    assert [item["targetNodes"] for item in parent["nodeProperties"]["nodeRangeProperties"]] == ["0", "1:"]
    main = service.job(f"{job_id}#0")
    (attempt,) = parent["attempts"]
    assert attempt["container"]["exitCode"] == main["container"]["exitCode"] == 3
    assert attempt["container"]["logStreamName"] == main["container"]["logStreamName"]
    assert service.log(main) == ["main"]
    assert (parent["startedAt"], parent["stoppedAt"]) == (main["startedAt"], main["stoppedAt"])
    rows = service.call("ListJobs", "list_jobs", multiNodeJobId=job_id, jobStatus="FAILED")["jobSummaryList"]
    assert {"nodeIndex": 0, "isMainNode": True} in [row["nodeProperties"] for row in rows]


def test_the_main_nodes_failure_is_retried_with_all_nodes(service: Service) -> None:
    """Two attempts of the job, each with its main node's exit code."""
    nodes = [("0", 'test "$AWS_BATCH_JOB_ATTEMPT" = 2'), ("1:2", UNTIL_STOPPED)]
    parent = service.wait(service.submit_nodes("retried", nodes, retryStrategy={"attempts": 3}))
    assert parent["status"] == "SUCCEEDED"
    assert [attempt["container"]["exitCode"] for attempt in parent["attempts"]] == [1, 0]
    assert len({attempt["container"]["logStreamName"] for attempt in parent["attempts"]}) == 2


def test_another_nodes_failure_is_its_own_and_terminating_the_job_ends_all(service: Service) -> None:
    """The job runs on with its main node until somebody ends it."""
    job_id = service.submit_nodes("own-affair", [("0", UNTIL_STOPPED), ("1", "exit 5"), ("2", UNTIL_STOPPED)])
    nodes = [f"{job_id}#{index}" for index in range(3)]

    def states() -> list[str]:
        return [job["status"] for job in service.call("DescribeJobs", "describe_jobs", jobs=nodes)["jobs"]]

    service.until(states, lambda seen: seen == ["RUNNING", "FAILED", "RUNNING"])
    assert service.job(job_id)["status"] == "RUNNING"
    service.call("TerminateJob", "terminate_job", jobId=job_id, reason="seen enough")
    parent = service.wait(job_id)
    assert (parent["status"], parent["statusReason"], parent["isTerminated"]) == ("FAILED", "seen enough", True)
    ended = service.jobs(*nodes)
    assert [node["status"] for node in ended] == ["FAILED"] * 3
    assert ended[1]["container"]["exitCode"] == 5


def test_no_node_starts_before_there_is_room_for_all(service: Service) -> None:
    """The job is RUNNABLE and has no nodes until then."""
    service.call(
        "RegisterJobDefinition",
        "register_job_definition",
        jobDefinitionName="large",
        type="container",
        containerProperties={**node_container("sleep 60", vcpus=4), "image": IMAGE},
    )
    blockers = [
        service.call("SubmitJob", "submit_job", jobName="large", jobQueue="ec2", jobDefinition="large")["jobId"]
        for _ in range(2)
    ]
    for blocker in blockers:
        service.wait(blocker, "RUNNING")
    job_id = service.submit_nodes("gang", [("0:4", MEETING)], num_nodes=5)
    service.call("TerminateJob", "terminate_job", jobId=blockers[0], reason="make some room")
    service.wait(blockers[0])
    assert service.job(job_id)["status"] == "RUNNABLE"
    assert service.call("DescribeJobs", "describe_jobs", jobs=[f"{job_id}#0"])["jobs"] == []
    service.call("TerminateJob", "terminate_job", jobId=blockers[1], reason="make all the room")
    parent = service.wait(job_id)
    assert parent["status"] == "SUCCEEDED"
    assert len(service.nodes(parent)) == 5


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        ({"type": "FARGATE"}, "Fargate does not support MNP jobs"),
        (
            {"type": "SPOT", "allocationStrategy": "SPOT_CAPACITY_OPTIMIZED", "instanceTypes": ["m6i"]},
            "not supported on compute environments that use Spot Instances",
        ),
    ],
)
def test_nodes_run_on_demand_only(service: Service, resources: dict[str, Any], text: str) -> None:
    """Neither on Fargate nor on Spot."""
    name = f"not-for-nodes-{resources['type']}"
    machines = {"instanceRole": "arn:aws:iam::123456789012:instance-profile/nodes", "minvCpus": 0}
    common = {"maxvCpus": 4, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    service.call(
        "CreateComputeEnvironment",
        "create_compute_environment",
        computeEnvironmentName=name,
        type="MANAGED",
        computeResources={**common, **({} if resources["type"] == "FARGATE" else machines), **resources},
    )
    environments = order([name])
    service.call(
        "CreateJobQueue", "create_job_queue", jobQueueName=name, priority=1, computeEnvironmentOrder=environments
    )
    with pytest.raises(ClientError, match=text):
        service.submit_nodes(name, [("0:2", "true")], jobQueue=name)
