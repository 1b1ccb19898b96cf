"""The settings that a profile may have."""

from __future__ import annotations

import dataclasses

import pytest

from settings import PROFILES, Settings, SettingsError, checked_deployment, settings_for


def test_the_default_profile_is_the_defaults() -> None:
    """What the docstrings say about defaults is what the default profile deploys."""
    assert settings_for("default") == Settings()


def test_nothing_can_change_a_profile() -> None:
    """Neither a setting nor the table of profiles can be written to."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings_for("default").job_attempts = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        PROFILES["default"] = Settings(job_attempts=4)  # type: ignore[index]


def test_an_unknown_profile_names_the_known_ones() -> None:
    """The error says where the name came from, what it was and what can be used."""
    with pytest.raises(
        SettingsError,
        match=r"^-c profile: names a profile of settings\.py, got 'prod'; use one of: default, private, production$",
    ):
        settings_for("prod")


@pytest.mark.parametrize("name", ["CloudHpc", "a", "lab-7", "X" * 100])
def test_a_deployment_is_named_like_a_stack(name: str) -> None:
    """Letters, digits and hyphens after a first letter are taken as they are."""
    assert checked_deployment(name) == name


@pytest.mark.parametrize("name", ["", "7lab", "-lab", "lab_7", "lab 7", "lab\n", "é", "X" * 101])
def test_a_bad_deployment_is_refused(name: str) -> None:
    """Anything else is refused before a stack is made, with the rule and the name."""
    with pytest.raises(SettingsError, match=r"^-c deployment: .*at most 99 letters, digits or hyphens, got "):
        checked_deployment(name)
