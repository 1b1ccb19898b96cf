"""The launcher as a process of its own, before a program that tells what it was started with."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.containers.program import CONTAINERS, finish

LAUNCHER = CONTAINERS / "launcher" / "launcher.py"
_TELLING = "import json, os, sys; print(json.dumps([os.getpid(), sys.argv[1:], dict(os.environ)]))"


@dataclass(frozen=True)
class Launched:
    """What came of a launch."""

    exit_code: int
    err: str
    arguments: list[str]
    environment: dict[str, str]


class Launcher:
    """Starts the launcher in a folder with a program, as a container of an image would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copy(LAUNCHER, folder)
        (folder / "tell.py").write_text(_TELLING, encoding="utf-8")

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        """The launcher with these arguments, and no other variable but PATH."""
        return subprocess.Popen(
            [sys.executable, "-IS", "launcher.py", *words],
            cwd=self._folder,
            env={"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "LC_CTYPE": "C.UTF-8", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def launch(self, environment: Mapping[str, str], *command: str) -> Launched:
        """What the program is started with, or how the launcher ends."""
        process = self.start(["2", "python", "tell.py", *command], environment)
        code, out, err = finish(process)
        pid, arguments, variables = json.loads(out) if out else (process.pid, [], {})
        assert pid == process.pid
        return Launched(code, err, arguments, variables)


def packed(*lines: object) -> tuple[str, bytes]:
    """SHA-256 and bytes of a block of children."""
    content = gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode(), mtime=0)
    return hashlib.sha256(content).hexdigest(), content


def inline(*children: object) -> dict[str, str]:
    """HPC_CHILDREN with the children themselves."""
    return {"HPC_CHILDREN": json.dumps({"children": children}, separators=(",", ":"))}


def spilled(*blocks: tuple[int, str], **changed: Any) -> dict[str, str]:
    """HPC_CHILDREN with the blocks that hold them."""
    document = {"from": "s3://bucket/children/a b/", "region": "eu-west-3", "blocks": blocks, **changed}
    return {"HPC_CHILDREN": json.dumps(document)}


def path_of(digest: str) -> str:
    """Where a server has that block."""
    return f"/bucket/children/a%20b/{digest}.jsonl.gz"
