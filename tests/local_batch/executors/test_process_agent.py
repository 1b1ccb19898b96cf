"""The process that runs jobs: what it costs, and what becomes of jobs when it is lost."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from local_batch.executors import process
from local_batch.executors.marker import AGENT_VARIABLE, directory_token
from local_batch.executors.memory_watch import OUT_OF_MEMORY
from local_batch.executors.process_table import environment_of, pids, stat_of
from local_batch.executors.work import PLAIN, AttemptWork, ContainerOptions, Ulimit
from tests.local_batch.executors.workshop import Workshop, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the agent through /proc")

SHELL = 'FROM base\nENTRYPOINT ["/bin/sh", "-c"]\n'


def agent_of(tmp_path: Path) -> int:
    """The pid of the agent of the workshop in this directory: in the midst of its start it has no environment yet."""
    token = directory_token(tmp_path / "jobs").encode()
    while True:
        for pid in pids():
            stat = stat_of(pid)
            if stat is not None and not stat.is_zombie and environment_of(pid).get(AGENT_VARIABLE.encode()) == token:
                return pid


def is_running(pid: int) -> bool:
    """Whether there is such a process; a zombie is for whoever adopted it to reap."""
    stat = stat_of(pid)
    return stat is not None and not stat.is_zombie


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_an_attempt_whose_agent_is_killed_is_ended_and_says_why(process_workshop: Workshop, tmp_path: Path) -> None:
    """With all its processes; and the next attempt is run by another agent."""
    process_workshop.shell("trap '' TERM; setsid sh -c 'echo pid $$; exec sleep 60' & echo pid $$; wait; sleep 60")
    process_workshop.reporter.line_of("job", 1, "pid ")
    agent = agent_of(tmp_path)
    os.kill(agent, signal.SIGKILL)
    outcome = process_workshop.end_of()
    assert (outcome.exit_code, outcome.reason) == (
        255,
        "The exit status was lost: the process that runs jobs ended with -9",
    )
    assert not any(is_running(int(text.removeprefix("pid "))) for text in outcome.texts)
    process_workshop.shell("echo again", attempt=2)
    assert process_workshop.end_of(attempt=2).texts == ["again"]
    assert agent_of(tmp_path) != agent


def test_attempts_that_a_lost_agent_had_not_started_fail_to_start(process_workshop: Workshop, tmp_path: Path) -> None:
    """Each is answered: nobody knows how far it got."""
    process_workshop.shell("exit 0")
    process_workshop.end_of()
    agent = agent_of(tmp_path)
    os.kill(agent, signal.SIGSTOP)
    for number in range(20):
        process_workshop.shell("sleep 60", job_id=f"job-{number}")
    os.kill(agent, signal.SIGKILL)
    for number in range(20):
        assert process_workshop.end_of(f"job-{number}").start_failure == (
            "CannotStartContainerError: the process that runs jobs ended with -9; submit the job again"
        )


def test_an_agent_that_is_killed_while_it_closes_holds_nothing_up(process_workshop: Workshop, tmp_path: Path) -> None:
    """What it left is ended here."""
    process_workshop.shell("echo pid $$; exec sleep 60")
    pid = int(process_workshop.reporter.line_of("job", 1, "pid "))
    agent = agent_of(tmp_path)
    os.kill(agent, signal.SIGSTOP)
    os.kill(agent, signal.SIGKILL)
    process_workshop.executor.close()
    assert not is_running(pid)
    assert process_workshop.end_of().exit_code == 255


def test_attempts_cost_no_descriptor_once_they_have_ended(process_workshop: Workshop, tmp_path: Path) -> None:
    """Neither here nor in the agent, however they ended."""
    image = process_workshop.image(SHELL)

    def run(first: int) -> None:
        for number in range(first, first + 40):
            script = ("exit 1", "echo line", "kill -9 $$", "sleep 60")[number % 4]
            process_workshop.start(image, script, job_id=f"job-{number}")
            if number % 4 == 3:
                process_workshop.executor.stop(f"job-{number}", 1, grace_seconds=0)
        process_workshop.start(process_workshop.image("FROM base\n", name="none"), job_id=f"none-{first}")
        process_workshop.end_of(f"none-{first}")
        for number in range(first, first + 40):
            process_workshop.end_of(f"job-{number}")

    run(0)
    agent = agent_of(tmp_path)
    before = (descriptors(os.getpid()), descriptors(agent))
    run(40)
    # Roots are removed after the end is reported.
    eventually(lambda: (descriptors(os.getpid()), descriptors(agent)) <= before)


@pytest.mark.parametrize("options", [PLAIN, ContainerOptions(ulimits=(Ulimit("core", 0, 0),))], ids=["plain", "limits"])
def test_attempts_beyond_the_agents_descriptors_wait_for_others_to_end(
    process_workshop: Workshop, tmp_path: Path, options: ContainerOptions
) -> None:
    """None fails, in whatever number they are handed over."""
    process_workshop.shell("exit 0")
    process_workshop.end_of()
    resource.prlimit(agent_of(tmp_path), resource.RLIMIT_NOFILE, (40, 40))
    image = process_workshop.image(SHELL)
    names = [f"job-{number}" for number in range(150)]
    process_workshop.executor.start(
        [
            AttemptWork(name, 1, image, ("sleep 0.1; echo done",), {}, vcpus=1, memory_mib=64, options=options)
            for name in names
        ]
    )
    for name in names:
        outcome = process_workshop.end_of(name)
        assert (outcome.start_failure, outcome.exit_code, outcome.texts) == (None, 0, ["done"])


def test_memory_is_watched_at_the_limit_of_descriptors(process_workshop: Workshop, tmp_path: Path) -> None:
    """Enough of them are kept free for that."""
    process_workshop.shell("exit 0")
    process_workshop.end_of()
    resource.prlimit(agent_of(tmp_path), resource.RLIMIT_NOFILE, (40, 40))
    image = process_workshop.image(SHELL)
    hog = "exec python -c 'import time; x = bytearray(300 << 20); time.sleep(60)'"
    process_workshop.executor.start(
        [
            AttemptWork(name, 1, image, (script,), {}, vcpus=1, memory_mib=64)
            for name, script in (("hog", hog), *((f"job-{number}", "exec sleep 60") for number in range(60)))
        ]
    )
    outcome = process_workshop.end_of("hog")
    assert (outcome.exit_code, outcome.reason) == (137, OUT_OF_MEMORY)


def test_an_agent_that_cannot_be_replaced_at_once_is_replaced_later(
    process_workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong meanwhile."""
    process_workshop.shell("exit 0")
    process_workshop.end_of()
    failures = iter([ValueError("not of this world"), OSError("no more processes")])

    def end_leftovers(_: Path) -> None:
        if failure := next(failures, None):
            raise failure

    monkeypatch.setattr(process, "_AGENT_SECONDS", 0.01)
    monkeypatch.setattr(process, "end_leftovers", end_leftovers)
    attempts = itertools.count(2)

    def is_run() -> bool:
        attempt = next(attempts)
        process_workshop.shell("echo again", attempt=attempt)
        return process_workshop.end_of(attempt=attempt).texts == ["again"]

    os.kill(agent_of(tmp_path), signal.SIGKILL)
    eventually(is_run)
    assert next(failures, None) is None


def test_an_agent_without_descriptors_says_what_to_raise(process_workshop: Workshop, tmp_path: Path) -> None:
    """Where nothing runs whose end could be waited for."""
    process_workshop.shell("exit 0")
    process_workshop.end_of()
    resource.prlimit(agent_of(tmp_path), resource.RLIMIT_NOFILE, (3, 40))
    process_workshop.shell("exit 0", attempt=2)
    failure = process_workshop.end_of(attempt=2).start_failure
    assert failure == "CannotCreateContainerError: Too many open files; raise the limit (ulimit -n)"


def test_a_stop_reaches_an_attempt_that_waits_for_its_start(process_workshop: Workshop, tmp_path: Path) -> None:
    """It is started and stopped at once."""
    process_workshop.shell("exit 0")
    process_workshop.end_of()
    resource.prlimit(agent_of(tmp_path), resource.RLIMIT_NOFILE, (20, 20))
    image = process_workshop.image(SHELL)
    names = [f"job-{number}" for number in range(40)]
    process_workshop.executor.start(
        [AttemptWork(name, 1, image, ("exec sleep 60",), {}, vcpus=1, memory_mib=64) for name in names]
    )
    for name in names:
        process_workshop.executor.stop(name, 1, grace_seconds=30)
    assert {process_workshop.end_of(name).exit_code for name in names} == {143}
