"""What all suites share: slow tests run only when asked for, and there is one container engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.container_engine import TestEngine, running_engine


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for them."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


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
