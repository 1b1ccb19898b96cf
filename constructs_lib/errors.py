"""What constructs raise at synth for a property that AWS would refuse after deployment has begun."""

from __future__ import annotations

from constructs import IConstruct


class PropertyError(ValueError):
    """A property out of its rule.

    The text names construct and property, the rule with its source, the value got and what to do.
    """

    def __init__(self, construct: IConstruct, name: str, problem: str) -> None:
        super().__init__(f"{construct.node.path} {name}: {problem}")
