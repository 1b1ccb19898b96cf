"""What a stack exports stays as it is while another imports it, which MiniStack sees to at deletions only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_batch.host.seams import MiniStack


def install(ministack: MiniStack) -> None:
    """Have updates fail that would take away or change what another stack imports, and roll back, as on AWS.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-importvalue.html
    """
    resolve, stacks = ministack.stacks.resolve_stack_outputs, ministack.cloudformation.stacks
    exports, imported_names = ministack.cloudformation.exports, ministack.stack_handlers.imported_export_names

    def resolve_stack_outputs(*arguments: Any) -> tuple[list[Mapping[str, str]], dict[str, Mapping[str, str]]]:
        outputs, exported = resolve(*arguments)
        stack_id = arguments[-1]
        before = {name: export["Value"] for name, export in exports.items() if export["StackId"] == stack_id}
        for name, value in before.items():
            if name in exported and exported[name]["Value"] == value:
                continue
            users = [
                user
                for user, stack in stacks.items()
                if stack["StackId"] != stack_id
                and stack["StackStatus"] != "DELETE_COMPLETE"
                and name in imported_names(stack, user)
            ]
            if users:
                change = "updated" if name in exported else "deleted"
                # MiniStack takes it for a reason to roll back, as any error of an output.
                raise ValueError(f"Export {name} cannot be {change} as it is in use by {', '.join(sorted(users))}")
            if name not in exported:
                del exports[name]
        return outputs, exported

    ministack.replace("services.cloudformation.stacks", "_resolve_stack_outputs", resolve_stack_outputs)
