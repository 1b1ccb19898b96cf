"""Stacks for tests: deploy a template of a few resources and wait for the outcome."""

from __future__ import annotations

import json
import time
from typing import Any

IN_PROGRESS = "_IN_PROGRESS"


class StackClient:
    """One stack of the local cloud's CloudFormation."""

    def __init__(self, cloudformation: Any, name: str) -> None:
        self._cloudformation = cloudformation
        self.name = name

    def deploy(
        self,
        resources: dict[str, Any],
        outputs: dict[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
        exports: dict[str, Any] | None = None,
    ) -> str:
        """Create or update the stack, which exports values by name; the status it ends in."""
        template = {
            "Parameters": parameters or {},
            "Resources": resources,
            "Outputs": {
                **{key: {"Value": value} for key, value in (outputs or {}).items()},
                **{
                    f"Export{number}": {"Value": value, "Export": {"Name": name}}
                    for number, (name, value) in enumerate((exports or {}).items())
                },
            },
        }
        body = json.dumps(template)
        if self.status() is None:
            self._cloudformation.create_stack(StackName=self.name, TemplateBody=body)
        else:
            self._cloudformation.update_stack(StackName=self.name, TemplateBody=body)
        return self._wait()

    def delete(self) -> str:
        """Delete the stack; the status it ends in."""
        stack_id = self._describe()["StackId"]
        self._cloudformation.delete_stack(StackName=self.name)
        return self._wait(stack_id)

    def status(self) -> str | None:
        """None where there is no such stack (any more)."""
        try:
            status: str = self._describe()["StackStatus"]
        except self._cloudformation.exceptions.ClientError:
            return None
        return None if status == "DELETE_COMPLETE" else status

    def outputs(self) -> dict[str, str]:
        """By key."""
        return {output["OutputKey"]: output["OutputValue"] for output in self._describe()["Outputs"]}

    def physical_ids(self) -> dict[str, str]:
        """By logical id."""
        resources = self._cloudformation.describe_stack_resources(StackName=self.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}

    def reasons(self) -> str:
        """The reasons of all events that have one."""
        events = self._cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason"))

    def _describe(self, name: str | None = None) -> dict[str, Any]:
        (stack,) = self._cloudformation.describe_stacks(StackName=name or self.name)["Stacks"]
        return dict(stack)

    def _wait(self, name: str | None = None) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status: str = self._describe(name)["StackStatus"]
            if not status.endswith(IN_PROGRESS):
                return status
            time.sleep(0.05)
        raise TimeoutError(f"stack {self.name} is still {status}")
