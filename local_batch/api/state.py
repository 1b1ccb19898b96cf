"""What every part of the API works with: the engine, who we are, and how new things are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from local_batch.dispatcher import Dispatcher
from local_batch.engine.core import Engine
from local_batch.engine.resources import (
    ComputeEnvironment,
    InstanceSize,
    JobDefinition,
    JobQueue,
)

Named = TypeVar("Named", ComputeEnvironment, JobQueue)


@dataclass(frozen=True)
class State:
    """Read `engine` and change it through `dispatcher`, both under the dispatcher's lock."""

    dispatcher: Dispatcher
    account_id: str
    region: str
    instance_sizes: Callable[[Sequence[str]], tuple[InstanceSize, ...]]
    new_id: Callable[[], str]

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.dispatcher.engine

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a Batch resource: kind `job`, `job-queue`, `job-definition`, …"""
        return f"arn:aws:batch:{self.region}:{self.account_id}:{kind}/{name}"

    def find(self, table: Mapping[str, Named], reference: str) -> Named | None:
        """By ARN or by name."""
        if reference in table:
            return table[reference]
        return next((item for item in table.values() if item.name == reference), None)

    def definition(self, reference: str) -> JobDefinition | None:
        """By ARN with or without revision, `name:revision` or name; without revision: the latest ACTIVE one."""
        if reference in self.engine.definitions:
            return self.engine.definitions[reference]
        name = reference.removeprefix(self.arn("job-definition", ""))
        if ":" in name:
            return self.engine.definitions.get(self.arn("job-definition", name))
        active = (item for item in self.engine.definitions.values() if item.name == name and item.active)
        return max(active, key=lambda item: item.revision, default=None)
