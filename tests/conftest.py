"""What all suites share: slow tests run only when asked for, one seed for what is drawn, and one container engine."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.container_engine import TestEngine, running_engine


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for them."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw the seed of all property tests before hypothesis asks for it, so that it is known and the workers' too."""
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbits(32))


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Print it beneath pytest's own header, which -q leaves out."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        seed = session.config.option.hypothesis_seed
        terminal.write_line(f"hypothesis seed {seed}; --hypothesis-seed={seed} draws the same examples again")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked slow, with the reason."""
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: takes minutes; run it with --slow (make test-slow)")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def container_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestEngine]:
    """An engine for the tests marked container; skips where there is none."""
    with running_engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine
