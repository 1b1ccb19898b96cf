"""MiniStack's private names that the local cloud stands on, all of them, checked at start.

MiniStack promises nothing about them: its version is pinned exactly, and a start with another version that moved one
says which. Nothing else in this project imports `ministack`; what is not in SEAMS cannot be reached.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

from local_batch.host.account import ACCOUNT_ID, OWNER_KEY, REGION
from local_batch.host.state_directory import LOOPBACK

TESTED_VERSION: Final = "1.5.33"

SEAMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "app": (
            "app",
            "PERSIST_STATE",
            "SERVICE_HANDLERS",
            "SERVICE_REGISTRY",
            "SERVICE_NAME_ALIASES",
            "_state_map",
            "_get_module",
            "_build_persistence_save_dict",
            "_run_init_scripts",
            "_run_ready_scripts",
            "_stop_docker_containers",
            "_reaper_docker_client",
            "pin_request_origin",
        ),
        "core.iam_actions": ("identity_denial_message", "access_denied_response", "extract_resource_arn"),
        "core.iam_evaluator": (
            "AuthError",
            "EvalContext",
            "combine_resource_policy",
            "enforce",
            "evaluate",
            "evaluate_trust_policy",
            "find_iam_access_key_account",
            "pin_request_origin",
            "pin_signed_body",
            "pin_signed_request",
            "_POLICY_REQUIRED",
            "_gather_role_policies",
            "_permissions_boundary",
            "_resource_policy",
        ),
        "core.persistence": ("load_state", "_json_default", "_state_format_version"),
        "core.responses": (
            "AccountRegionScopedDict",
            "request_scope",
            "get_account_id",
            "error_response_json",
            "set_request_account_id",
            "set_request_region",
        ),
        "services.budgets": (
            "_create_budget",
            "_update_budget",
            "_delete_budget",
            "_tag_resource",
            "_untag_resource",
            "_budget_arn",
            "_budgets",
        ),
        "services.cloudformation": ("_stacks", "_exports"),
        "services.cloudformation.handlers": ("_imported_export_names",),
        "services.cloudformation.stacks": ("_add_event", "_resolve_stack_outputs"),
        "services.cloudformation.provisioners": (
            "_RESOURCE_HANDLERS",
            "_REPLACING_PROPERTIES",
            "_CONDITIONALLY_REPLACING_PROPERTIES",
            "_CUSTOM_NAME_REPLACEMENT",
            "_ec2_sg_permissions",
            "_ec2_apply_tags",
            "_cw_metric_alarm_record",
        ),
        "services.cloudwatch": (
            "record_metric",
            "cloudformation_put_metric_alarm",
            "cloudformation_set_metric_alarm_tags",
        ),
        "services.cloudwatch_logs": (
            "_log_groups",
            "_log_records",
            "_metric_filters",
            "_append_log_events",
            "_create_log_group",
            "_create_log_stream",
            "_fanout_to_subscription_filters",
            "_fanout_to_live_tail_sessions",
            "get_state",
            "load_persisted_state",
        ),
        "services.codebuild": ("_start_build",),
        "services.ec2": (
            "_ACTION_MAP",
            "_error",
            "_xml",
            "_parse_filters",
            "_parse_member_list",
            "_p",
            "_security_groups",
            "_addresses",
            "_nat_gateways",
            "_network_acls",
            "_placement_groups",
            "_instances",
            "_volumes",
            "_subnets",
            "_launch_templates",
            "_iam_instance_profile_associations",
            "_vpce_fields_xml",
        ),
        "services.ecr": ("_describe_images",),
        "services.efs": ("_access_points",),
        "services.eventbridge": (
            "_put_events",
            "_rules",
            "_archives",
            "_events_log",
            "_invoke_target",
            "_pattern_event_view",
        ),
        "services.iam": ("_roles", "_instance_profiles"),
        "services.s3": ("_put_bucket_encryption", "_delete_bucket_encryption"),
        "services.secretsmanager": ("_secrets", "_get_secret_value"),
        "services.sns": ("_topics",),
        "services.ssm": ("_get_parameters", "_PUBLIC_AMI_PARAMETERS"),
        "services.sts": (
            "_assumed_role_arn",
            "_gen_secret",
            "_gen_session_access_key",
            "_gen_session_token",
            "_role_id",
            "register_session",
        ),
    }
)


class SeamError(Exception):
    """MiniStack is not what this version of the local cloud was written for; the text lists what is gone."""


def prepare_environment(state: Path, port: int, *, enforce_iam: bool = False) -> None:
    """Set what MiniStack reads when it is imported. Once, before the first MiniStack.

    With `enforce_iam`, the keys that a local cloud hands out are those of the account's root.
    """
    if "ministack" in sys.modules:
        raise RuntimeError("MiniStack reads its environment when imported: prepare the environment before that")
    state.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "MINISTACK_REGION": REGION,
            "MINISTACK_HOST": LOOPBACK,
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(state / "s3"),
            # Listeners of their own, on every interface: nothing here needs them.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "USE_SSL": "0",
            "AUTH": str(enforce_iam).lower(),
            "LOG_LEVEL": "WARNING",
        }
    )
    if enforce_iam:
        os.environ.update({"AWS_ACCESS_KEY_ID": OWNER_KEY, "AWS_SECRET_ACCESS_KEY": OWNER_KEY})


class MiniStack:
    """MiniStack in this process, by module; a name is spelled here without its leading underscores."""

    def __init__(self) -> None:
        """Raises SeamError naming every seam that is not there."""
        # It warns that KMS cannot sign without an optional package; nothing here signs.
        logging.getLogger("kms").setLevel(logging.ERROR)
        self._modules = {name: importlib.import_module(f"ministack.{name}") for name in SEAMS}
        missing = missing_seams(self._modules)
        if missing:
            raise SeamError(
                f"ministack: the local cloud was written for {TESTED_VERSION}, got {metadata.version('ministack')} "
                f"without {', '.join(missing)}; install the pinned version"
            )
        self.app = self._names("app")
        self.iam_actions = self._names("core.iam_actions")
        self.iam_evaluator = self._names("core.iam_evaluator")
        self.persistence = self._names("core.persistence")
        self.responses = self._names("core.responses")
        self.budgets = self._names("services.budgets")
        self.cloudformation = self._names("services.cloudformation")
        self.stack_handlers = self._names("services.cloudformation.handlers")
        self.stacks = self._names("services.cloudformation.stacks")
        self.provisioners = self._names("services.cloudformation.provisioners")
        self.cloudwatch = self._names("services.cloudwatch")
        self.logs = self._names("services.cloudwatch_logs")
        self.ec2 = self._names("services.ec2")
        self.ecr = self._names("services.ecr")
        self.efs = self._names("services.efs")
        self.events = self._names("services.eventbridge")
        self.iam = self._names("services.iam")
        self.s3 = self._names("services.s3")
        self.secretsmanager = self._names("services.secretsmanager")
        self.sns = self._names("services.sns")
        self.ssm = self._names("services.ssm")
        self.sts = self._names("services.sts")

    def replace(self, module: str, name: str, value: object) -> None:
        """Put ours in the place of a name of SEAMS, for callers inside MiniStack."""
        if name not in SEAMS[module]:
            raise KeyError(f"{module}.{name} is not in SEAMS")
        setattr(self._modules[module], name, value)

    def scope(self) -> Any:
        """A context manager: the block acts for the local cloud's account and region, as a request would."""
        return self.responses.request_scope(ACCOUNT_ID, REGION)

    def _names(self, module: str) -> Any:
        found = self._modules[module]
        return SimpleNamespace(**{name.lstrip("_"): getattr(found, name) for name in SEAMS[module]})


def missing_seams(modules: Mapping[str, object]) -> list[str]:
    """The names of SEAMS that the modules do not have."""
    return [
        f"{module}.{name}" for module, names in SEAMS.items() for name in names if not hasattr(modules[module], name)
    ]


def quieten(ministack: MiniStack) -> None:
    """Keep MiniStack from what a local cloud does itself, or must not do.

    It would save its state at shutdown only, with all log events; run scripts that it finds on this machine; and
    remove containers that it takes for its own.
    """
    ministack.replace("app", "PERSIST_STATE", value=False)
    ministack.replace("app", "_run_init_scripts", lambda: None)
    ministack.replace("app", "_run_ready_scripts", _nothing)
    ministack.replace("app", "_stop_docker_containers", lambda *_: None)
    ministack.replace("app", "_reaper_docker_client", lambda: None)


async def _nothing() -> None:
    """In the place of a coroutine that is not wanted."""
