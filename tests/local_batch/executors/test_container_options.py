"""What a container may ask for beyond image, command and size: the same from every executor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local_batch.executors.work import ContainerOptions, Device, Mount, NodeAddress, Tmpfs, Ulimit
from tests.local_batch.executors.workshop import ContainerWorkshop, Workshop

NODE = NodeAddress("127.0.0.7", "node-seven")


@pytest.fixture
def viewing(workshop: Workshop) -> Workshop:
    """A workshop whose executor can mount; skips where the kernel does not let this user."""
    if not isinstance(workshop, ContainerWorkshop):
        workshop.shell(":", job_id="probe", options=ContainerOptions(shared_memory_mib=1))
        failure = workshop.end_of("probe").start_failure
        if failure is not None and "mount name spaces" in failure:
            pytest.skip(failure)
    return workshop


def test_ulimits_are_soft_and_hard(workshop: Workshop) -> None:
    """As setrlimit(2) has them."""
    options = ContainerOptions(ulimits=(Ulimit("nofile", 100, 200), Ulimit("core", 0, 0)))
    outcome = workshop.run_shell("ulimit -Sn; ulimit -Hn; ulimit -c", options=options)
    assert (outcome.texts, outcome.exit_code) == (["100", "200", "0"], 0)


def test_a_job_is_stopped_and_started_with_options_as_without(workshop: Workshop) -> None:
    """SIGTERM reaches it, what it says last is reported."""
    options = ContainerOptions(ulimits=(Ulimit("core", 0, 0),))
    workshop.shell("trap 'echo cleaning; exit 9' TERM; echo ready; sleep 60 & wait", options=options)
    workshop.reporter.line_of("job", 1, "ready")
    workshop.executor.stop("job", 1, grace_seconds=30)
    outcome = workshop.end_of()
    assert (outcome.texts, outcome.exit_code) == (["ready", "cleaning"], 9)
    assert outcome.calls[0] == "started"


def test_a_program_that_is_not_there_is_reported_with_options_as_without(workshop: Workshop) -> None:
    """It never started."""
    image = workshop.image('FROM base\nENTRYPOINT ["/absent/program"]\n')
    workshop.start(image, options=ContainerOptions(ulimits=(Ulimit("core", 0, 0),)))
    outcome = workshop.end_of()
    assert outcome.calls == ["start_failed"]
    assert outcome.start_failure is not None
    assert outcome.start_failure.startswith("CannotStartContainerError: ")


def test_a_user_may_be_a_number(workshop: Workshop) -> None:
    """With a group; here those that everybody may be."""
    options = ContainerOptions(user=f"{os.getuid()}:{os.getgid()}")
    outcome = workshop.run_shell("id -u; id -g", options=options)
    assert outcome.texts == [str(os.getuid()), str(os.getgid())]


def test_a_user_that_is_not_there_is_refused(workshop: Workshop) -> None:
    """By name."""
    failure = workshop_failure(workshop, ContainerOptions(user="nobody-of-this-name"))
    assert "nobody-of-this-name" in failure


def workshop_failure(workshop: Workshop, options: ContainerOptions) -> str:
    """Why an attempt with these options does not start."""
    outcome = workshop.run_shell(":", options=options)
    assert outcome.calls == ["start_failed"]
    assert outcome.start_failure is not None
    return outcome.start_failure


def test_a_directory_of_the_host_is_mounted(viewing: Workshop, tmp_path: Path) -> None:
    """Read and written at its path in the container, whatever makes up that path."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "given").write_text("given\n")
    options = ContainerOptions(mounts=(Mount("/mounted/deep", str(shared), "data"),))
    script = "cd /; p=/mou; cat ${p}nted/deep/given; echo made > ${p}nted/deep/made"
    outcome = viewing.run_shell(script, options=options)
    assert (outcome.texts, outcome.exit_code) == (["given"], 0)
    assert (shared / "made").read_text() == "made\n"


def test_a_mount_is_seen_from_the_working_directory(viewing: Workshop, tmp_path: Path) -> None:
    """In place of what the image has there."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "given").write_text("given\n")
    image = viewing.image(
        'FROM base\nWORKDIR /app\nCOPY own data/\nENTRYPOINT ["sh", "-c", "ls data; cat data/given /app/data/given"]\n',
        files={"own": "own\n"},
    )
    viewing.start(image, options=ContainerOptions(mounts=(Mount("/app/data", str(shared), "data"),)))
    assert viewing.end_of().texts == ["given", "given", "given"]


def test_a_mount_may_be_read_only(viewing: Workshop, tmp_path: Path) -> None:
    """Nothing is written through it."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "given").write_text("given\n")
    options = ContainerOptions(mounts=(Mount("/mounted", str(shared), "data", read_only=True),))
    outcome = viewing.run_shell(
        "cat /mounted/given; { echo x > /mounted/made; } 2>/dev/null || echo refused", options=options
    )
    assert outcome.texts == ["given", "refused"]
    assert sorted(path.name for path in shared.iterdir()) == ["given"]


def test_a_mount_may_lie_in_another(viewing: Workshop, tmp_path: Path) -> None:
    """In whatever order they are given."""
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    for directory in (outer, inner):
        directory.mkdir()
        (directory / directory.name).touch()
    options = ContainerOptions(
        mounts=(Mount("/mounted/in", str(inner), "inner"), Mount("/mounted", str(outer), "outer"))
    )
    outcome = viewing.run_shell("ls /mounted /mounted/in", options=options)
    assert outcome.texts == ["/mounted:", "in", "outer", "", "/mounted/in:", "inner"]


def test_a_volume_of_no_host_is_shared_by_its_name_and_lasts_as_long_as_the_attempt(viewing: Workshop) -> None:
    """Two mounts of one volume see the same; the next attempt begins anew."""
    options = ContainerOptions(mounts=(Mount("/one", None, "scratch"), Mount("/two", None, "scratch")))
    script = "ls /one; echo x > /one/file; cat /two/file; exit 1"
    for attempt in (1, 2):
        viewing.shell(script, attempt=attempt, options=options)
        outcome = viewing.end_of(attempt=attempt)
        assert (outcome.texts, outcome.exit_code) == (["x"], 1)


def test_a_volume_of_no_host_begins_with_what_the_image_has_there(viewing: Workshop) -> None:
    """As Docker fills new volumes."""
    image = viewing.image('FROM base\nCOPY own /data/\nENTRYPOINT ["cat", "/data/own"]\n', files={"own": "own\n"})
    viewing.start(image, options=ContainerOptions(mounts=(Mount("/data", None, "scratch"),)))
    assert viewing.end_of().texts == ["own"]


def test_a_read_only_root_is_written_nowhere_but_in_mounts(viewing: Workshop) -> None:
    """Not in the working directory, not in /tmp, not beside the mounts."""
    options = ContainerOptions(read_only_root=True, mounts=(Mount("/mounted/here", None, "scratch"),))
    script = "for p in here /tmp/x /mounted/x /etc/x; do echo x > $p || echo refused; done; echo x > /mounted/here/x"
    image = viewing.image('FROM base\nWORKDIR /app\nENTRYPOINT ["sh", "-c"]\n')
    viewing.start(image, script, options=options)
    outcome = viewing.end_of()
    assert [text for text in outcome.texts if text == "refused"] == ["refused"] * 4
    assert outcome.exit_code == 0


def test_shared_memory_is_written_to_on_a_read_only_root(viewing: Workshop) -> None:
    """As on AWS."""
    outcome = viewing.run_shell("echo x > /dev/shm/x; cat /dev/shm/x", options=ContainerOptions(read_only_root=True))
    assert outcome.texts == ["x"]


def test_a_tmpfs_has_a_size_and_executes_nothing(viewing: Workshop) -> None:
    """Docker's options, but for those that are given."""
    options = ContainerOptions(tmpfs=(Tmpfs("/fast", 3), Tmpfs("/free", 1, ("exec", "mode=0700"))))
    outcome = viewing.run_shell("grep -E ' /(fast|free) ' /proc/mounts | sort -k 2", options=options)
    fast, free = (text.split()[3].split(",") for text in outcome.texts)
    assert {"rw", "nosuid", "nodev", "noexec", "size=3072k"} <= set(fast)
    assert {"rw", "nosuid", "nodev", "size=1024k", "mode=700"} <= set(free)
    assert "noexec" not in free


def test_a_tmpfs_may_stand_for_the_temporary_directory(viewing: Workshop) -> None:
    """The usual companion of a read-only root."""
    options = ContainerOptions(read_only_root=True, tmpfs=(Tmpfs("/tmp", 1),))
    outcome = viewing.run_shell("echo x > /tmp/x && cat /tmp/x; head -c 2000000 /dev/zero > /tmp/y", options=options)
    assert outcome.texts[0] == "x"
    assert outcome.exit_code != 0


def test_shared_memory_has_the_size_that_is_asked_for(viewing: Workshop) -> None:
    """In MiB."""
    outcome = viewing.run_shell(
        "grep ' /dev/shm ' /proc/mounts | tail -1", options=ContainerOptions(shared_memory_mib=5)
    )
    assert "size=5120k" in outcome.texts[0].split()[3].split(",")


def test_a_device_is_given_another_name(viewing: Workshop) -> None:
    """And keeps its own outside."""
    options = ContainerOptions(devices=(Device("/dev/zero", "/dev/of-nothing"),))
    outcome = viewing.run_shell("head -c 3 /dev/of-nothing | wc -c; echo x > /dev/null", options=options)
    assert (outcome.texts, outcome.exit_code) == (["3"], 0)
    assert not Path("/dev/of-nothing").exists()


def test_a_device_that_is_not_there_is_refused(workshop: Workshop) -> None:
    """By name."""
    assert "/dev/absent" in workshop_failure(workshop, ContainerOptions(devices=(Device("/dev/absent", "/dev/x"),)))


def test_with_an_init_process_orphans_are_reaped(workshop: Workshop) -> None:
    """While the job runs."""
    script = (
        "(sh -c 'echo $$ > orphan; exec sleep 0.1' &)\n"
        "until [ -s orphan ]; do sleep 0.02; done\n"
        "while [ -e /proc/$(cat orphan) ]; do sleep 0.02; done; echo reaped"
    )
    outcome = workshop.run_shell(script, options=ContainerOptions(init=True))
    assert (outcome.texts, outcome.exit_code) == (["reaped"], 0)


def test_a_node_has_a_host_name_that_leads_to_its_address(viewing: Workshop) -> None:
    """In its variables, its kernel and its list of hosts."""
    script = 'echo $HOSTNAME; cat /proc/sys/kernel/hostname; grep -w "$HOSTNAME" /etc/hosts | tr "\\t" " "'
    outcome = viewing.run_shell(script, node=NODE)
    assert outcome.texts == ["node-seven", "node-seven", "127.0.0.7 node-seven"]


def test_nodes_listen_at_the_same_port_of_their_own_addresses(workshop: Workshop) -> None:
    """And reach each other there."""
    program = (
        "import socket, sys\n"
        "own, other, port = sys.argv[1], sys.argv[2], 29517\n"
        "with socket.create_server((own, port)) as server:\n"
        "    print('listening', flush=True)\n"
        "    while True:\n"
        "        try:\n"
        "            socket.create_connection((other, port)).close()\n"
        "            break\n"
        "        except ConnectionRefusedError:\n"
        "            pass\n"
        "    server.accept()\n"
        "print('met')\n"
    )
    image = workshop.image(
        'FROM base\nCOPY meet.py /app/\nENTRYPOINT ["python", "/app/meet.py"]\n', files={"meet.py": program}
    )
    addresses = ("127.0.0.11", "127.0.0.12")
    for own, other in (addresses, reversed(addresses)):
        workshop.start(image, own, other, job_id=f"nodes#{own[-1]}", node=NodeAddress(own, f"node-{own[-1]}"))
    for number in "12":
        assert workshop.end_of(f"nodes#{number}").texts == ["listening", "met"]
