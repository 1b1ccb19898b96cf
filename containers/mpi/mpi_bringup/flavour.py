"""Which MPI is here, and how its mpirun is told where to start what."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mpi_bringup.output import Marks

_LONGEST_MARK: Final = 128
_HYDRA: Final = ("mpiexec.hydra", "hydra_pmi_proxy")
_PRRTE: Final = ("prted", "prterun", "prte")
_ORTE: Final = ("orted", "orterun")

_MANY: Final = "1024"
"""Remote shells at once: one for each node, as they stay."""


class NoMpiError(Exception):
    """There is no mpirun here, or one that is not known."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where an mpirun starts ranks."""

    host_file: Path
    address: str
    """Of the node that mpirun is on."""

    remote_shell: str
    """Starts a command on a node: called with options, an address and the command. One file, no arguments."""

    network: str
    """What MPI's traffic goes over: an interface, such as eth0."""

    has_efa: bool = False


class Flavour(Protocol):
    """One implementation of MPI."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def marks(self) -> Marks:
        """What `command` makes mpirun put before the pieces of output."""

    def host_lines(self, hosts: Sequence[tuple[str, int]]) -> str:
        """The host file for addresses and their ranks."""

    def command(self, site: Site, ranks: int) -> list[str]:
        """mpirun with everything before the program."""

    def shim(self, site: Site) -> list[str]:
        """mpirun with what it needs to find the nodes, for a job script that says the rest itself."""

    def variables(self, site: Site) -> dict[str, str]:
        """What mpirun and ranks need in their environment."""


@dataclass(frozen=True)
class Mpich:
    """MPICH, and what is made of it: Hydra starts the ranks."""

    mpirun: str
    nonce: str
    """Of the marks: no program can print them by chance."""

    name: str = "MPICH"

    @property
    def marks(self) -> Marks:
        """See Flavour."""
        mark = re.compile(rb"\x1e" + self.nonce.encode() + rb"(\d+)\x1f")
        return Marks(mark, b"\x1e", _LONGEST_MARK, own=(b"[mpiexec@", b"[proxy:"))

    def host_lines(self, hosts: Sequence[tuple[str, int]]) -> str:
        """See Flavour."""
        return "".join(f"{address}:{ranks}\n" for address, ranks in hosts)

    def command(self, site: Site, ranks: int) -> list[str]:
        """See Flavour. `-genvnone`: each rank has the environment of its own node, not the main node's."""
        mark = f"\x1e{self.nonce}%r\x1f"
        return [*self.shim(site), "-genvnone", "-prepend-pattern", mark, "-n", str(ranks)]

    def shim(self, site: Site) -> list[str]:
        """See Flavour."""
        hosts = ["-f", str(site.host_file), "-localhost", site.address]
        return [self.mpirun, *hosts, "-launcher", "ssh", "-launcher-exec", site.remote_shell]

    def variables(self, site: Site) -> dict[str, str]:
        """See Flavour. UCX finds no way over loopback, libfabric's tcp does."""
        if site.has_efa:
            return {"MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "efa"}
        return {"MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp", "FI_TCP_IFACE": site.network}


@dataclass(frozen=True)
class OpenMpi:
    """Open MPI from 4 on."""

    mpirun: str
    is_prrte: bool
    """From 5 on PRRTE starts the ranks, under other names of options."""

    name: str = "Open MPI"

    @property
    def marks(self) -> Marks:
        """See Flavour: `[prterun-host-pid@1,3]<stdout>: ` of 5, `[1,3]<stdout>:` of 4."""
        after = rb": " if self.is_prrte else rb":"
        mark = rb"\[[^\]\[,\s]{1,100},(\d{1,9})\]<(?:stdout|stderr|stddiag)>" + after
        return Marks(re.compile(mark), b"[", _LONGEST_MARK)

    def host_lines(self, hosts: Sequence[tuple[str, int]]) -> str:
        """See Flavour."""
        return "".join(f"{address} slots={ranks}\n" for address, ranks in hosts)

    def command(self, site: Site, ranks: int) -> list[str]:
        """See Flavour. Ranks are bound to no core: those of two nodes of one machine would get the same."""
        mark = ["--output", "tag"] if self.is_prrte else ["--tag-output"]
        return [*self.shim(site), *mark, "-n", str(ranks)]

    def shim(self, site: Site) -> list[str]:
        """See Flavour."""
        if self.is_prrte:
            start = ["--prtemca", "plm_ssh_agent", site.remote_shell, "--prtemca", "plm_ssh_no_tree_spawn", "1"]
        else:
            start = ["--mca", "plm_rsh_agent", site.remote_shell, "--mca", "plm_rsh_no_tree_spawn", "1"]
            # A daemon that left its remote shell and then failed would be waited for without end.
            start += ["--mca", "orte_leave_session_attached", "1", "--mca", "plm_rsh_num_concurrent", _MANY]
            start += ["--mca", "oob_tcp_if_include", site.network]
        return [self.mpirun, "--hostfile", str(site.host_file), "--bind-to", "none", *start, *self._fabric(site)]

    def variables(self, site: Site) -> dict[str, str]:
        """See Flavour."""
        del site
        found = {"OMPI_MCA_mpi_yield_when_idle": "1"}
        if os.geteuid() == 0:
            for prefix in ("OMPI", "PRTE"):
                found |= {f"{prefix}_ALLOW_RUN_AS_ROOT": "1", f"{prefix}_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return found

    def _fabric(self, site: Site) -> list[str]:
        if site.has_efa:
            return ["--mca", "pml", "cm", "--mca", "mtl", "ofi"]
        memory = "sm" if self.is_prrte else "vader"
        transports = ["--mca", "btl", f"self,{memory},tcp", "--mca", "btl_tcp_if_include", site.network]
        return ["--mca", "pml", "ob1", *transports]


def found_flavour(search_path: str, nonce: str) -> Flavour:
    """The MPI that is first on a search path. Raises NoMpiError."""
    mpirun = shutil.which("mpiexec", path=search_path) or shutil.which("mpirun", path=search_path)
    if mpirun is None:
        raise NoMpiError(f"an mpiexec is on the PATH, got none in {search_path}; install an MPI")
    # By its own name, else by what lies beside it: asking it for its version takes longer than a small job. The name
    # goes first, as a machine may have several MPIs in one directory, behind links.
    resolved = Path(mpirun).resolve()
    places = (resolved.parent, Path(mpirun).parent)
    beside = {name for name in (*_HYDRA, *_PRRTE, *_ORTE) if any((place / name).exists() for place in places)}
    for names in ({resolved.name}, beside):
        if not names.isdisjoint(_HYDRA):
            return Mpich(mpirun, nonce)
        if not names.isdisjoint(_PRRTE):
            return OpenMpi(mpirun, is_prrte=True)
        if not names.isdisjoint(_ORTE):
            return OpenMpi(mpirun, is_prrte=False)
    raise NoMpiError(f"{mpirun}: is MPICH's or Open MPI's, got another; put one of them first on the PATH")
