"""What only the process executor promises: the host's processes, files and variables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_batch.executors.process_table import pids
from tests.local_batch.executors.workshop import Workshop, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


def is_running(pid: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    return pid in set(pids())


def test_the_environment_is_the_containers_and_nothing_else(
    process_workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the server's leaks, least of all its keys."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    image = process_workshop.image('FROM base\nENV FROM_IMAGE="a b"\nCMD ["/usr/bin/env"]\n')
    process_workshop.start(image, environment={"FROM_WORK": "c=d"})
    root = tmp_path / "jobs" / "roots" / "1"
    variables = dict(text.split("=", 1) for text in process_workshop.end_of().texts)
    token = variables.pop("LOCAL_BATCH_ATTEMPT").removeprefix("job/1/")
    assert len(token) == 16
    assert variables == {
        "FROM_IMAGE": "a b",
        "FROM_WORK": "c=d",
        "HOME": str(root),
        "LANG": "C.UTF-8",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TMPDIR": str(root / "tmp"),
    }


def test_stdout_and_stderr_keep_their_common_order(process_workshop: Workshop) -> None:
    """They are one pipe: lines come in the order in which they were written, whichever of the two they went to."""
    outcome = process_workshop.run_shell("for i in 1 2 3; do echo out $i; echo err $i >&2; done")
    assert outcome.texts == ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"]


def test_python_is_the_one_that_the_local_cloud_runs_in(process_workshop: Workshop) -> None:
    """Its packages stand in for those that RUN would install."""
    image = process_workshop.image('FROM base\nCMD ["python", "-c", "import sys; print(sys.prefix)"]\n')
    process_workshop.start(image)
    assert process_workshop.end_of().texts == [sys.prefix]


def test_a_job_gets_no_descriptor_and_no_signal_setting_of_the_server(process_workshop: Workshop) -> None:
    """Three descriptors; Python ignores SIGPIPE, its children do not."""
    outcome = process_workshop.run_shell(
        # The shell itself reads: around the start of a program it blocks signals.
        "while read name bits; do case $name in Sig[BI]*) echo $name $bits;; esac; done < /proc/$$/status; "
        "ls /proc/$$/fd; "
        "readlink /proc/$$/fd/0; yes | head -1"
    )
    # Some shells keep a descriptor of their own beside the three. Signals 32 and 33 are the C library's.
    blocked, ignored = (int(text.split()[1], 16) for text in outcome.texts[:2])
    assert outcome.texts[2:5] == ["0", "1", "2"]
    assert ignored & ~(0b11 << 31) == blocked == 0
    assert outcome.texts[-2:] == ["/dev/null", "y"]


def test_the_directory_goes_after_success_and_stays_after_failure(process_workshop: Workshop, tmp_path: Path) -> None:
    """A failure is to be looked into."""
    process_workshop.shell("touch trace; exit 1")
    process_workshop.end_of()
    process_workshop.shell("touch trace", attempt=2)
    process_workshop.end_of(attempt=2)
    process_workshop.shell("touch trace", job_id="other")
    process_workshop.end_of("other")
    process_workshop.executor.close()
    assert sorted(str(path.relative_to(tmp_path / "jobs")) for path in (tmp_path / "jobs").rglob("*")) == [
        "job",
        "job/1",
        "roots",
        "roots/1",
        "roots/1/tmp",
        "roots/1/trace",
    ]
    assert (tmp_path / "jobs" / "job" / "1" / "trace").exists()


def test_a_job_writes_into_its_directory_not_into_the_image(process_workshop: Workshop, tmp_path: Path) -> None:
    """The copy of the image that is kept under its tag is never written to."""
    image = process_workshop.image(
        'FROM base\nWORKDIR /app\nCOPY seed .\nENTRYPOINT ["sh", "-c", "echo changed > seed; pwd; exit 1"]\n',
        files={"seed": "original"},
    )
    process_workshop.start(image)
    assert process_workshop.end_of().texts == [str((tmp_path / "jobs" / "job" / "1" / "app").resolve())]
    tag = image.rpartition(":")[2]
    assert (tmp_path / "images" / tag / "seed").read_text() == "original"
    assert (tmp_path / "jobs" / "job" / "1" / "app" / "seed").read_text() == "changed\n"


def test_a_result_named_in_an_argument_is_made_in_the_attempts_directory(
    process_workshop: Workshop, tmp_path: Path
) -> None:
    """A path below WORKDIR that does not exist yet is the container's; one that the image knows nothing of is not."""
    image = process_workshop.image('FROM base\nWORKDIR /data\nENTRYPOINT ["echo"]\n')
    process_workshop.start(
        image, "/data/result", "/bin/sh", "/absent/x", "/", "s3://bucket/data/x", "https://host/data/x"
    )
    root = tmp_path / "jobs" / "roots" / "1"
    assert process_workshop.end_of().texts == [
        f"{root}/data/result /bin/sh /absent/x / s3://bucket/data/x https://host/data/x"
    ]


@pytest.mark.parametrize(("job_id", "name"), [("parent:3", "parent.3"), ("parent#1", "parent.1")])
def test_a_failed_child_or_node_is_found_by_its_number(
    process_workshop: Workshop, tmp_path: Path, job_id: str, name: str
) -> None:
    """Without a colon, which no member of a search path may hold, and without what begins a comment."""
    process_workshop.shell("pwd; exit 1", job_id=job_id)
    assert process_workshop.end_of(job_id).texts == [str((tmp_path / "jobs" / name / "1").resolve())]


def test_a_running_job_can_be_looked_into(process_workshop: Workshop, tmp_path: Path) -> None:
    """Once it has run for a second; and when it has succeeded, nothing of it is left."""
    process_workshop.shell("echo here > trace; until [ -e tmp/go ]; do sleep 0.02; done")
    link = tmp_path / "jobs" / "job" / "1"
    eventually((link / "trace").exists)
    (link / "tmp" / "go").touch()
    assert process_workshop.end_of().exit_code == 0
    process_workshop.executor.close()
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    "escape",
    [
        "{nap} &",
        "setsid {nap} &",
        "(setsid {nap} </dev/null >/dev/null 2>&1 &)",
        "(setsid env -i {nap} </dev/null >/dev/null 2>&1 &)",
        "trap '' TERM HUP; (setsid sh -c 'while :; do {nap}; done' &)",
    ],
    ids=["group", "session", "daemon", "daemon without environment", "daemon that holds the pipe and ignores signals"],
)
def test_nothing_of_a_job_outlives_its_first_process(process_workshop: Workshop, escape: str) -> None:
    """As in a container; and the exit is reported only when all is gone."""
    # As long as no other test's sleeps, so that it can be told from theirs.
    nap = f"sleep {100_000 + os.getpid()}"
    process_workshop.shell(f"{escape.format(nap=nap)}\nsleep 0.2; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; exit 5")
    outcome = process_workshop.end_of()
    assert outcome.exit_code == 5
    assert nap in "".join(outcome.texts)
    assert [pid for pid in pids() if command_line(pid) == nap] == []


def command_line(pid: int) -> str:
    """A process's arguments; empty once it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    except OSError:
        return ""


def test_stop_kills_what_left_the_process_group(process_workshop: Workshop) -> None:
    """After the grace, whatever ignores SIGTERM wherever it went."""
    process_workshop.shell(
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo pid $$; while :; do sleep 0.1; done' & wait"
    )
    escapee = int(process_workshop.reporter.line_of("job", 1, "pid "))
    process_workshop.executor.stop("job", 1, grace_seconds=0.1)
    assert process_workshop.end_of().exit_code == 137
    assert not is_running(escapee)


def test_close_kills_what_left_the_process_group(process_workshop: Workshop) -> None:
    """Nothing is left behind when the local cloud is taken down."""
    process_workshop.shell("setsid sh -c 'echo pid $$; sleep 60' & wait")
    escapee = int(process_workshop.reporter.line_of("job", 1, "pid "))
    process_workshop.executor.close()
    assert not is_running(escapee)


def test_children_of_others_in_this_process_are_left_alone(process_workshop: Workshop) -> None:
    """The emulator and asyncio have children too: they are neither killed nor reaped."""
    with subprocess.Popen(["sleep", "60"]) as living, subprocess.Popen(["sh", "-c", "exit 7"]) as ended:
        for attempt in (1, 2):
            process_workshop.shell("sleep 0.5 & exit 0", attempt=attempt)
            assert process_workshop.end_of(attempt=attempt).exit_code == 0
        assert ended.wait() == 7
        assert living.poll() is None
        living.kill()


def test_orphans_of_a_running_job_are_reaped(process_workshop: Workshop) -> None:
    """They become children of the local cloud, and must not pile up as zombies while the job runs."""
    process_workshop.shell("(sleep 0.1 & echo pid $!); sleep 60")
    orphan = int(process_workshop.reporter.line_of("job", 1, "pid "))
    eventually(lambda: not is_running(orphan))
    assert "exited" not in process_workshop.reporter.calls_about("job", 1)


def test_a_job_that_closes_its_output_is_still_followed(process_workshop: Workshop) -> None:
    """The end of output is not the end of the job."""
    outcome = process_workshop.run_shell("echo last; exec >/dev/null 2>&1; sleep 0.2; exit 6")
    assert (outcome.texts, outcome.exit_code) == (["last"], 6)


def test_a_pipe_that_was_handed_to_a_stranger_does_not_hold_up_the_end(process_workshop: Workshop) -> None:
    """Somebody outside of the job opened its output: the job ends all the same."""
    process_workshop.shell("echo pid $$; sleep 0.5; echo said")
    pid = process_workshop.reporter.line_of("job", 1, "pid ")
    with Path(f"/proc/{pid}/fd/1").open("wb"):
        outcome = process_workshop.end_of()
    assert outcome.texts[1:] == ["said"]
    assert outcome.exit_code == 0


def test_a_script_whose_interpreter_is_missing_says_so(process_workshop: Workshop) -> None:
    """The commonest surprise of running an image's script on the host."""
    image = process_workshop.image(
        'FROM base\nWORKDIR /app\nCOPY --chmod=755 run .\nENTRYPOINT ["./run"]\n',
        files={"run": "#!/opt/absent/python\n"},
    )
    process_workshop.start(image)
    assert process_workshop.end_of().start_failure == (
        'CannotStartContainerError: exec: "./run": no such file or directory; the interpreter that its first line '
        "names is not on this machine"
    )


@pytest.mark.parametrize(("argument", "text"), [("a\0b", "holds no NUL byte"), ("\ud800", "surrogates not allowed")])
def test_an_argument_that_no_process_can_be_given_fails_the_start(
    process_workshop: Workshop, argument: str, text: str
) -> None:
    """JSON can say what a process's arguments cannot."""
    process_workshop.start(process_workshop.image('FROM base\nENTRYPOINT ["echo"]\n'), argument)
    failure = process_workshop.end_of().start_failure
    assert failure is not None
    assert failure.startswith('CannotStartContainerError: exec: "echo": ')
    assert text in failure


def test_a_stop_does_not_overtake_its_start(process_workshop: Workshop) -> None:
    """However long the start takes, and whatever waits before it."""
    for number in range(30):
        process_workshop.shell("sleep 60", job_id=f"job-{number}")
    for number in range(30):
        process_workshop.executor.stop(f"job-{number}", 1, grace_seconds=0)
    for number in range(30):
        assert process_workshop.end_of(f"job-{number}").exit_code in {137, 143}


def test_an_image_that_cannot_be_honoured_names_file_and_line(process_workshop: Workshop, tmp_path: Path) -> None:
    """The attempt fails with what the Dockerfile's author must change."""
    image = process_workshop.image('FROM base\nSTOPSIGNAL SIGINT\nCMD ["true"]\n')
    process_workshop.start(image)
    folder = tmp_path / "images" / image.rpartition(":")[2]
    assert process_workshop.end_of().start_failure == (
        f"CannotCreateContainerError: {folder}/Dockerfile:2: jobs are stopped by SIGTERM here, got 'SIGINT'; "
        "remove STOPSIGNAL and handle SIGTERM"
    )
