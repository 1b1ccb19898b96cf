"""What a node tells the main node about itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Report:
    """A node that is ready: whatever starts programs on it answers."""

    node: int
    """Index, from 0."""

    attempt: int
    """Of the job, from 1."""

    address: str
    """IPv4."""

    cores: int
    """That its programs may use."""

    port: int
    """Where its sshd listens; 0 where an agent stands in for it."""

    @property
    def name(self) -> str:
        """What people call it."""
        return node_name(self.node)

    def message(self) -> dict[str, Any]:
        """As it is sent."""
        return {"type": "report", **asdict(self)}

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Report:
        """As it came. Raises ValueError for one that is none."""
        numbers = {key: message.get(key) for key in ("node", "attempt", "cores", "port")}
        for key, value in numbers.items():
            if type(value) is not int or not 0 <= value < 1 << 31:
                raise ValueError(f"{key} of a report is a number from 0, got {value!r}")
        if numbers["cores"] == 0:
            raise ValueError("a node has at least one core, got 0")
        address = str(ipaddress.IPv4Address(str(message.get("address"))))
        return cls(address=address, **{key: int(str(value)) for key, value in numbers.items()})


def node_name(node: int) -> str:
    """What people call the node with this index."""
    return f"node-{node}"
