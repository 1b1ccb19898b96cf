"""Tasks that are alike become arrays: fewer calls, and nobody waits for anybody else than before.

Two ways to be alike. Tasks of one shape with the same needs are a map: one array. Tasks of one shape that need the
same but for one task each, the i-th of an array, are its continuation: an array of the same size, child i waiting for
child i (N_TO_N). Arrays that are tied so are the columns of one component, whose lanes are the indices: a lane may be
moved, and a component cut, as long as all its columns are. That is how a chain stays foldable of which only some tasks
go on.

Nobody waits for some children of an array and not for all: Batch makes the children of an array when it waits for
nothing more, and who is submitted before that cannot name them. An array of which only some are needed is cut.

Pure: numbers in, columns out. Batch's limits on the size of an array and on dependencies are the planner's matter.
"""

from __future__ import annotations

import enum
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from runner.needs import Needs, Spans, tasks_of

MAX_BY_INDEX: Final = 15
"""Columns that one continues at most: each takes one of the 20 places in dependsOn, and some are left for others."""


class Fold(enum.Enum):
    """Why tasks stand in one column."""

    ALONE = "no other task has its job definition, queue, resources, retries and needs"
    UNFOLDABLE = "each is a job of its own"
    MAP = "same job definition, queue, resources, retries and needs"
    BY_INDEX = "child by child after an array of the same size"


@dataclass(eq=False)
class Column:
    """Tasks of one shape, one for each lane of the component."""

    shape: int
    layer: int
    fold: Fold
    component: Component
    members: array[int]
    """Task by lane."""
    common: Spans
    """What each of them waits for besides `by_index`."""
    by_index: tuple[Column, ...] = ()
    """Columns of the component of which each waits for the task in its own lane."""


@dataclass(eq=False)
class Component:
    """Columns with the same lanes."""

    columns: list[Column] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Number of lanes."""
        return len(self.columns[0].members)


@dataclass(frozen=True)
class _Signature:
    """What a set of needed tasks is to folding."""

    by_index: tuple[Column, ...]
    """Columns of several lanes of which one task is needed."""
    common: Spans
    lanes: tuple[int, ...] = field(compare=False)
    """Which, in the order of `by_index`."""


class Folding:
    """The components of a graph."""

    def __init__(self, shapes: Sequence[int], unfoldable: Collection[int], needs: Needs, layers: Sequence[int]) -> None:
        """Shapes by task, equal ones for tasks that one array could run; those that must stay alone; layers by task."""
        self._shapes = shapes
        self._unfoldable = frozenset(unfoldable)
        self._needs = needs
        self._column_of: list[Column | None] = [None] * len(shapes)
        self._lane_of = array("l", [0]) * len(shapes)
        self._counted: dict[tuple[int, int], dict[Column, tuple[int, int]]] = {}
        self._changes = 0
        self.components: Final[list[Component]] = []
        for layer, tasks in sorted(_by_layer(layers).items()):
            self._fold_layer(layer, tasks)

    def place(self, task: int) -> tuple[Column, int]:
        """A task's column and lane."""
        column = self._column_of[task]
        assert column is not None
        return column, self._lane_of[task]

    def covered(self, found: Spans) -> dict[Column, int]:
        """How many tasks of a set each column has."""
        total: Counter[Column] = Counter()
        for span in found:
            for column, (number, _) in self._in_span(span).items():
                total[column] += number
        return dict(total)

    def _fold_layer(self, layer: int, tasks: array[int]) -> None:
        by_shape: defaultdict[int, defaultdict[int, array[int]]] = defaultdict(lambda: defaultdict(lambda: array("l")))
        for task in tasks:
            by_shape[self._shapes[task]][self._needs.of_task[task]].append(task)
        for shape, by_needs in by_shape.items():
            if shape in self._unfoldable:
                self._separate([self._needs.sets[number] for number in by_needs])
                for number, members in by_needs.items():
                    for task in members:
                        self._add(shape, layer, Fold.UNFOLDABLE, array("l", [task]), self._needs.sets[number])
            elif len(by_needs) == 1:
                self._add_maps(shape, layer, by_needs)
            else:
                self._fold_several(shape, layer, by_needs)

    def _fold_several(self, shape: int, layer: int, by_needs: dict[int, array[int]]) -> None:
        pending = dict(by_needs)
        rest: dict[int, array[int]] = {}
        while pending:
            groups: defaultdict[tuple[_Signature, int], list[tuple[tuple[int, ...], int]]] = defaultdict(list)
            for number, members in pending.items():
                signature = self._signature(self._needs.sets[number])
                groups[signature, len(members)].append((signature.lanes, number))
            changes = self._changes
            for (signature, _), rows in groups.items():
                if signature.by_index and len(rows) > 1:
                    self._separate([signature.common])
                if self._changes == changes:
                    chosen = {number: pending.pop(number) for _, number in rows}
                    done = self._fold_by_index(shape, layer, signature, rows, chosen)
                    rest |= {number: members for number, members in chosen.items() if number not in done}
                if self._changes != changes:
                    break  # columns were cut: what was said of the others holds no more
        self._add_maps(shape, layer, rest)

    def _signature(self, found: Spans) -> _Signature:
        counts: dict[Column, tuple[int, int]] = {}
        for span in found:
            for column, (number, task) in self._in_span(span).items():
                counts[column] = (counts.get(column, (0, 0))[0] + number, task)
        single = [
            (column, task) for column, (number, task) in counts.items() if number == 1 and len(column.members) > 1
        ]
        if not single or len(single) > MAX_BY_INDEX:
            return _Signature((), found, ())
        single.sort(key=lambda entry: (entry[0].layer, entry[0].members[0]))
        return _Signature(
            tuple(column for column, _ in single),
            _without(found, {task for _, task in single}),
            tuple(self._lane_of[task] for _, task in single),
        )

    def _in_span(self, span: tuple[int, int]) -> dict[Column, tuple[int, int]]:
        """By column, how many of its tasks are in a span, and one of them."""
        known = self._counted.get(span)
        if known is None:
            known = {}
            for task in range(*span):
                column = self._column_of[task]
                assert column is not None
                known[column] = (known.get(column, (0, 0))[0] + 1, task)
            self._counted[span] = known
        return known

    def _fold_by_index(
        self,
        shape: int,
        layer: int,
        signature: _Signature,
        rows: list[tuple[tuple[int, ...], int]],
        members: Mapping[int, array[int]],
    ) -> Collection[int]:
        """The sets of needs whose tasks became continuations of the columns that they need: as many for each lane."""
        if not signature.by_index or len(rows) < 2:
            return ()
        components = list(dict.fromkeys(column.component for column in signature.by_index))
        lanes = _lanes_by_component(signature.by_index, components, rows)
        depth = len(members[rows[0][1]])
        is_whole = [len(lanes) == component.size for component in components]
        cost = depth + sum(
            len(component.columns) for component, whole in zip(components, is_whole, strict=True) if not whole
        )
        if cost >= len(lanes):
            return ()
        order = sorted(lanes, key=lambda number: lanes[number][0])
        parts = [
            component if whole else self._cut(component, [[lanes[number][index] for number in order]])[0]
            for index, (component, whole) in enumerate(zip(components, is_whole, strict=True))
        ]
        merged = parts[0]
        first_lanes = [lanes[number][0] for number in order] if is_whole[0] else list(range(len(order)))
        for index, part in enumerate(parts[1:], start=1):
            own = [lanes[number][index] for number in order] if is_whole[index] else list(range(len(order)))
            self._merge(merged, part, dict(zip(first_lanes, own, strict=True)))
        by_index = self._columns_at(signature, order)
        for turn in range(depth):
            tasks = array("l", [0]) * merged.size
            for lane, number in zip(first_lanes, order, strict=True):
                tasks[lane] = members[number][turn]
            column = Column(shape, layer, Fold.BY_INDEX, merged, tasks, signature.common, by_index)
            self._register(column)
        return lanes

    def _columns_at(self, signature: _Signature, order: list[int]) -> tuple[Column, ...]:
        """The columns of a signature, as they are after cutting."""
        found = self._signature(self._needs.sets[order[0]])
        assert found.common == signature.common
        return found.by_index

    def _add_maps(self, shape: int, layer: int, by_needs: Mapping[int, array[int]]) -> None:
        self._separate([self._needs.sets[number] for number in by_needs])
        for number, members in by_needs.items():
            fold = Fold.MAP if len(members) > 1 else Fold.ALONE
            self._add(shape, layer, fold, members, self._needs.sets[number])

    def _separate(self, sets: Sequence[Spans]) -> None:
        """Cut components so that each of the sets has all tasks of a column, or none."""
        marks: defaultdict[Component, defaultdict[int, list[object]]] = defaultdict(lambda: defaultdict(list))
        for number, needed in enumerate(sets):
            partial = {column for column, has in self.covered(needed).items() if has < len(column.members)}
            for task in tasks_of(needed) if partial else ():
                column, lane = self.place(task)
                if column in partial:
                    marks[column.component][lane].append((number, column))
        for component, marked in marks.items():
            blocks: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
            for lane in range(component.size):
                blocks[tuple(marked.get(lane, ()))].append(lane)
            # One of them is what is left.
            blocks.pop((), None) or blocks.popitem()
            self._cut(component, list(blocks.values()))

    def _add(self, shape: int, layer: int, fold: Fold, members: array[int], common: Spans) -> None:
        component = Component()
        self.components.append(component)
        self._register(Column(shape, layer, fold, component, members, common))

    def _register(self, column: Column) -> None:
        column.component.columns.append(column)
        self._place(column)

    def _place(self, column: Column) -> None:
        for lane, task in enumerate(column.members):
            self._column_of[task] = column
            self._lane_of[task] = lane

    def _cut(self, component: Component, blocks: Sequence[Sequence[int]]) -> list[Component]:
        """Cut lanes out of a component, which keeps the others: a new one of each block's, in this order."""
        cuts = [Component() for _ in blocks]
        twins: dict[Column, list[Column]] = {}
        chosen = {lane for lanes in blocks for lane in lanes}
        rest = [lane for lane in range(component.size) if lane not in chosen]
        for column in component.columns:
            twins[column] = [
                Column(
                    column.shape,
                    column.layer,
                    column.fold,
                    cut,
                    array("l", (column.members[lane] for lane in lanes)),
                    column.common,
                    tuple(twins[other][index] for other in column.by_index),
                )
                for index, (cut, lanes) in enumerate(zip(cuts, blocks, strict=True))
            ]
            column.members = array("l", (column.members[lane] for lane in rest))
            for twin in twins[column]:
                self._register(twin)
            self._place(column)
        self.components.extend(cuts)
        self._changed()
        return cuts

    def _merge(self, component: Component, other: Component, lanes: Mapping[int, int]) -> None:
        """Make another's columns the component's: its lane i is what was the other's lane `lanes[i]`."""
        for column in other.columns:
            column.members = array("l", (column.members[lanes[lane]] for lane in range(component.size)))
            column.component = component
            self._register(column)
        self.components.remove(other)
        self._changed()

    def _changed(self) -> None:
        self._changes += 1
        self._counted.clear()


def _by_layer(layers: Sequence[int]) -> dict[int, array[int]]:
    found: defaultdict[int, array[int]] = defaultdict(lambda: array("l"))
    for task, layer in enumerate(layers):
        found[layer].append(task)
    return found


def _without(found: Spans, tasks: Iterable[int]) -> Spans:
    """A set without some of its tasks."""
    rest = list(found)
    for task in tasks:
        index = next(index for index, (start, stop) in enumerate(rest) if start <= task < stop)
        start, stop = rest[index]
        rest[index : index + 1] = [part for part in ((start, task), (task + 1, stop)) if part[0] < part[1]]
    return tuple(rest)


def _lanes_by_component(
    columns: Sequence[Column], components: Sequence[Component], rows: Iterable[tuple[tuple[int, ...], int]]
) -> dict[int, tuple[int, ...]]:
    """By set of needs, its lane in each component; without those that cannot be said index by index."""
    found: dict[int, tuple[int, ...]] = {}
    taken: list[set[int]] = [set() for _ in components]
    for lanes, number in rows:
        by_component: dict[Component, int] = {}
        for column, lane in zip(columns, lanes, strict=True):
            if by_component.setdefault(column.component, lane) != lane:
                break
        else:
            places = tuple(by_component[component] for component in components)
            if not any(lane in used for lane, used in zip(places, taken, strict=True)):
                found[number] = places
                for lane, used in zip(places, taken, strict=True):
                    used.add(lane)
    return found
