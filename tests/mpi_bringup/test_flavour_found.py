"""Which MPI is taken for which, by the files of a directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from mpi_bringup.flavour import NoMpiError, found_flavour


def installed(directory: Path, *programs: str, mpiexec: str | None = None) -> str:
    """A search path with these; mpiexec is one of its own, or a link."""
    for program in programs:
        (directory / program).write_text("")
        (directory / program).chmod(0o755)
    if mpiexec is not None:
        (directory / "mpiexec").symlink_to(mpiexec)
    return str(directory)


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        (("mpiexec", "hydra_pmi_proxy"), "MPICH"),
        (("mpiexec", "prterun", "prted"), "Open MPI 5"),
        (("mpiexec", "orterun", "orted"), "Open MPI 4"),
    ],
)
def test_an_mpi_is_known_by_what_lies_beside_it(tmp_path: Path, programs: tuple[str, ...], expected: str) -> None:
    """The only one of its directory."""
    found = found_flavour(installed(tmp_path, *programs), "n")
    assert f"{found.name}{' 5' if getattr(found, 'is_prrte', None) else ''}" == expected.removesuffix(" 4")


@pytest.mark.parametrize(("link", "expected"), [("mpiexec.hydra", "MPICH"), ("orterun", "Open MPI")])
def test_of_several_in_one_directory_the_one_that_mpiexec_leads_to_is_taken(
    tmp_path: Path, link: str, expected: str
) -> None:
    """As with Debian's packages, where a link chooses."""
    path = installed(tmp_path, "mpiexec.hydra", "hydra_pmi_proxy", "orterun", "orted", mpiexec=link)
    assert found_flavour(path, "n").name == expected


def test_another_mpi_is_refused(tmp_path: Path) -> None:
    """Rather than started with the wrong options."""
    with pytest.raises(NoMpiError, match="is MPICH's or Open MPI's, got another"):
        found_flavour(installed(tmp_path, "mpiexec"), "n")
