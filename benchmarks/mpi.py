"""MPI jobs of the local Batch: their network next to plain mpirun's on this machine, and how long a job takes.

Both sides of the ping-pong run MPICH over libfabric's tcp on the loopback interface, and are kept from using shared
memory, the one since its ranks are on two nodes, the other by MPICH's own switch for that. They take turns.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.mpi_cloud import CHECKOUT, MpiCloud, compiled, mpi_cloud
from benchmarks.row import Row

ROUNDS = 5
LATENCY_BYTES, BANDWIDTH_BYTES = 8, 4 << 20
GROWTH = (2, 4, 8, 16)
_PLAIN = {
    "MPIR_CVAR_CH4_NETMOD": "ofi",
    "FI_PROVIDER": "tcp",
    "FI_TCP_IFACE": "lo",
    "MPIR_CVAR_NOLOCAL": "1",
}

_PingPong = tuple[float, float]
"""Microseconds one way of a short message, and MB/s of a long one."""


def run() -> list[Row]:
    """Nothing where there is no MPI or no compiler."""
    if shutil.which("mpicc") is None or shutil.which("mpiexec") is None:
        sys.stderr.write("benchmarks: mpi needs mpicc and mpiexec; left out\n")
        return []
    with tempfile.TemporaryDirectory() as name, mpi_cloud() as cloud:
        folder = Path(name)
        return [*_network(cloud, folder), *_jobs(cloud, folder)]


def _network(cloud: MpiCloud, folder: Path) -> list[Row]:
    program = str(compiled(CHECKOUT / "mpi" / "pingpong.c", folder))
    sizes = ["--sizes", f"{LATENCY_BYTES},{BANDWIDTH_BYTES}"]
    plain: list[_PingPong] = []
    ours: list[_PingPong] = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            ["mpiexec", "-n", "2", program, *sizes],
            env={**os.environ, **_PLAIN},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        plain.append(_read(done.stdout))
        ours.append(_read(cloud.run(2, ["-p", "1", program, *sizes])[1]))
    latency, bandwidth = (median(values) for values in zip(*plain, strict=True))
    our_latency, our_bandwidth = (median(values) for values in zip(*ours, strict=True))
    there = "plain mpirun over tcp"
    return [
        Row(f"plain mpirun over tcp on lo, {LATENCY_BYTES} B one way", latency, "us"),
        Row(f"two nodes, {LATENCY_BYTES} B one way", our_latency, "us", latency, there),
        Row("plain mpirun over tcp on lo, 4 MiB", bandwidth, "MB/s"),
        Row("two nodes, 4 MiB", our_bandwidth, "MB/s", bandwidth, there),
    ]


def _jobs(cloud: MpiCloud, folder: Path) -> list[Row]:
    source = CHECKOUT / "mpi" / "hello.c"
    program = str(compiled(source, folder))
    bundle = cloud.send(source)
    rows = []
    cloud.run(3, ["-p", "2", program])  # the image is read once
    alone = median(_plain_hello(program) for _ in range(ROUNDS))
    rows.append(Row("plain mpirun, hello, 6 ranks", alone, "s"))
    built = median(cloud.run(3, ["-p", "2", program])[0] for _ in range(ROUNDS))
    rows.append(Row("hello on 3 nodes x 2 ranks, SubmitJob to its end", built, "s", alone, "plain mpirun"))
    sent = median(cloud.run(3, ["--bundle", bundle, "-p", "2", "hello.c"])[0] for _ in range(ROUNDS))
    rows.append(Row("the same, source fetched and compiled first", sent, "s", built, "not compiled"))
    first = 0.0
    for nodes in GROWTH:
        seconds = median(cloud.run(nodes, ["-p", "1", program])[0] for _ in range(ROUNDS))
        first = first or seconds
        rows.append(Row(f"hello on {nodes} nodes, 1 rank each", seconds, "s", first, f"{GROWTH[0]} nodes"))
    return rows


def _plain_hello(program: str) -> float:
    began = os.times().elapsed
    subprocess.run(["mpiexec", "-n", "6", program], stdout=subprocess.DEVNULL, check=True)
    return os.times().elapsed - began


def _read(output: str) -> _PingPong:
    """The two lines of the table."""
    found = {
        int(size): (float(microseconds), float(rate))
        for size, microseconds, rate in re.findall(r"^\s*(\d+)\s+([\d.]+)\s+([\d.]+)\s*$", output, flags=re.MULTILINE)
    }
    return found[LATENCY_BYTES][0], found[BANDWIDTH_BYTES][1]
