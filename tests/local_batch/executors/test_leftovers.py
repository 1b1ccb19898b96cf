"""What a killed server leaves running is ended before its successor starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from image_tags import image_tag
from local_batch.executors.leftovers import end_leftovers
from local_batch.executors.process_table import pids

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc")

SERVER = """
import sys
from pathlib import Path
from local_batch.executors.image_store import ImageStore
from local_batch.executors.process import ProcessExecutor
from local_batch.executors.work import AttemptWork

class Printer:
    def report(self, reports):
        for report in reports:
            for line in getattr(report, "lines", ()): print(line.text, flush=True)

top, image = Path(sys.argv[1]), sys.argv[2]
executor = ProcessExecutor(
    images=ImageStore(roots=[top / "containers"], store=top / "images"), jobs_dir=top / "jobs", reporter=Printer()
)
executor.start([AttemptWork("job:1", 2, image, (), {}, vcpus=1, memory_mib=512)])
sys.stdin.read()
"""

SCRIPT = "trap '' PIPE TERM; setsid sh -c 'echo pid $$; sleep 60' & echo pid $$; sleep 60"


def test_processes_of_a_server_that_was_killed_are_ended(tmp_path: Path) -> None:
    """Those in the job's session and those that left it; and the attempt is named."""
    folder = tmp_path / "containers" / "image"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(f"FROM base\nCMD {SCRIPT}\n")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), f"image:{image_tag(folder)}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    ) as server:
        assert server.stdout is not None
        left = {int(server.stdout.readline().removeprefix("pid ")) for _ in range(2)}
        os.kill(server.pid, signal.SIGKILL)
    assert left <= set(pids())
    assert end_leftovers(tmp_path / "somewhere else") == []
    assert left <= set(pids())
    assert end_leftovers(tmp_path / "jobs") == [("job:1", 2)]
    # Zombies are for whoever adopted them to reap.
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert end_leftovers(tmp_path / "jobs") == []
