"""Programs of container images, loaded and run as their image would."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

CONTAINERS = Path(__file__).resolve().parents[2] / "containers"


def load(name: str) -> ModuleType:
    """The program of image `name` as a module; a container's folder is no package."""
    spec = importlib.util.spec_from_file_location(f"container_{name}", CONTAINERS / name / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look for their module there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def start(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """The program as a process of its own, in its folder, with that environment and no other variable."""
    return subprocess.Popen(
        [sys.executable, f"{name}.py", *arguments],
        cwd=CONTAINERS / name,
        env={"PATH": os.defpath, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout_seconds: float = 60) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a process once it has ended."""
    with process:
        try:
            out, err = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, out, err


def wait_until_catching(process: subprocess.Popen[str], number: signal.Signals, limit_seconds: float = 60) -> None:
    """Return when the process has a handler for that signal; skip the test where the system does not tell."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        process.kill()
        pytest.skip("no /proc here to see a process's signal handlers in")
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
        if caught and int(caught[1], 16) & 1 << (number - 1):
            return
        time.sleep(0.02)
    process.kill()
    pytest.fail(f"no handler for {number.name} after {limit_seconds:g} s")


class FakeStore:
    """A bucket in a dictionary; every call is remembered, and refused where the test says so."""

    def __init__(self, objects: Mapping[str, bytes] | None = None, refused: str = "") -> None:
        self.objects = dict(objects or {})
        self.refused = refused
        self.calls: list[tuple[str, str]] = []

    def _call(self, operation: str, key: str) -> None:
        self.calls.append((operation, key))
        if operation == self.refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not yours"}}, operation)

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> Any:  # noqa: N803 - S3's names
        """Keys in order, as S3 lists them; no Contents at all where there is none."""
        self._call("ListObjectsV2", Prefix)
        keys = sorted(key for key in self.objects if key.startswith(Prefix))[:MaxKeys]
        return {"Contents": [{"Key": key} for key in keys]} if keys else {}

    def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803 - S3's names
        """One object's content."""
        self._call("GetObject", Key)
        return {"Body": io.BytesIO(self.objects[Key])}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> Any:  # noqa: N803 - S3's names
        """Keep the content."""
        self._call("PutObject", Key)
        self.objects[Key] = Body
        return {}
