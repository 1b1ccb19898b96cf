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

from local_batch.host.account import ACCOUNT_ID, REGION
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
        ),
        "core.persistence": ("load_state", "_json_default", "_state_format_version"),
        "core.responses": ("AccountRegionScopedDict", "request_scope", "get_account_id", "error_response_json"),
        "services.cloudformation": ("_stacks",),
        "services.cloudformation.stacks": ("_add_event",),
        "services.cloudformation.provisioners": (
            "_RESOURCE_HANDLERS",
            "_REPLACING_PROPERTIES",
            "_CONDITIONALLY_REPLACING_PROPERTIES",
            "_CUSTOM_NAME_REPLACEMENT",
            "_ec2_sg_permissions",
            "_ec2_apply_tags",
        ),
        "services.cloudwatch_logs": (
            "_log_groups",
            "_log_records",
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
        ),
        "services.ecr": ("_describe_images",),
        "services.efs": ("_access_points",),
        "services.eventbridge": ("_put_events", "_rules", "_archives", "_events_log"),
        "services.iam": ("_roles",),
        "services.secretsmanager": ("_secrets", "_get_secret_value"),
        "services.ssm": ("_get_parameters",),
        "services.sts": ("handle_request",),
    }
)


class SeamError(Exception):
    """MiniStack is not what this version of the local cloud was written for; the text lists what is gone."""


def prepare_environment(state: Path, port: int) -> None:
    """Set what MiniStack reads when it is imported. Once, before the first MiniStack."""
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
            "AUTH": "false",
            "LOG_LEVEL": "WARNING",
        }
    )


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
        self.persistence = self._names("core.persistence")
        self.responses = self._names("core.responses")
        self.cloudformation = self._names("services.cloudformation")
        self.stacks = self._names("services.cloudformation.stacks")
        self.provisioners = self._names("services.cloudformation.provisioners")
        self.logs = self._names("services.cloudwatch_logs")
        self.ec2 = self._names("services.ec2")
        self.ecr = self._names("services.ecr")
        self.efs = self._names("services.efs")
        self.events = self._names("services.eventbridge")
        self.iam = self._names("services.iam")
        self.secretsmanager = self._names("services.secretsmanager")
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
