"""One synthesised app for all tests of the infrastructure: importing CDK and synthesising take seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.infra.synthesised import CHECKOUT, STACKS, VARIANTS, Synthesise, Template, app_with, read_templates

HERE = Path(__file__).resolve().parent

ALL_CHECKS = {"CDK_CONTEXT_JSON": json.dumps({"checks": "all"})}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that renews the snapshots."""
    parser.addoption("--update-snapshots", action="store_true", help="write the templates' snapshots anew")


@pytest.hookimpl(tryfirst=True)  # before xdist puts groups into the tests' names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests on one worker, so that one of them pays for importing CDK and for synthesising."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("infra"))


def bare_environment(outdir: Path) -> dict[str, str]:
    """What a process needs to synthesise, and nothing of AWS."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{CHECKOUT / 'node_modules/.bin'}{os.pathsep}{os.defpath}",
        "HOME": str(outdir),
        # Where CDK's own code is unpacked, which takes longer than all else: that of whoever runs the tests.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(Path.home() / ".cache" / "aws" / "jsii" / "package-cache"),
        "CDK_OUTDIR": str(outdir),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }


@pytest.fixture(scope="session")
def synthesise() -> Synthesise:
    """Synthesise into a folder in a process of its own: `synthesise(outdir, command=…, extra=…)`."""

    def run(
        outdir: Path,
        command: Sequence[str] = (sys.executable, "app.py"),
        extra: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        outdir.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            command,
            cwd=CHECKOUT,
            env=bare_environment(outdir) | dict(extra or {}),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def assembly(synthesise: Synthesise, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the default profile's cloud assembly."""
    outdir = tmp_path_factory.mktemp("assembly")
    completed = synthesise(outdir)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    return outdir


@pytest.fixture(scope="session")
def assemblies(synthesise: Synthesise, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Folders by variant, each synthesised without a finding of any of three rule packs, and without a word."""
    found = {}
    for variant, settings in VARIANTS.items():
        outdir = tmp_path_factory.mktemp(variant)
        script = outdir / "variant_app.py"
        script.write_text(app_with(settings), encoding="utf-8")
        done = synthesise(outdir, command=[sys.executable, str(script)], extra=ALL_CHECKS)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), variant
        found[variant] = outdir
    return found


@pytest.fixture(scope="session")
def templates(assembly: Path) -> dict[str, Template]:
    """The default profile's templates by stack name."""
    found = {name: Template(text) for name, text in read_templates(assembly).items()}
    assert sorted(found) == sorted(STACKS)
    return found


@pytest.fixture(scope="session")
def head_node_assembly(assemblies: Mapping[str, Path]) -> Path:
    """The folder of the assembly of WITH_HEAD_NODE."""
    return assemblies["head-node"]


@pytest.fixture(scope="session")
def with_head_node(head_node_assembly: Path) -> dict[str, Template]:
    """Its templates by stack name."""
    return {name: Template(text) for name, text in read_templates(head_node_assembly).items()}


@pytest.fixture(scope="session")
def network(templates: dict[str, Template]) -> Template:
    """The network stack's template."""
    return templates["CloudHpc-Network"]


@pytest.fixture(scope="session")
def storage(templates: dict[str, Template]) -> Template:
    """The storage stack's template."""
    return templates["CloudHpc-Storage"]


@pytest.fixture(scope="session")
def batch(templates: dict[str, Template]) -> Template:
    """The entry stack's template."""
    return templates["CloudHpc-Batch"]
