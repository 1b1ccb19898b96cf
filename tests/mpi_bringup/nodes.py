"""The nodes of one multi-node parallel job as processes of this machine, without Batch: started, killed, looked at."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import mpi_bringup

BRINGUP = Path(mpi_bringup.__file__).resolve().parents[1] / "bringup.py"
JOB_MARK = "MPI_TEST_JOB"
NODE_MARK = "MPI_TEST_NODE"
PATIENCE_SECONDS = 60.0
"""A job that takes longer hangs."""


class Nodes:
    """One job's. Leaving its `with` kills whatever is left of it.

    Every job has loopback addresses of its own, so that jobs of tests that run side by side do not meet.
    """

    def __init__(
        self,
        directory: Path,
        num_nodes: int,
        *,
        variables: Mapping[str, str] | None = None,
        variables_of_node: Mapping[int, Mapping[str, str]] | None = None,
        main_node: int = 0,
        job_id: str | None = None,
    ) -> None:
        """`variables` go to every node, `variables_of_node` to single ones, over what Batch would set."""
        self.num_nodes = num_nodes
        self.main_node = main_node
        self.job_id = job_id or f"job-{secrets.token_hex(8)}"
        self._directory = directory
        self._variables = dict(variables or {})
        self._variables_of_node = dict(variables_of_node or {})
        self._mark = secrets.token_hex(8)
        self._network = f"127.{secrets.randbelow(250) + 1}.{secrets.randbelow(250) + 1}"
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._killed: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def address(self, node: int) -> str:
        """Of a node, on loopback."""
        return f"{self._network}.{node + 1}"

    def start(self, *arguments: str, nodes: Iterable[int] | None = None) -> None:
        """Begin the bring-up with this command on all nodes, the main one last, or on those given."""
        chosen = list(range(self.num_nodes) if nodes is None else nodes)
        for node in sorted(chosen, key=lambda index: index == self.main_node):
            self._processes[node] = self._started(node, arguments)

    def signal(self, node: int, number: int = signal.SIGTERM) -> None:
        """Send a signal to a node's first process, as Batch does to end it."""
        self._processes[node].send_signal(number)

    def kill(self, node: int) -> None:
        """End everything on a node at once, as when its machine is lost."""
        self._killed.add(node)
        self._processes[node].kill()
        self._kill_all(f"{NODE_MARK}={self._mark}-{node}")

    def exit_codes_of_ended(self, seconds: float) -> dict[int, int]:
        """Of nodes whose output is not looked at, such as one that nobody reads; fails where one still runs."""
        deadline = time.monotonic() + seconds
        return {
            node: process.wait(max(deadline - time.monotonic(), 0.01))
            for node, process in sorted(self._processes.items())
            if node not in self._killed
        }

    def exit_codes(self, seconds: float = PATIENCE_SECONDS) -> dict[int, int]:
        """Of all nodes that were started, once they ended; negative where a signal did it."""
        deadline = time.monotonic() + seconds
        for node, process in self._processes.items():
            try:
                process.wait(max(deadline - time.monotonic(), 0.01))
            except subprocess.TimeoutExpired:
                shown = "\n".join(f"--- node {each}\n{self.all_output(each)}" for each in self._processes)
                raise AssertionError(f"node {node} still runs after {seconds:g} s\n{shown}") from None
        return {node: process.returncode for node, process in sorted(self._processes.items())}

    def output(self, node: int) -> str:
        """What a node wrote to its standard output so far."""
        return self._file(node, "stdout").read_text(encoding="utf-8", errors="replace")

    def errors(self, node: int) -> str:
        """What a node wrote to its standard error so far: the bring-up's own messages, and the program's."""
        return self._file(node, "stderr").read_text(encoding="utf-8", errors="replace")

    def all_output(self, node: int) -> str:
        """Both, one after the other."""
        return self.output(node) + self.errors(node)

    def wait_until(self, is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Until something can be seen of them, such as a line of output."""
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                shown = "\n".join(f"--- node {each}\n{self.all_output(each)}" for each in self._processes)
                raise AssertionError(f"did not come within {seconds:g} s\n{shown}")
            time.sleep(0.01)

    def processes_left(self, seconds: float = 5.0) -> list[str]:
        """What still carries the job's mark, the nodes' first processes included, after it had this long to end."""
        deadline = time.monotonic() + seconds
        while (left := self._marked(f"{JOB_MARK}={self._mark}")) and time.monotonic() < deadline:
            time.sleep(0.02)
        return [f"{pid}: {_command(pid)}" for pid in left]

    def files_left(self) -> list[str]:
        """What lies in the nodes' directories for temporary files: nothing, after a job."""
        root = self._directory
        return sorted(
            str(path.relative_to(root)) for node in self._processes for path in (self._home(node) / "tmp").iterdir()
        )

    def close(self) -> None:
        """Kill whatever is left."""
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._kill_all(f"{JOB_MARK}={self._mark}")

    def environment(self, node: int) -> dict[str, str]:
        """What Batch, the job definition and the local cloud would set for a node."""
        here = Path(sys.executable).parent
        return {
            "PATH": f"{here}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._home(node)),
            "TMPDIR": str(self._home(node) / "tmp"),
            "LANG": "C.UTF-8",
            "MPI_BRINGUP_SECRET": "a secret of the tests",
            "MPI_LAUNCHER": "agent",
            "MPI_ADDRESS": self.address(node),
            "AWS_BATCH_JOB_ID": f"{self.job_id}#{node}",
            "AWS_BATCH_JOB_ATTEMPT": "1",
            "AWS_BATCH_JOB_NODE_INDEX": str(node),
            "AWS_BATCH_JOB_NUM_NODES": str(self.num_nodes),
            "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(self.main_node),
            **(
                {"AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": self.address(self.main_node)}
                if node != self.main_node
                else {}
            ),
            JOB_MARK: self._mark,
            NODE_MARK: f"{self._mark}-{node}",
            **self._variables,
            **self._variables_of_node.get(node, {}),
        }

    def _started(self, node: int, arguments: Iterable[str]) -> subprocess.Popen[bytes]:
        (self._home(node) / "tmp").mkdir(parents=True, exist_ok=True)
        with self._file(node, "stdout").open("wb") as stdout, self._file(node, "stderr").open("wb") as stderr:
            return subprocess.Popen(
                [sys.executable, str(BRINGUP), *arguments],
                env=self.environment(node),
                cwd=self._home(node),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    def _home(self, node: int) -> Path:
        return self._directory / f"node-{node}"

    def _file(self, node: int, stream: str) -> Path:
        return self._home(node) / stream

    def _kill_all(self, mark: str) -> None:
        # Anew until none is found: one may start another just then.
        while marked := self._marked(mark):
            for pid in marked:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.005)

    @staticmethod
    def _marked(mark: str) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended, or is somebody else's
            if mark.encode() in variables:
                found.append(int(entry.name))
        return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "ended meanwhile"
