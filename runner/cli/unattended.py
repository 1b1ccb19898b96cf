"""Whether somebody is there to be asked, for commands that change or delete what is deployed on AWS."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from runner.cli.options import Context
from runner.errors import InputError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def yes_option(command: Decorated) -> Decorated:
    """Give a command the option that answers for who is not there."""
    return click.option("--yes", is_flag=True, help="Ask nothing, on AWS, too.")(command)


def asks(context: Context, command: str, *, yes: bool) -> bool:
    """Whether a person is to be asked. InputError where one should be and there is no terminal to ask at."""
    if context.local or yes:
        return False
    if not sys.stdin.isatty():
        raise InputError(f"hpc {command}: asks before it acts on AWS, got no terminal; add --yes")
    return True
