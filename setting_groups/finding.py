"""What is wrong with a setting."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Finding:
    """One setting that cannot be used: its name, the rule with unit and source, the value got, what to do."""

    setting: str
    rule: str
    got: object
    fix: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.rule}, got {self.got!r}; {self.fix}"
