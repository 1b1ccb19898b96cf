"""MiniStack's private names: all in one table, checked at start."""

from __future__ import annotations

import ast
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

from local_batch.host import seams

HOST = Path(seams.__file__).parent


def test_installed_ministack_is_the_tested_one() -> None:
    """The pin and the version that the seams were read from are the same."""
    assert metadata.version("ministack") == seams.TESTED_VERSION


def test_missing_seams_are_listed() -> None:
    """Every one, so that one look at the error shows what a new version changed."""
    modules = {module: SimpleNamespace(**dict.fromkeys(names)) for module, names in seams.SEAMS.items()}
    assert seams.missing_seams(modules) == []
    del modules["services.ec2"]._addresses
    del modules["app"].SERVICE_HANDLERS
    assert seams.missing_seams(modules) == ["app.SERVICE_HANDLERS", "services.ec2._addresses"]


def test_only_the_seams_import_ministack() -> None:
    """What is not in the table cannot be reached."""
    importers = set()
    for path in HOST.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if any(name.split(".")[0] == "ministack" for name in names):
                importers.add(path.name)
    assert importers == set()
    assert 'import_module(f"ministack.' in (HOST / "seams.py").read_text(encoding="utf-8")


def test_every_seam_is_used() -> None:
    """A name that nothing uses any more is taken off the table."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in HOST.glob("*.py") if path.name != "seams.py")
    sources += (HOST / "seams.py").read_text(encoding="utf-8").partition("def quieten")[2]
    unused = [
        f"{module}.{name}"
        for module, names in seams.SEAMS.items()
        for name in names
        if f".{name.lstrip('_')}" not in sources and f'"{name}"' not in sources
    ]
    assert unused == []
