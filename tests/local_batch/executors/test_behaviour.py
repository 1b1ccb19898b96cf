"""What every executor does: nothing here knows which one it is."""

from __future__ import annotations

import time

import pytest

from local_batch.executors.work import ContainerOptions
from tests.local_batch.executors.workshop import Workshop


def test_output_and_exit_code_are_reported_in_order(workshop: Workshop) -> None:
    """Started, then the lines, then the exit; nothing twice."""
    outcome = workshop.run_shell("echo one; echo two; exit 3")
    assert outcome.texts == ["one", "two"]
    assert (outcome.exit_code, outcome.reason) == (3, None)
    assert [call for call in outcome.calls if call != "logged"] == ["started", "exited"]
    assert outcome.calls[-1] == "exited"


def test_a_silent_success_reports_no_lines(workshop: Workshop) -> None:
    """No line, no call about lines."""
    outcome = workshop.run_shell(":")
    assert outcome.calls == ["started", "exited"]
    assert outcome.exit_code == 0


@pytest.mark.parametrize(("signal", "code"), [("TERM", 143), ("KILL", 137), ("SEGV", 139)])
def test_an_end_by_signal_is_128_and_its_number(workshop: Workshop, signal: str, code: int) -> None:
    """As a shell and Docker have it. Not the first process of a container, which the kernel spares its own signals."""
    outcome = workshop.run_shell(f"kill -{signal} $$", options=ContainerOptions(init=True))
    assert (outcome.exit_code, outcome.reason) == (code, None)


def test_stdout_and_stderr_are_one_stream(workshop: Workshop) -> None:
    """Lines of each keep the order in which they were written."""
    outcome = workshop.run_shell("for i in 1 2 3; do echo out $i; echo err $i >&2; done")
    assert [text for text in outcome.texts if text.startswith("out")] == ["out 1", "out 2", "out 3"]
    assert [text for text in outcome.texts if text.startswith("err")] == ["err 1", "err 2", "err 3"]
    assert len(outcome.texts) == 6


def test_the_last_line_needs_no_newline(workshop: Workshop) -> None:
    """What a program printed last is what one most wants to see."""
    assert workshop.run_shell("echo whole; printf partial").texts == ["whole", "partial"]


def test_bytes_that_are_no_text_are_replaced(workshop: Workshop) -> None:
    """A log holds text."""
    assert workshop.run_shell(r"printf 'a\377b\n\303\244\n'").texts == ["a\N{REPLACEMENT CHARACTER}b", "ä"]


def test_lines_are_stamped_when_they_are_written_and_arrive_while_the_job_runs(workshop: Workshop) -> None:
    """A job that prints its progress can be followed."""
    before_ms = time.time_ns() // 1_000_000
    workshop.shell("echo first; sleep 0.5; echo second; sleep 60")
    workshop.reporter.line_of("job", 1, "second")
    assert "exited" not in workshop.reporter.calls_about("job", 1)
    workshop.executor.stop("job", 1, grace_seconds=0)
    first, second = workshop.end_of().lines
    assert before_ms <= first.timestamp_ms <= second.timestamp_ms - 400


def test_a_flood_arrives_whole(workshop: Workshop) -> None:
    """A million lines: none lost, none twice, none out of order."""
    outcome = workshop.run_shell("seq 1 1000000")
    assert outcome.exit_code == 0
    assert outcome.texts == [str(number) for number in range(1, 1_000_001)]


def test_a_long_line_is_split_at_the_limit_of_cloudwatch_logs(workshop: Workshop) -> None:
    """256 KiB less 26 bytes an event."""
    outcome = workshop.run_shell("head -c 600000 /dev/zero | tr '\\0' x; echo; echo next")
    assert [len(text) for text in outcome.texts] == [262_118, 262_118, 600_000 - 2 * 262_118, 4]


def test_the_command_replaces_cmd_and_follows_the_entry_point(workshop: Workshop) -> None:
    """Docker's rule, which Batch's `command` follows."""
    image = workshop.image('FROM base\nENTRYPOINT ["echo", "entry"]\nCMD ["default"]\n')
    workshop.start(image, job_id="own")
    workshop.start(image, "given", "more", job_id="given")
    assert workshop.end_of("own").texts == ["entry default"]
    assert workshop.end_of("given").texts == ["entry given more"]


def test_the_shell_form_of_cmd_is_run_by_a_shell(workshop: Workshop) -> None:
    """With the variables of the environment expanded when it runs."""
    image = workshop.image("FROM base\nENV WHO=world\nCMD echo hello $WHO && exit 4\n")
    workshop.start(image, environment={"WHO": "job"})
    outcome = workshop.end_of()
    assert (outcome.texts, outcome.exit_code) == (["hello job"], 4)


def test_environment_of_the_work_wins_over_that_of_the_image(workshop: Workshop) -> None:
    """What the image does not have is added."""
    image = workshop.image('FROM base\nENV A=image B=image\nCMD ["sh", "-c", "echo $A $B $C"]\n')
    workshop.start(image, environment={"B": "work", "C": "work too"})
    assert workshop.end_of().texts == ["image work work too"]


def test_the_files_of_the_image_are_in_its_working_directory(workshop: Workshop) -> None:
    """COPY into a relative destination, from a job that only knows WORKDIR."""
    image = workshop.image(
        'FROM base\nWORKDIR /app\nCOPY data ./data\nCOPY run.sh .\nENTRYPOINT ["sh", "run.sh"]\n',
        files={"run.sh": "cat data/deep/x\n", "data/deep/x": "content\n"},
    )
    workshop.start(image)
    assert workshop.end_of().texts == ["content"]


def test_absolute_paths_of_the_image_are_found(workshop: Workshop) -> None:
    """In the entry point, in arguments, in options, in shell scripts, in variables and on the search path."""
    image = workshop.image(
        "FROM base\n"
        "COPY --chmod=755 tool /opt/tools/bin/\n"
        "COPY data /srv/data\n"
        "ENV PATH=/opt/tools/bin:$PATH DATA=/srv/data/x\n"
        'ENTRYPOINT ["/opt/tools/bin/tool"]\n',
        files={"tool": '#!/bin/sh\nfor arg; do cat "${arg#--in=}"; done\ncat "$DATA"\n', "data/x": "x", "data/y": "y"},
    )
    workshop.start(image, "/srv/data/y", "--in=/srv/data/x", job_id="arguments")
    assert workshop.end_of("arguments").texts == ["yxx"]
    shell = workshop.image(
        "FROM base\nCOPY --chmod=755 tool /opt/tools/bin/\nCOPY data /srv/data\nENV PATH=/opt/tools/bin:$PATH\n"
        "CMD tool /srv/data/x; cat /srv/data/y > /srv/data/z; cat /srv/data/z\n",
        name="in-shell",
        files={"tool": '#!/bin/sh\ncat "$1"\n', "data/x": "x", "data/y": "y"},
    )
    workshop.start(shell, job_id="shell")
    assert workshop.end_of("shell").texts == ["xy"]


def test_every_attempt_begins_in_a_fresh_directory(workshop: Workshop) -> None:
    """What an attempt wrote, or changed of the image's files, the next does not see."""
    image = workshop.image(
        "FROM base\nWORKDIR /work\nCOPY seed .\nCMD ls; cat seed; echo changed > seed; touch new; exit 1\n",
        files={"seed": "original\n"},
    )
    for attempt in (1, 2):
        workshop.start(image, attempt=attempt)
        assert workshop.end_of(attempt=attempt).texts == ["seed", "original"]


def test_temporary_files_have_a_place_of_their_own(workshop: Workshop) -> None:
    """TMPDIR or /tmp is empty, writable, and not shared between attempts."""
    script = 'cd "${TMPDIR:-/tmp}" && ls && touch mine && echo "in $PWD"'
    first = workshop.run_shell(script)
    workshop.shell(script, attempt=2)
    second = workshop.end_of(attempt=2)
    assert first.exit_code == second.exit_code == 0
    assert len(first.texts) == len(second.texts) == 1


def test_an_image_that_does_not_exist_cannot_be_pulled(workshop: Workshop) -> None:
    """In ECS's words, then ours: what to do."""
    workshop.start("registry.example/image:0123456789abcdef")
    outcome = workshop.end_of()
    assert outcome.calls == ["start_failed"]
    assert outcome.start_failure == (
        "CannotPullContainerError: registry.example/image:0123456789abcdef: not found: no folder under containers/ "
        "has the tag 0123456789abcdef; deploy again after editing an image"
    )


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("./plain", 'exec: "./plain": permission denied'),
        ("/app/absent", "no such file or directory"),
    ],
)
def test_a_program_that_cannot_be_executed_never_started(workshop: Workshop, entry: str, text: str) -> None:
    """Docker's three ways to say so."""
    image = workshop.image(
        f'FROM base\nWORKDIR /app\nCOPY plain .\nENTRYPOINT ["{entry}"]\n', files={"plain": "#!/bin/sh\n"}
    )
    workshop.start(image)
    outcome = workshop.end_of()
    assert outcome.calls == ["start_failed"]
    assert outcome.start_failure is not None
    assert outcome.start_failure.startswith("CannotStartContainerError: ")
    assert text in outcome.start_failure


def test_a_container_without_any_command_cannot_be_created(workshop: Workshop) -> None:
    """Neither ENTRYPOINT nor CMD nor a command of the job."""
    workshop.start(workshop.image("FROM base\n"))
    failure = workshop.end_of().start_failure
    assert failure is not None
    assert failure.startswith("CannotCreateContainerError: ")
    assert "no command specified" in failure


def test_stop_lets_a_job_end_by_itself(workshop: Workshop) -> None:
    """SIGTERM first: what the job does then is reported, with its own exit code."""
    workshop.shell("trap 'echo cleaning; exit 9' TERM; echo ready; sleep 60 & wait")
    workshop.reporter.line_of("job", 1, "ready")
    workshop.executor.stop("job", 1, grace_seconds=30)
    outcome = workshop.end_of()
    assert outcome.texts == ["ready", "cleaning"]
    assert outcome.exit_code == 9


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace(workshop: Workshop) -> None:
    """And not before."""
    workshop.shell("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    workshop.reporter.line_of("job", 1, "ready")
    began = time.monotonic()
    workshop.executor.stop("job", 1, grace_seconds=0.6)
    assert workshop.end_of().exit_code == 137
    assert time.monotonic() - began >= 0.6


def test_stopping_what_is_not_there_does_nothing(workshop: Workshop) -> None:
    """Neither an attempt that ended nor one that never was is reported about again."""
    ended = workshop.run_shell("exit 0")
    workshop.executor.stop("job", 1, grace_seconds=0)
    workshop.executor.stop("never", 1, grace_seconds=0)
    workshop.shell("exit 0", attempt=2)
    workshop.end_of(attempt=2)
    assert ended.calls == ["started", "exited"]
    assert workshop.reporter.calls_about("never", 1) == []


def test_a_job_above_its_memory_is_killed_and_says_so(workshop: Workshop) -> None:
    """ECS's words and exit code."""
    image = workshop.image(
        'FROM base\nENTRYPOINT ["python", "-c", "import time; x = bytearray(300 << 20); time.sleep(60)"]\n'
    )
    workshop.start(image, memory_mib=128)
    outcome = workshop.end_of()
    assert (outcome.exit_code, outcome.reason) == (137, "OutOfMemoryError: Container killed due to memory usage")


def test_memory_is_that_of_all_processes_of_a_job(workshop: Workshop) -> None:
    """Three of 80 MiB are too many for 160 MiB."""
    program = "import os, time; [os.fork() and os.fork()]; x = bytearray(80 << 20); time.sleep(60)"
    image = workshop.image(f'FROM base\nENTRYPOINT ["python", "-c", "{program}"]\n')
    workshop.start(image, memory_mib=160)
    outcome = workshop.end_of()
    assert (outcome.exit_code, outcome.reason) == (137, "OutOfMemoryError: Container killed due to memory usage")


def test_memory_that_is_only_reserved_does_not_count(workshop: Workshop) -> None:
    """numpy and threads reserve far more than they use."""
    program = "import mmap, time; m = mmap.mmap(-1, 4 << 30); time.sleep(1)"
    image = workshop.image(f'FROM base\nENTRYPOINT ["python", "-c", "{program}"]\n')
    workshop.start(image, memory_mib=64)
    assert workshop.end_of().exit_code == 0


def test_many_jobs_run_at_once(workshop: Workshop) -> None:
    """None confused with another."""
    names = [f"job-{number}" for number in range(workshop.many)]
    for name in names:
        workshop.shell(f"echo {name}; sleep 0.2; exit {len(name)}", job_id=name)
    for name in names:
        outcome = workshop.end_of(name)
        assert (outcome.texts, outcome.exit_code) == ([name], len(name))


def test_close_ends_what_runs(workshop: Workshop) -> None:
    """It returns when nothing runs any more, and later starts do nothing."""
    workshop.shell("trap '' TERM; echo ready; sleep 60")
    workshop.reporter.line_of("job", 1, "ready")
    workshop.executor.close()
    assert workshop.reporter.calls_about("job", 1)[-1] == "exited"
    workshop.shell("echo late", job_id="late")
    workshop.executor.close()
    assert workshop.reporter.calls_about("late", 1) == []
