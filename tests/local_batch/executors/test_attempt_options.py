"""What a process cannot be given on this machine or by this user: refused with the option's name and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local_batch.executors import attempt_options
from local_batch.executors.attempt_options import AttemptOptions
from local_batch.executors.errors import ContainerError
from local_batch.executors.name_spaces import NameSpaces
from local_batch.executors.work import AttemptWork, ContainerOptions, Device, Mount, NodeAddress, Tmpfs, Ulimit
from tests.local_batch.executors.workshop import Workshop

ORDINARY_USER = 1000


class NoNameSpaces(NameSpaces):
    """Of a kernel that gives none to this user."""

    def refusal(self) -> str | None:
        """Why."""
        return "unshare: Operation not permitted"


def work(options: ContainerOptions, node: NodeAddress | None = None) -> AttemptWork:
    """An attempt that asks for these."""
    return AttemptWork("job", 1, "image:tag", (), {}, vcpus=1, memory_mib=64, options=options, node=node)


def refusal(tmp_path: Path, options: ContainerOptions) -> str:
    """Why an attempt with these options cannot start where there are no name spaces."""
    with pytest.raises(ContainerError) as error:
        AttemptOptions(NoNameSpaces(tmp_path)).orders(work(options), str(tmp_path))
    return error.value.reason


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mountPoints", ContainerOptions(mounts=(Mount("/data", None, "data"),))),
        ("linuxParameters.tmpfs", ContainerOptions(tmpfs=(Tmpfs("/fast", 1),))),
        ("linuxParameters.devices", ContainerOptions(devices=(Device("/dev/null", "/dev/nothing"),))),
        ("linuxParameters.sharedMemorySize", ContainerOptions(shared_memory_mib=1)),
        ("readonlyRootFilesystem", ContainerOptions(read_only_root=True)),
    ],
)
def test_without_name_spaces_nothing_can_be_mounted(tmp_path: Path, name: str, options: ContainerOptions) -> None:
    """Three ways out are named."""
    text = refusal(tmp_path, options)
    assert text.startswith(f"CannotCreateContainerError: {name}: needs mount name spaces, which this system refuses")
    assert text.endswith("allow this user to make them, run the local cloud as root or with --executor container")


def test_without_name_spaces_a_node_runs_under_the_machines_name(tmp_path: Path) -> None:
    """Its address is its own all the same."""
    node = work(ContainerOptions(), NodeAddress("127.0.0.2", "ip-127-0-0-2"))
    assert AttemptOptions(NoNameSpaces(tmp_path)).orders(node, str(tmp_path)) is None


def test_without_name_spaces_limits_and_devices_under_their_own_names_are_given(tmp_path: Path) -> None:
    """Nothing has to be mounted for them."""
    options = ContainerOptions(ulimits=(Ulimit("core", 0, 0),), devices=(Device("/dev/null", "/dev/null"),))
    orders = AttemptOptions(NoNameSpaces(tmp_path)).orders(work(options), str(tmp_path))
    assert orders is not None
    assert (orders["view"], [name for name, *_ in orders["limits"]]) == (None, ["core"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (ContainerOptions(privileged=True), "privileged: a process has the rights of who runs the local cloud"),
        (ContainerOptions(user="0"), "user: only root may become another user"),
    ],
)
def test_an_ordinary_user_cannot_give_more_rights_than_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: ContainerOptions, text: str
) -> None:
    """Nor another user's."""
    monkeypatch.setattr(os, "geteuid", lambda: ORDINARY_USER)
    assert text in refusal(tmp_path, options)


def test_a_device_is_read_and_written(tmp_path: Path) -> None:
    """There is nothing to hold a process to less."""
    text = refusal(tmp_path, ContainerOptions(devices=(Device("/dev/null", "/dev/null", "r"),)))
    assert "linuxParameters.devices: /dev/null: a process may do with a device what its user may" in text


@pytest.mark.parametrize("swaps", [True, False])
def test_swap_is_limited_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swaps: bool) -> None:
    """A process has no limit of its own on it."""
    monkeypatch.setattr(attempt_options, "_has_swap", lambda: swaps)
    options = ContainerOptions(max_swap_mib=64, swappiness=10)
    if swaps:
        assert "linuxParameters.maxSwap: a process has no limit of its own on swap" in refusal(tmp_path, options)
    else:
        assert AttemptOptions(NoNameSpaces(tmp_path)).orders(work(options), str(tmp_path)) is None


def test_gpus_are_named_in_the_environment(process_workshop: Workshop) -> None:
    """To CUDA and to NVIDIA's runtime: others than a job's that runs at the same time."""
    image = process_workshop.image(
        'FROM base\nENTRYPOINT ["sh", "-c", "echo gpus $CUDA_VISIBLE_DEVICES $NVIDIA_VISIBLE_DEVICES; sleep 600"]\n'
    )
    for job_id, gpus in (("two", 2), ("one", 1)):
        process_workshop.executor.start([AttemptWork(job_id, 1, image, (), {}, vcpus=1, memory_mib=64, gpus=gpus)])
    assert process_workshop.reporter.line_of("two", 1, "gpus ") == "0,1 0,1"
    assert process_workshop.reporter.line_of("one", 1, "gpus ") == "2 2"
