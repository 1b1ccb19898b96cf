"""Options that the process executor cannot honour are refused by name, with what to do; what it can is ordered."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_batch.executors import attempt_options
from local_batch.executors.attempt_options import AttemptOptions
from local_batch.executors.errors import ContainerError
from local_batch.executors.name_spaces import NameSpaces
from local_batch.executors.work import AttemptWork, ContainerOptions, Device, Mount, NodeAddress, Tmpfs, Ulimit
from tests.local_batch.executors.conftest import process_executor
from tests.local_batch.executors.workshop import RecordingReporter, Workshop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="options need Linux")

NODE = NodeAddress("127.0.0.2", "node-two")


class TriedNameSpaces(NameSpaces):
    """Known beforehand to be refused, or not."""

    def __init__(self, refusal: str | None) -> None:
        super().__init__(Path())
        self._is_tried = True
        self._refusal = refusal


def orders(
    root: Path, options: ContainerOptions, *, node: NodeAddress | None = None, refusal: str | None = None
) -> dict[str, Any] | None:
    """What the launcher of an attempt with these is told."""
    work = AttemptWork("job", 1, "image:tag", (), {}, vcpus=1, memory_mib=64, options=options, node=node)
    return AttemptOptions(TriedNameSpaces(refusal)).orders(work, str(root))


def refusal_of(root: Path, options: ContainerOptions, *, refusal: str | None = None) -> str:
    """Why an attempt with these does not start."""
    with pytest.raises(ContainerError) as error:
        orders(root, options, refusal=refusal)
    return error.value.reason


@pytest.mark.parametrize(
    "options",
    [
        ContainerOptions(),
        ContainerOptions(init=True),
        ContainerOptions(swappiness=60),
        ContainerOptions(devices=(Device("/dev/null", "/dev/null"),)),
        ContainerOptions(user=f"{os.geteuid()}:{os.getegid()}"),
        ContainerOptions(user=pwd.getpwuid(os.geteuid()).pw_name),
    ],
    ids=str,
)
def test_what_a_process_has_anyway_costs_no_launcher(tmp_path: Path, options: ContainerOptions) -> None:
    """Orphans are reaped, devices are there, AWS ignores swappiness without maxSwap."""
    assert orders(tmp_path, options) is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ContainerOptions(ulimits=(Ulimit("nofiles", 1, 1),)),
            "ulimits: a limit is one of core, cpu, data, ",
        ),
        (
            ContainerOptions(ulimits=(Ulimit("nofile", 2, 1),)),
            "ulimits: nofile: the soft limit is not above the hard one, got 2 and 1; lower it",
        ),
        (
            ContainerOptions(ulimits=(Ulimit("nofile", -1, 1),)),
            "ulimits: nofile: the soft limit is not above the hard one, got -1 and 1; lower it",
        ),
        (
            ContainerOptions(tmpfs=(Tmpfs("/fast", 1, ("remount",)),)),
            "linuxParameters.tmpfs: /fast: a mount option of a tmpfs is needed, got 'remount'; correct or remove it",
        ),
        (
            ContainerOptions(tmpfs=(Tmpfs("fast", 1),)),
            "linuxParameters.tmpfs: a path to mount on is absolute and below the root, got 'fast'; correct it",
        ),
        (
            ContainerOptions(mounts=(Mount("/x/..", None, "data"),)),
            "mountPoints: a path to mount on is absolute and below the root, got '/x/..'; correct it",
        ),
        (
            ContainerOptions(mounts=(Mount("/x", "/proc/none/here", "data"),)),
            "volumes: data: /proc/none/here is not there and cannot be made (No such file or directory); make it",
        ),
        (
            ContainerOptions(devices=(Device("/dev/absent", "/dev/x"),)),
            "linuxParameters.devices: /dev/absent: no such device on this machine; correct hostPath or add it",
        ),
        (
            ContainerOptions(devices=(Device("/dev/zero", "/dev/x", "r"),)),
            (
                "linuxParameters.devices: /dev/zero: a process may do with a device what its user may, got permissions "
                "'r'; ask for READ and WRITE, or use --executor container"
            ),
        ),
        (
            ContainerOptions(user="nobody-of-this-name"),
            (
                "unable to find user nobody-of-this-name: no matching entries in passwd file; the process executor "
                "knows the users of this machine: create it or give a number"
            ),
        ),
        (
            ContainerOptions(user="0:nobodies-of-this-name"),
            (
                "unable to find group nobodies-of-this-name: no matching entries in group file; the process executor "
                "knows the groups of this machine: create it or give a number"
            ),
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_what_cannot_be_honoured_is_refused_by_name(tmp_path: Path, options: ContainerOptions, text: str) -> None:
    """With the value got and what to do."""
    assert text in refusal_of(tmp_path, options)


@pytest.mark.parametrize(
    ("named", "options"),
    [
        ("mountPoints", ContainerOptions(mounts=(Mount("/x", None, "data"),))),
        ("linuxParameters.tmpfs", ContainerOptions(tmpfs=(Tmpfs("/x", 1),))),
        ("linuxParameters.devices", ContainerOptions(devices=(Device("/dev/null", "/dev/x"),))),
        ("readonlyRootFilesystem", ContainerOptions(read_only_root=True)),
        ("linuxParameters.sharedMemorySize", ContainerOptions(shared_memory_mib=1)),
    ],
)
def test_where_the_kernel_refuses_mounts_the_option_is_named(
    tmp_path: Path, named: str, options: ContainerOptions
) -> None:
    """Never passed over."""
    assert refusal_of(tmp_path, options, refusal="name spaces: Operation not permitted") == (
        f"CannotCreateContainerError: {named}: needs mount name spaces, which this system refuses (name spaces: "
        "Operation not permitted); allow this user to make them, run the local cloud as root or with --executor "
        "container"
    )


def test_limits_need_no_name_spaces(tmp_path: Path) -> None:
    """Nothing has to be mounted for them, nor for devices under their own names."""
    options = ContainerOptions(ulimits=(Ulimit("core", 0, 0),), devices=(Device("/dev/null", "/dev/null"),))
    told = orders(tmp_path, options, refusal="name spaces: no")
    assert told is not None
    assert (told["view"], [name for name, *_ in told["limits"]]) == (None, ["core"])


def test_a_node_does_without_name_spaces(tmp_path: Path) -> None:
    """It has its variables and its address all the same."""
    assert orders(tmp_path, ContainerOptions(), node=NODE, refusal="name spaces: no") is None
    told = orders(tmp_path, ContainerOptions(), node=NODE)
    assert told is not None
    assert told["host_name"] == "node-two"
    assert told["view"]["hosts"].endswith("\n127.0.0.2\tnode-two\n")


def test_what_holds_the_attempts_cannot_be_mounted_over(tmp_path: Path) -> None:
    """Only /tmp can, since an attempt has its own."""
    above = str(tmp_path.parent)
    text = f"mountPoints: '{above}' holds the directories of attempts on this machine and cannot be mounted over"
    assert text in refusal_of(tmp_path, ContainerOptions(mounts=(Mount(above, None, "data"),)))
    assert orders(Path("/tmp/root"), ContainerOptions(tmpfs=(Tmpfs("/tmp", 1),))) is not None


@pytest.mark.parametrize(("swaps", "is_refused"), [("Filename\n", False), ("Filename\n/swapfile file 1 2 3\n", True)])
def test_max_swap_is_honoured_where_there_is_no_swap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: str, is_refused: bool
) -> None:
    """And refused where a process could use what it was not given."""
    table = tmp_path / "swaps"
    table.write_text(swaps)
    monkeypatch.setattr(attempt_options, "_SWAPS", table)
    options = ContainerOptions(max_swap_mib=5)
    if is_refused:
        assert "linuxParameters.maxSwap: a process has no limit of its own on swap" in refusal_of(tmp_path, options)
    else:
        assert orders(tmp_path, options) is None


@pytest.fixture
def as_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Number 4242."""
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    monkeypatch.setattr(os, "getegid", lambda: 4243)


@pytest.mark.usefixtures("as_an_ordinary_user")
def test_an_ordinary_user_gives_no_rights_that_it_does_not_have(tmp_path: Path) -> None:
    """Neither those of root nor another user's."""
    assert "privileged: a process has the rights of who runs the local cloud, got uid 4242" in refusal_of(
        tmp_path, ContainerOptions(privileged=True)
    )
    assert (
        "user: only root may become another user, and the local cloud runs as uid 4242, gid 4243, got '0'"
        in refusal_of(tmp_path, ContainerOptions(user="0"))
    )
    assert orders(tmp_path, ContainerOptions(user="4242:4243")) is None


@pytest.fixture
def open_workshop() -> Iterator[Workshop]:
    """A workshop in a directory that any user may enter."""
    directory = Path(tempfile.mkdtemp(prefix="open-workshop-"))
    directory.chmod(0o755)
    reporter = RecordingReporter()
    executor = process_executor(directory, reporter)
    yield Workshop(directory / "containers", executor, reporter)
    executor.close()
    shutil.rmtree(directory)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


@needs_root
def test_root_becomes_the_user_that_a_job_names(open_workshop: Workshop) -> None:
    """As in a container: it reads the image's files and writes to /tmp, and nowhere else."""
    image = open_workshop.image(
        'FROM base\nWORKDIR /app\nCOPY data .\nENTRYPOINT ["sh", "-c"]\n', files={"data": "given\n"}
    )
    script = "id -u; id -g; cat data; echo x > /tmp/x && cat /tmp/x; echo x > y || echo refused"
    open_workshop.start(image, script, options=ContainerOptions(user="65534:65533"))
    outcome = open_workshop.end_of()
    assert outcome.texts[:4] == ["65534", "65533", "given", "x"]
    assert outcome.texts[-1] == "refused"


@needs_root
def test_a_user_that_cannot_reach_the_attempts_is_told(process_workshop: Workshop, tmp_path: Path) -> None:
    """Which directory keeps it out, and what to do."""
    (tmp_path / "jobs").chmod(0o700)
    outcome = process_workshop.run_shell("true", options=ContainerOptions(user="65534:65533"))
    assert outcome.start_failure is not None
    assert "user: '65534:65533' may not pass " in outcome.start_failure


@needs_root
def test_a_program_that_the_user_may_not_execute_is_told(open_workshop: Workshop) -> None:
    """It was there for root."""
    image = open_workshop.image(
        'FROM base\nCOPY --chmod=700 run /app/\nENTRYPOINT ["/app/run"]\n', files={"run": "#!/bin/sh\n"}
    )
    open_workshop.start(image, options=ContainerOptions(user="65534"))
    failure = open_workshop.end_of().start_failure
    assert failure is not None
    assert failure.endswith("/app/run\": permission denied; make it and its directories accessible to the job's user")


def test_a_limit_above_what_this_user_has_is_told(process_workshop: Workshop) -> None:
    """By the launcher: who may raise what is the kernel's to say."""
    outcome = process_workshop.run_shell(
        "true", options=ContainerOptions(ulimits=(Ulimit("nofile", 1 << 40, 1 << 40),))
    )
    assert outcome.start_failure is not None
    assert outcome.start_failure.startswith("CannotStartContainerError: ulimits: nofile: the hard limit is ")


def test_gpus_are_named_as_ecs_names_them(process_workshop: Workshop) -> None:
    """No two attempts have the same at one time, and CUDA is told too."""
    image = process_workshop.image('FROM base\nENTRYPOINT ["sh", "-c"]\n')
    script = "echo $NVIDIA_VISIBLE_DEVICES $CUDA_VISIBLE_DEVICES; until [ -e tmp/go ]; do sleep 0.02; done"
    for attempt, gpus in ((1, 2), (2, 1)):
        work = AttemptWork("job", attempt, image, (script,), {}, vcpus=1, memory_mib=64, gpus=gpus)
        process_workshop.executor.start([work])
    assert process_workshop.reporter.line_of("job", 1, "0,1 ") == "0,1"
    assert process_workshop.reporter.line_of("job", 2, "2 ") == "2"
    process_workshop.executor.stop("job", 1, grace_seconds=0)
    process_workshop.end_of(attempt=1)
    process_workshop.executor.start(
        [AttemptWork("job", 3, image, ("echo $NVIDIA_VISIBLE_DEVICES",), {}, vcpus=1, memory_mib=64, gpus=1)]
    )
    assert process_workshop.end_of(attempt=3).texts == ["0"]
    process_workshop.executor.stop("job", 2, grace_seconds=0)


def test_without_name_spaces_a_node_knows_its_name(process_workshop: Workshop) -> None:
    """In a variable, as a container does."""
    outcome = process_workshop.run_shell("echo $HOSTNAME; dirname $TMPDIR; pwd", node=NODE)
    assert outcome.texts[0] == "node-two"
    assert outcome.texts[1] == outcome.texts[2]


def test_a_node_is_told_that_it_has_no_sshd(process_workshop: Workshop) -> None:
    """What brings up MPI jobs asks for it."""
    assert process_workshop.run_shell("echo $MPI_LAUNCHER", node=NODE).texts == ["agent"]
