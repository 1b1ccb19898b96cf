"""Where templates are written: each deployment and profile by itself, and each by one process at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.cdk_app import CHECKOUT, CdkApp
from runner.cli.deploy import cdk_app
from runner.cli.options import Context
from runner.errors import InputError
from tests.runner.shell import Shell


@pytest.mark.parametrize(
    ("deployment", "profile", "folder"),
    [
        ("CloudHpc", None, "cdk.out"),
        ("CloudHpc", "private", "cdk.out.private"),
        ("Lab", None, "cdk.out.Lab"),
        ("Lab", "private", "cdk.out.Lab.private"),
        ("CloudHpc", "../elsewhere", "cdk.out.---elsewhere"),
    ],
)
def test_each_deployment_and_profile_has_its_own(deployment: str, profile: str | None, folder: str) -> None:
    """So that two commands cannot deploy each other's templates; no name leads out of the checkout."""
    assert cdk_app(Context(deployment=deployment), {}, profile).assembly == CHECKOUT / folder


def test_who_comes_second_waits_and_finds_it_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cdk is run once for two that want the same: the second does not start while the first one writes."""
    app = CdkApp(assembly=tmp_path / "cdk.out", environment={}, context={}, log=tmp_path / "cdk.log")
    writing, written, runs = threading.Event(), threading.Event(), []

    def cdk(self: CdkApp, *arguments: str) -> None:
        runs.append(arguments)
        self.assembly.mkdir()
        writing.set()
        assert written.wait(30)

    monkeypatch.setattr(CdkApp, "_cdk", cdk)
    was_written: dict[str, bool] = {}
    first, second = (
        threading.Thread(target=lambda name=name: was_written.update({name: app.synth()}))
        for name in ("first", "second")
    )
    first.start()
    assert writing.wait(30)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    written.set()
    for thread in (first, second):
        thread.join(30)
    assert was_written == {"first": True, "second": False}
    assert len(runs) == 1


def test_settings_are_not_credentials(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--settings production` says nothing of the AWS profile, and `--profile production` nothing of the settings."""
    seen: list[tuple[str | None, Mapping[str, str]]] = []

    def made(context: Context, _: object, profile: str | None = None) -> CdkApp:
        seen.append((context.profile, {} if profile is None else {"profile": profile}))
        raise InputError("seen")

    monkeypatch.setattr("runner.cli.deploy.cdk_app", made)
    shell("synth", "--settings", "production", code=2)
    shell("synth", "--profile", "production", code=2)
    assert seen == [(None, {"profile": "production"}), ("production", {})]
