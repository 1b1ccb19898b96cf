"""What a plan is made for: a deployment, its job definitions, what is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.batch_facts import DefinitionFacts
from runner.deployment import Deployment
from runner.program_bundle import Shipped


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Asked before planning, which asks nothing."""

    deployment: Deployment
    definitions: Mapping[str, DefinitionFacts]
    """By what requests name them by."""
    shipped: Mapping[str, Shipped] = field(default_factory=dict)
    """MPI programs, by task."""
    input_tags: Mapping[str, str] = field(default_factory=dict)
    """By key, what the objects that tasks read hold at this moment."""
    region: str = ""
    shares: Mapping[str, str] = field(default_factory=dict)
    """By queue that shares fairly, as requests name it, the group that jobs there count for."""

    def facts(self, job_definition: str) -> DefinitionFacts | None:
        """What is known of a job definition, by the name that a task gives it."""
        return self.definitions.get(self.deployment.job_definition(job_definition))
