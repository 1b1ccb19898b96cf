"""One declared task becomes one task for each combination of its foreach values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, overload

from runner.names import name_part

MAX_TASKS_OF_A_RANGE: Final = 10_000_000
"""Of one range: a number with a digit too many is an error, not a bill."""

_KEYS: Final = ("from", "to", "step")


class NumberRange(Sequence[str]):
    """Whole numbers as foreach values, without a list of them: `{from: 1, to: 1000}`, both included."""

    def __init__(self, first: int, last: int, step: int = 1) -> None:
        self.numbers: Final = range(first, last + 1, step)

    @classmethod
    def read(cls, content: Mapping[object, object]) -> NumberRange:
        """The range that a mapping says; ValueError, with what to do, for one that says none."""
        unknown = [str(key) for key in content if key not in _KEYS]
        values = {key: content.get(key, 1 if key == "step" else None) for key in _KEYS}
        wrong = [key for key, value in values.items() if not isinstance(value, int) or isinstance(value, bool)]
        if unknown or wrong:
            message = (
                "a range has the whole numbers 'from' and 'to', both included, and may have 'step'; write for instance "
                "{from: 1, to: 1000}"
            )
            raise ValueError(message)
        first, last, step = (int(str(value)) for value in values.values())
        if step < 1 or last < first or (last - first) // step >= MAX_TASKS_OF_A_RANGE:
            message = (
                f"a range goes up from 'from' to 'to' by 'step', at least 1, and has at most {MAX_TASKS_OF_A_RANGE:,} "
                "numbers; correct these"
            )
            raise ValueError(message)
        return cls(first, last, step)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [str(number) for number in self.numbers[index]]
        return str(self.numbers[index])

    def __iter__(self) -> Iterator[str]:
        return map(str, self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumberRange) and self.numbers == other.numbers

    def __hash__(self) -> int:
        return hash(self.numbers)

    def document(self) -> dict[str, int]:
        """As a workflow file says it."""
        step = {} if self.numbers.step == 1 else {"step": self.numbers.step}
        return {"from": self.numbers[0], "to": self.numbers[-1], **step}

    def samples(self) -> list[str]:
        """A number of every length that occurs: to patterns of characters all others are like one of these."""
        numbers = self.numbers
        crossings = [sign * 10**digits for digits in range(19) for sign in (1, -1)]
        near = {min(max((number - numbers[0]) // numbers.step, 0), len(numbers) - 1) for number in crossings}
        around = {min(index + 1, len(numbers) - 1) for index in near} | near | {0, len(numbers) - 1}
        return list({len(str(numbers[index])): str(numbers[index]) for index in sorted(around)}.values())


Axis = tuple[str, ...] | NumberRange
"""The values of one name."""


class Members:
    """The combinations of a declared task's foreach values, the last name varying fastest; one where there is none."""

    def __init__(self, name: str, axes: Mapping[str, Axis]) -> None:
        self.name: Final = name
        self.axes: Final = dict(axes)
        self._parts: Final[dict[str, Sequence[str]]] = {
            key: axis if isinstance(axis, NumberRange) else [name_part(value) for value in axis]
            for key, axis in self.axes.items()
        }
        self._strides: Final[dict[str, tuple[int, int]]] = {}
        size = 1
        for key in reversed(self.axes):
            self._strides[key] = (size, len(self.axes[key]))
            size *= len(self.axes[key])
        self.size: Final = size

    def place(self, key: str, member: int) -> int:
        """Which of a name's values a member has."""
        stride, count = self._strides[key]
        return member // stride % count

    def value(self, key: str, member: int) -> str:
        """A member's value of a name."""
        return self.axes[key][self.place(key, member)]

    def part(self, key: str, member: int) -> str:
        """The same as a task's name spells it."""
        return self._parts[key][self.place(key, member)]

    def values(self, member: int) -> dict[str, str]:
        """All of a member's values."""
        return {key: self.value(key, member) for key in self.axes}

    def task_name(self, member: int) -> str:
        """A member's name."""
        return "-".join([self.name, *(self.part(key, member) for key in self.axes)])
