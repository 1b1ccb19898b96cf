"""What a role may do, asked for the services that act as it: ECS reads secrets and opens log streams so.

A role is asked by its own policies, its boundary, and the policy of the resource where that has one.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from local_batch.host.account import ACCOUNT_ID, REGION
from local_batch.host.seams import MiniStack

TASKS: Final = "ecs-tasks.amazonaws.com"
_ROLE_NAME: Final = re.compile(r"arn:[\w-]+:iam::\d{12}:role/(?:.*/)?([^/]+)")


class RolePermissions:
    """Of the roles of the local cloud's account; loop thread only."""

    def __init__(self, ministack: MiniStack) -> None:
        self._ministack = ministack
        self._evaluator = ministack.iam_evaluator

    def refusal(self, role_arn: str, session: str, action: str, resource: str) -> str | None:
        """AWS's words where the role, acting in a session of that name, may not; None where it may."""
        found = _ROLE_NAME.fullmatch(role_arn)
        name = found[1] if found else role_arn
        principal = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{name}/{session}"
        with self._ministack.scope():
            context = self._evaluator.EvalContext(
                principal_arn=principal,
                principal_type="AssumedRole",
                principal_account=ACCOUNT_ID,
                action=action,
                resource_arn=resource,
                region=REGION,
                secure_transport=True,
            )
            limits = self._evaluator.permissions_boundary(self._ministack.iam.roles, name, ACCOUNT_ID)
            policies = self._evaluator.gather_role_policies(name, ACCOUNT_ID)
            result = self._evaluator.evaluate(context, policies, *limits)
            service = action.partition(":")[0]
            of_resource = self._evaluator.resource_policy(service, resource)
            if of_resource is not None:
                required = service in self._evaluator.POLICY_REQUIRED
                result = self._evaluator.combine_resource_policy(
                    result, context, *of_resource, required=required, limits=limits
                )
        if result.decision == "Allow":
            return None
        text: str = self._ministack.iam_actions.identity_denial_message(
            action, principal, resource, result.decision == "Deny"
        )
        return text

    def trusts_tasks(self, role_arn: str, task_arn: str) -> bool:
        """Whether ECS may assume the role for the task, under the conditions of the role's trust."""
        found = _ROLE_NAME.fullmatch(role_arn)
        role = self._ministack.iam.roles.get_scoped(ACCOUNT_ID, None, found[1]) if found else None
        if role is None:
            return False
        document = role.get("AssumeRolePolicyDocument") or "{}"
        trust = json.loads(document) if isinstance(document, str) else document
        statements = trust.get("Statement") or []
        listed = statements if isinstance(statements, list) else [statements]
        # The evaluator lets its root act for any service: it is asked about the statements on this one.
        service = f"arn:aws:iam::{ACCOUNT_ID}:root"
        context = self._evaluator.EvalContext(
            principal_arn=service,
            principal_type="Root",
            principal_account=ACCOUNT_ID,
            action="sts:AssumeRole",
            resource_arn=role_arn,
            region=REGION,
            secure_transport=True,
            service_context={"aws:sourceaccount": ACCOUNT_ID, "aws:sourcearn": task_arn},
        )
        about_tasks = {"Statement": [statement for statement in listed if _names_tasks(statement)]}
        return bool(self._evaluator.evaluate_trust_policy(about_tasks, service, context))


def _names_tasks(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal") or {}
    services = principal.get("Service") if isinstance(principal, dict) else principal
    named = services if isinstance(services, list) else [services]
    return TASKS in named or "*" in named
