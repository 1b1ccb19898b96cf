"""How long `cdk synth` takes: of this app, as `hpc synth` calls it, beside apps of one empty stack.

All run under the same cdk command, Node, Python and packages, and take turns. Most of it is theirs: to start cdk,
Python and Node, and to load CDK into each. One empty app has CDK's defaults, among them a validation of templates that
takes longer than all else; the other leaves out what ours leaves out, and shows what is really ours: cdk-nag's rules,
the modules of the services that are used, and some seven hundred calls from Python to Node.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.row import Row
from runner.cdk_app import CHECKOUT, CdkApp, cdk_environment

ROUNDS: Final = 7

_EMPTY_APP: Final = """\
import aws_cdk as cdk

app = cdk.App({options})
cdk.Stack(app, "Empty")
app.synth()
"""

_AS_OURS: Final = (
    "analytics_reporting=False, builtin_cloud_formation_validation=False, tree_metadata=False, stack_traces=False"
)


def run() -> list[Row]:
    """Medians of rounds, after one that fills the caches of files."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        bare, as_made = _empty_app(top / "bare", _AS_OURS), _empty_app(top / "as-made", "")
        rounds = [
            (_cdk_seconds(as_made), _cdk_seconds(bare), _our_cdk_seconds(top), _app_seconds(bare), _our_seconds(top))
            for _ in range(1 + ROUNDS)
        ][1:]
    usual, empty, ours, empty_app, our_app = (median(seconds) for seconds in zip(*rounds, strict=True))
    return [
        Row("cdk synth, empty app with CDK's defaults", usual, "s"),
        Row("cdk synth, this app, default profile", ours, "s", usual, "empty app with CDK's defaults"),
        Row("cdk synth, empty app with our options", empty, "s"),
        Row("cdk synth, this app, default profile", ours, "s", empty, "empty app with our options"),
        Row("python app.py, empty app with our options", empty_app, "s"),
        Row("python app.py, this app, default profile", our_app, "s", empty_app, "empty app with our options"),
    ]


def _empty_app(folder: Path, options: str) -> Path:
    folder.mkdir()
    (folder / "app.py").write_text(_EMPTY_APP.format(options=options), encoding="utf-8")
    return folder


def _our_cdk_seconds(top: Path) -> float:
    """Into a new folder each time, as an assembly of today's sources would not be written again."""
    with tempfile.TemporaryDirectory(dir=top) as outdir:
        app = CdkApp(
            assembly=Path(outdir),
            environment=os.environ,
            context={"deployment": "CloudHpc", "profile": "default"},
            log=top / "cdk.log",
        )
        began = time.perf_counter()
        app.synth()
        return time.perf_counter() - began


def _cdk_seconds(folder: Path) -> float:
    cdk = str(CHECKOUT / "node_modules/.bin/cdk")
    app = ("--app", f"{sys.executable} app.py", "--output", str(folder / "cdk.out"))
    return _seconds([cdk, "synth", "--quiet", "--no-notices", "--no-color", *app], folder, {})


def _app_seconds(folder: Path) -> float:
    return _seconds([sys.executable, "app.py"], folder, {"CDK_OUTDIR": str(folder / "alone")})


def _our_seconds(top: Path) -> float:
    return _seconds([sys.executable, "app.py"], CHECKOUT, {"CDK_OUTDIR": str(top / "ours")})


def _seconds(command: Sequence[str], folder: Path, more: Mapping[str, str]) -> float:
    # The checkout's own Node, which cdk.json names for our app.
    environment = {**cdk_environment(os.environ), "JSII_NODE": str(CHECKOUT / ".venv/bin/node"), **more}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began
