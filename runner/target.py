"""Which AWS, or local cloud, a run is submitted to."""

from __future__ import annotations

import os
from dataclasses import dataclass

from deployment_outputs import DEFAULT_DEPLOYMENT


def default_deployment() -> str:
    """The one that is meant where none is named: HPC_DEPLOYMENT, which a head node sets, or that of the settings."""
    return os.environ.get("HPC_DEPLOYMENT") or DEFAULT_DEPLOYMENT


@dataclass(frozen=True, kw_only=True)
class Target:
    """What was chosen on the command line. None means what the AWS SDK finds in environment and profile."""

    deployment: str = DEFAULT_DEPLOYMENT
    local: bool = False
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None

    def options(self) -> str:
        """The options that choose it again, with a blank before each: empty for the defaults."""
        named = {
            "--deployment": None if self.deployment == default_deployment() else self.deployment,
            "--profile": self.profile,
            "--region": None if self.local else self.region,
            "--endpoint-url": self.endpoint_url,
        }
        local = " --local" if self.local else ""
        return local + "".join(f" {option} {value}" for option, value in named.items() if value)
