"""Tasks with nodes: what is sent for them, what is refused, and where they can run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batch_limits import MAX_NODES
from runner import batch_facts, placement
from runner.errors import InputError
from runner.outside_jobs import check_outside_jobs
from runner.places import Places
from runner.requests import overrides_characters, with_dependencies
from runner.workflow import Workflow
from runner.workflow_file import parse
from tests.runner.fake_aws import FakeEc2, definition, deployed_batch, multinode_definition
from tests.runner.fake_batch import FakeBatch, arn
from tests.runner.planned import RUN_ID, declared, planned
from tests.runner.service_model import check_request

JOB_ID = "11111111-0000-4000-8000-000000000001"
HOSTNAME = {"program": "hostname"}


def refusal(**task: Any) -> str:
    """What is said of a task before it is placed."""
    with pytest.raises(InputError) as caught:
        planned({"t": task})
    return str(caught.value)


def placed(batch: FakeBatch, **task: Any) -> str | None:
    """What is said of a task's place; None where it has one."""
    jobs = planned({"t": task}).jobs
    facts = batch_facts.fetch(
        batch, FakeEc2(), [job.request["jobQueue"] for job in jobs], [job.request["jobDefinition"] for job in jobs]
    )
    try:
        placement.check(jobs, facts, Places("w.yaml"))
    except InputError as error:
        return str(error).removeprefix("w.yaml: tasks.t: ")
    return None


def with_definition(*ranges: str, **changes: Any) -> FakeBatch:
    """Batch with another multi-node definition, `two:1`, or `closed:1` where it has no open range."""
    name = "two" if any(text.endswith(":") for text in ranges) else "closed"
    batch = deployed_batch()
    batch.definitions.append(multinode_definition(name, *ranges, **changes))
    return batch


def test_a_task_with_every_key_becomes_exactly_this_request(tmp_path: Path) -> None:
    """For queue and definition `mpi`, though the defaults name others; the service's model allows it."""
    (tmp_path / "hello.c").write_text("int main(void) { return 0; }\n")
    made = planned(
        {
            "full": {
                "program": str(tmp_path / "hello.c"),
                "command": ["-x", "${run_id}", 3],
                "nodes": 3,
                "ranks_per_node": 2,
                "flags": "-O2 -DRUN=${task}",
                "label": "rank",
                "on_main": True,
                "environment": {"A": "${bucket}"},
                "vcpus": 2,
                "memory_mib": 1024,
                "retries": {"attempts": 2},
                "timeout_seconds": 90,
                "after": [JOB_ID],
            }
        }
    )
    (job,) = made.jobs
    command = job.request["nodeOverrides"]["nodePropertyOverrides"][0]["containerOverrides"]["command"]
    assert command[1].startswith("s3://bucket/programs/")
    assert command[1].endswith(".tar.gz")
    assert with_dependencies(job.request, job.task.after) == {
        "jobName": f"{RUN_ID}-full",
        "jobQueue": arn("job-queue", "mpi-queue"),
        "jobDefinition": arn("job-definition", "mpi:1"),
        "nodeOverrides": {
            "numNodes": 3,
            "nodePropertyOverrides": [
                {
                    "targetNodes": "0:",
                    "containerOverrides": {
                        "command": [
                            "--bundle",
                            command[1],
                            "-p",
                            "2",
                            "--label",
                            "rank",
                            "--results",
                            f"s3://bucket/results/{RUN_ID}/full/",
                            "--flags=-O2 -DRUN=full",
                            "--on-main",
                            "--",
                            "hello.c",
                            "-x",
                            RUN_ID,
                            "3",
                        ],
                        "environment": [{"name": "A", "value": "bucket"}],
                        "resourceRequirements": [
                            {"type": "VCPU", "value": "2"},
                            {"type": "MEMORY", "value": "1024"},
                        ],
                    },
                }
            ],
        },
        "retryStrategy": {"attempts": 2},
        "timeout": {"attemptDurationSeconds": 90},
        "tags": {"cloud-hpc:deployment": "CloudHpc", "cloud-hpc:run": RUN_ID},
        "dependsOn": [{"jobId": JOB_ID}],
    }
    check_request("batch", "SubmitJob", with_dependencies(job.request, job.task.after))


def test_every_range_of_the_definition_is_overridden_by_its_own_text() -> None:
    """A range that is left out would run the definition's command."""
    request = planned({"t": {**HOSTNAME, "nodes": 4, "job_definition": "two:1"}}).jobs[0].request
    ranges = request["nodeOverrides"]["nodePropertyOverrides"]
    assert [entry["targetNodes"] for entry in ranges] == ["0:", "0:0"]
    assert ranges[0]["containerOverrides"] == ranges[1]["containerOverrides"]
    check_request("batch", "SubmitJob", dict(request))


def test_a_program_alone_runs_on_one_node_and_nodes_alone_run_the_definitions_own_command() -> None:
    """What is left out is left to the definition."""
    assert planned({"t": HOSTNAME}).jobs[0].request["nodeOverrides"]["numNodes"] == 1
    assert planned({"t": {"nodes": 2}}).jobs[0].request["nodeOverrides"] == {"numNodes": 2}
    raw = planned({"t": {"nodes": 2, "command": ["x"]}}).jobs[0].request["nodeOverrides"]["nodePropertyOverrides"]
    assert raw == [{"targetNodes": "0:", "containerOverrides": {"command": ["x"]}}]


def test_a_definition_without_an_open_range_has_its_own_number_of_nodes() -> None:
    """Batch takes no number for it, not even the same."""
    request = planned({"t": {**HOSTNAME, "nodes": 4, "job_definition": "closed:1"}}).jobs[0].request
    assert "numNodes" not in request["nodeOverrides"]
    check_request("batch", "SubmitJob", dict(request))


def test_defaults_for_container_tasks_do_not_reach_tasks_with_nodes() -> None:
    """Where they run, that is; the rest holds for all."""
    made = Workflow("w", defaults={"job_definition": "dopi", "queue": "high", "timeout_seconds": 60})
    made.task("a", program="hostname")
    made.task("b", nodes=2, queue="other", job_definition="mine")
    made.task("c")
    tasks = [group.task for group in made.graph().groups]
    assert [(task.queue, task.job_definition) for task in tasks] == [
        ("mpi", "mpi"),
        ("other", "mine"),
        ("high", "dopi"),
    ]
    assert {task.timeout_seconds for task in tasks} == {60}


def test_yaml_of_a_workflow_with_programs_declares_the_same() -> None:
    """Every key survives the way through a file."""
    made = Workflow("w")
    made.task("a", program="x.c", nodes=2, ranks_per_node=3, files=["y.h"], flags="-O3", label="none", on_main=True)
    made.task("b", needs=["a"], after=[JOB_ID], program="hostname", foreach={"n": [1, 2]})
    assert declared(parse(made.to_yaml(), "w.yaml").graph()) == declared(made.graph())


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"nodes": 0, **HOSTNAME}, "tasks.t.nodes: is greater than or equal to 1, got 0"),
        ({"nodes": MAX_NODES + 1, **HOSTNAME}, f"less than or equal to {MAX_NODES}, got {MAX_NODES + 1}"),
        ({"ranks_per_node": 0, **HOSTNAME}, "tasks.t.ranks_per_node: "),
        ({"program": ""}, "tasks.t.program: is a path or a program's name, got ''"),
        ({"label": "host", **HOSTNAME}, "tasks.t.label: is 'node', 'rank' or 'none', got 'host'"),
        (
            {"after": ["x"], **HOSTNAME},
            "tasks.t.after[0]: is the id of a job, 36 characters, with :INDEX for one child",
        ),
        ({"ranks_per_node": 2}, "tasks.t.ranks_per_node: belongs to an MPI program, got no 'program'; name it, or"),
        ({"nodes": 2, "files": ["x"]}, "tasks.t.files: belongs to an MPI program, got no 'program'"),
        ({"program": "${no}"}, "tasks.t.program: names a value that is known here, got '${no}'"),
        ({"files": ["a", "${no}"], **HOSTNAME}, "tasks.t.files[1]: names a value that is known here"),
        ({"flags": "${no}", **HOSTNAME}, "tasks.t.flags: names a value that is known here"),
        ({"program": "no/such.c"}, "tasks.t.program: is a file or directory here"),
        ({"flags": "-DK=AKIAQ3EXAMPLE7EXAMPL", **HOSTNAME}, "a request carries no credential"),  # allowed: test value
        ({"command": ["--password", "hunter22"], **HOSTNAME}, "a request carries no credential"),
        ({"environment": {"TOKEN": "abc"}, **HOSTNAME}, "a request carries no credential"),
    ],
)
def test_wrong_keys_are_named(task: dict[str, Any], expected: str) -> None:
    """With the rule and the value got."""
    assert expected in refusal(**task)


def test_characters_are_counted_for_each_range_and_bytes_for_all() -> None:
    """The first limit is ECS's for one task, the second Batch's for one call."""
    empty = overrides_characters(planned({"t": {**HOSTNAME, "command": ["x"]}}).jobs[0].request)
    fits = "x" * (8192 - empty + 1)
    two = {**HOSTNAME, "job_definition": "two:1"}
    assert overrides_characters(planned({"t": {**two, "command": [fits]}}).jobs[0].request) == 8192
    assert "at most 8192 characters of JSON (ECS API_RunTask), task 't' got 8193" in refusal(
        **two, command=[f"{fits}x"]
    )
    assert "a SubmitJob request has at most 30720 bytes" in refusal(**two, command=["ü" * 4000])


def test_jobs_outside_count_as_dependencies() -> None:
    """Batch does not tell them apart."""
    others = [f"{JOB_ID[:-2]}{number:02}" for number in range(20)]
    assert len(planned({"t": {**HOSTNAME, "after": others}}).jobs[0].task.after) == 20
    with pytest.raises(InputError, match=r"a job waits for at most 19 jobs outside the workflow .* 't' got 20; leave"):
        planned({"s": {}, "t": {**HOSTNAME, "after": others, "needs": ["s"]}})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("RUNNING", None),
        ("SUCCEEDED", None),
        ("FAILED", "is the id of a job that may still succeed, got '{}', which FAILED; correct it"),
        (None, "is the id of a job that Batch knows, which it does until a week after its end, got '{}'"),
    ],
)
def test_a_job_outside_must_be_one_that_can_succeed(status: str | None, expected: str | None) -> None:
    """Batch would take the submission and fail it, or refuse it half-way."""
    batch = FakeBatch()
    job_id = batch.submit_job(jobName="x", jobQueue="q", jobDefinition="d")["jobId"]
    batch.jobs[job_id].is_still = True
    batch.jobs[job_id].detail["status"] = status or ""
    wanted = JOB_ID if status is None else job_id
    jobs = planned({"t": {**HOSTNAME, "after": [wanted]}}).jobs
    if expected is None:
        check_outside_jobs(jobs, batch, Places("w.yaml"))
    else:
        with pytest.raises(InputError) as caught:
            check_outside_jobs(jobs, batch, Places("w.yaml"))
        assert str(caught.value).startswith(f"w.yaml: tasks.t.after[0]: {expected.format(wanted)}")


@pytest.mark.parametrize(
    ("batch", "task"),
    [
        (deployed_batch(), {"nodes": 1}),
        (deployed_batch(), {"nodes": 4, "vcpus": 2, "memory_mib": 3891}),
        (deployed_batch(), {"nodes": 2, "queue": "ec2", "vcpus": 16}),
        (with_definition("0:", "0:0"), {"nodes": 3, "job_definition": "two:1"}),
        (with_definition("0:0", "1:3", nodes=4), {"nodes": 4, "job_definition": "closed:1"}),
        (with_definition("0:", instanceType="c6i.large"), {"nodes": 2, "job_definition": "two:1"}),
        (with_definition("0:", instanceType="m6i.4xlarge"), {"nodes": 2, "queue": "ec2", "job_definition": "two:1"}),
    ],
)
def test_nodes_that_some_environment_holds_all_at_once_pass(batch: FakeBatch, task: dict[str, Any]) -> None:
    """Up to its maximum of vCPUs."""
    assert placed(batch, **HOSTNAME, **task) is None


@pytest.mark.parametrize(
    ("batch", "task", "expected"),
    [
        (
            deployed_batch(),
            {"nodes": 5},
            "cluster has at most 8 vCPUs in all, and 5 of c6i.large have 10; change queue",
        ),
        (deployed_batch(), {"nodes": 2, "memory_mib": 3892}, "can hold a job of 2 nodes, each of 2 vCPUs and 3892 MiB"),
        (
            deployed_batch(),
            {"vcpus": 3},
            "can hold a job of 1 node, each of 3 vCPUs and 2048 MiB, got none: cluster has",
        ),
        (deployed_batch(), {"vcpus": 1.5}, "cluster is EC2, which gives whole vCPUs, not 1.5"),
        (deployed_batch(), {"queue": "high"}, "fargate is FARGATE, and nodes run on on-demand instances of EC2 only"),
        (
            deployed_batch(),
            {"job_definition": "dopi"},
            "a task with nodes or a program runs a job definition of type multinode, got 'dopi' of type container",
        ),
        (
            with_definition("0:0", "1:"),
            {"job_definition": "two:1"},
            "got 1 with ranges 0:0, 1: and main node 0 of two:1",
        ),
        (with_definition("0:", main=2, nodes=3), {"nodes": 2, "job_definition": "two:1"}, "use 3 nodes or more"),
        (
            with_definition("0:0", "1:3", nodes=4),
            {"nodes": 3, "job_definition": "closed:1"},
            "got closed:1 for 4 nodes with ranges 0:0, 1:3, and 3; use 4, or a definition with an open range",
        ),
        (
            with_definition("0:", instanceType="m6i.4xlarge"),
            {"job_definition": "two:1"},
            "cluster has not the instance type m6i.4xlarge of nodes 0:",
        ),
        (
            with_definition("0:", instanceType="x1.32xlarge"),
            {"job_definition": "two:1"},
            "cluster has instance types that EC2 does not know (x1.32xlarge)",
        ),
    ],
)
def test_nodes_that_none_can_hold_are_named_with_their_numbers(
    batch: FakeBatch, task: dict[str, Any], expected: str
) -> None:
    """Batch would let the job wait for ever, or refuse it after others were submitted."""
    said = placed(batch, **HOSTNAME, **task)
    assert said is not None
    assert expected in said


def test_nodes_do_not_run_on_spot() -> None:
    """Batch makes such a job wait in RUNNABLE for ever."""
    batch = deployed_batch()
    batch.environments[arn("compute-environment", "cluster")]["computeResources"]["type"] = "SPOT"
    assert "cluster is SPOT, and nodes run on on-demand" in str(placed(batch, **HOSTNAME))


def test_all_ranges_need_one_instance_type_together() -> None:
    """Each alone would fit another."""
    batch = with_definition("0:", "0:0")
    first, second = batch.definitions[-1]["nodeProperties"]["nodeRangeProperties"]
    first["container"]["runtimePlatform"] = {"cpuArchitecture": "ARM64"}
    second["container"]["runtimePlatform"] = {"cpuArchitecture": "X86_64"}
    cluster = batch.environments[arn("compute-environment", "cluster")]
    cluster["computeResources"]["instanceTypes"] = ["c6i.large", "m6g.large"]
    said = placed(batch, **HOSTNAME, nodes=2, job_definition="two:1")
    assert said is not None
    assert "cluster has no instance type of architecture X86_64" in said


def test_a_container_task_needs_a_container_definition() -> None:
    """And is told how to become one with nodes."""
    batch = deployed_batch()
    batch.definitions.append(definition("other"))
    assert "got 'mpi' of type multinode; use another, or add 'nodes'" in str(placed(batch, job_definition="mpi"))
