"""Plain dependencies between jobs of every kind; life_of_a_job has those between single jobs."""

from __future__ import annotations

from local_batch.engine import events
from local_batch.engine.lifecycle import DEPENDENCY_FAILED
from local_batch.engine.states import JobStatus
from tests.local_batch.engine.cloud import HIGH, NORMAL, Cloud, job_spec, node_job, started

S = JobStatus


def test_a_dependency_on_an_array_waits_for_all_of_it() -> None:
    """The last child's end releases the dependent."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=2))
    cloud.submit(job_spec("b", depends_on=("a",)))
    assert started(cloud.run("a:0")) == []
    assert started(cloud.run("a:1")) == ["b"]


def test_a_dependency_on_an_array_with_a_failed_child_fails_with_the_array() -> None:
    """Not before: the array itself ends when all its children have."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=2))
    cloud.submit(job_spec("b", depends_on=("a",)))
    cloud.run("a:0", exit_code=1)
    assert cloud.status("b") is S.PENDING
    cloud.run("a:1")
    assert (cloud.status("b"), cloud.job("b").status_reason) == (S.FAILED, DEPENDENCY_FAILED)


def test_a_job_may_depend_on_one_child() -> None:
    """`uuid:1` is a job like others."""
    cloud = Cloud()
    cloud.submit(job_spec("a", array_size=2))
    cloud.submit(job_spec("b", depends_on=("a:1",)))
    assert started(cloud.run("a:1")) == ["b"]
    assert started(cloud.submit(job_spec("c", depends_on=("a:1",)))) == ["c"]


def test_a_job_may_depend_on_a_multi_node_parallel_job() -> None:
    """It goes when the whole job has ended, not when its main node has."""
    cloud = Cloud()
    cloud.submit(node_job("n", nodes=2))
    cloud.submit(job_spec("b", depends_on=("n",)))
    cloud.start("n#0")
    cloud.start("n#1")
    assert started(cloud.exit("n#0")) == []
    assert started(cloud.exit("n#1", 143)) == ["b"]


def test_a_multi_node_parallel_job_waits_for_its_dependencies() -> None:
    """PENDING, without nodes; then all its nodes' room is taken."""
    cloud = Cloud()
    cloud.submit(job_spec("a"))
    cloud.submit(node_job("n", nodes=2, depends_on=("a",)))
    assert (cloud.status("n"), cloud.job("n").children) == (S.PENDING, None)
    assert started(cloud.run("a")) == ["n#0"]


def test_dependencies_reach_across_queues() -> None:
    """A job of one queue waits for a job of another."""
    cloud = Cloud()
    cloud.submit(job_spec("a", queue=NORMAL))
    cloud.submit(job_spec("b", queue=HIGH, depends_on=("a",)))
    assert started(cloud.run("a")) == ["b"]


def test_the_end_of_a_diamond_runs_once() -> None:
    """Two ways to the same job: it is released by the second, once."""
    cloud = Cloud()
    cloud.submit(job_spec("top"))
    for name in ("left", "right"):
        cloud.submit(job_spec(name, depends_on=("top",)))
    cloud.submit(job_spec("bottom", depends_on=("left", "right", "top")))
    assert started(cloud.run("top")) == ["left", "right"]
    assert started(cloud.run("left")) == []
    assert started(cloud.run("right")) == ["bottom"]


def test_one_failed_dependency_is_enough() -> None:
    """The job fails at once; the end of its other dependency means nothing to it."""
    cloud = Cloud()
    for name in ("a", "b"):
        cloud.submit(job_spec(name))
    cloud.submit(job_spec("c", depends_on=("a", "b")))
    cloud.run("a", exit_code=1)
    assert cloud.status("c") is S.FAILED
    cloud.run("b")
    assert (cloud.status("c"), cloud.job("c").status_reason) == (S.FAILED, DEPENDENCY_FAILED)


def test_a_cancelled_job_waits_for_all_its_dependencies() -> None:
    """A failed one does not end it early, and the caller's reason stands."""
    cloud = Cloud()
    for name in ("a", "b"):
        cloud.submit(job_spec(name))
    cloud.submit(job_spec("c", depends_on=("a", "b")))
    cloud.happen(events.CancelRequested("c", "enough"))
    cloud.run("a", exit_code=1)
    assert cloud.status("c") is S.PENDING
    cloud.run("b")
    assert (cloud.status("c"), cloud.job("c").status_reason) == (S.FAILED, "enough")


def test_dependents_of_a_deleted_queues_jobs_fail() -> None:
    """Those of the same queue say that the queue is gone, those of others that their dependency failed."""
    cloud = Cloud(fargate_vcpus=1)
    cloud.submit(job_spec("busy", queue=HIGH))
    cloud.submit(job_spec("a"))
    cloud.submit(job_spec("same", depends_on=("a",)))
    cloud.submit(job_spec("other", queue=HIGH, depends_on=("a",)))
    cloud.happen(events.JobQueueDeleted(NORMAL))
    reasons = [cloud.job(name).status_reason for name in ("a", "same", "other")]
    assert reasons == ["JobQueue deleted", "JobQueue deleted", DEPENDENCY_FAILED]
