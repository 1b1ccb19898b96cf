"""What a benchmark reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, and the measurement of the same run that it is compared with."""

    name: str
    value: float
    unit: str
    reference: float | None = None
    """The same unit; None for a row that others are compared with."""

    reference_name: str = ""

    @property
    def ratio(self) -> float | None:
        """The value as a share of its reference."""
        return None if self.reference is None else self.value / self.reference
