"""A change of what is deployed: in order, by one at a time, and with a word for what it leaves behind."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.aws_clients import CloudFormationClient
from runner.cdk_app import CdkApp
from runner.deploy_order import stacks_to_deploy_first
from runner.deployed_templates import deployed_template
from runner.errors import HpcError
from runner.stack_remains import Held, kept_resources


@contextlib.contextmanager
def at_work(deployment: str, folder: Path) -> Iterator[None]:
    """One change of a deployment at a time from here; HpcError while there is another: cdk would mix them up."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"changing-{deployment}").open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HpcError(
                f"--deployment {deployment}: is changed by one command at a time, got another hpc deploy or destroy at "
                "work here; wait for it"
            ) from None
        yield


def deployed_templates(cloudformation: CloudFormationClient, stacks: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By stack, of those that are there."""
    found = {stack: deployed_template(cloudformation, stack) for stack in stacks}
    return {stack: template for stack, template in found.items() if template is not None}


def left_behind(cloudformation: CloudFormationClient, wanted: Mapping[str, Any]) -> list[Held]:
    """What the next deployment takes out of the stacks that are there and does not delete, as its policy retains it."""
    found = []
    for stack, template in deployed_templates(cloudformation, wanted).items():
        staying = wanted[stack].get("Resources", {}).keys()
        if template["Resources"].keys() - staying:
            found += [held for name, held in kept_resources(cloudformation, stack, template) if name not in staying]
    return found


def deploy_in_order(
    app: CdkApp, cloudformation: CloudFormationClient, on_stack: Callable[[str], None], *, confirm: bool
) -> None:
    """Deploy every stack, those first that have to give up what others take away; `on_stack` is told each."""
    wanted = app.templates()
    for stack in stacks_to_deploy_first(deployed_templates(cloudformation, wanted), wanted):
        app.deploy(on_stack, confirm=confirm, only=stack)
    app.deploy(on_stack, confirm=confirm)
