"""Requests drawn from the service model: bases that are right, with some members drawn anew from their shapes.

A wholly random request is refused at its first member; one that begins right reaches the rules behind.
"""

from __future__ import annotations

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import strategies as st

from tests.contract.model_check import MODEL

NOTABLE_TEXTS = (
    *("", " ", "0", "1", "2048", "0.25", "1e9", "-1", "nan", "9" * 40, "\0", "\n", "é", "😀", "a" * 300, "x" * 9_000),
    *(
        ":",
        "0:",
        "1:",
        ":1",
        "0:1",
        "1:0",
        "0:0:0",
        "٣",
        "a:b",
        "999999999:",
        "*",
        "a*",
        "Ref::a",
        "Ref::",
        "AWS_BATCH_X",
    ),
    *("/", "/data", "../..", "/a/../b", "v", "shell", "tool", "nodes", "shell:1", "tool:9", "normal", "ec2", "fair"),
    *(
        "arn:",
        "arn:aws:batch:here-1:123456789012:job-queue/ec2",
        "arn:aws:batch:here-1:123456789012:job/x",
        "m6i.large",
    ),
    *("arn:aws:secretsmanager:here-1:123456789012:secret:s-AbCdEf", "fs-01234567", "LINUX", "X86_64", "LATEST", "-1"),
)
NOTABLE_NUMBERS = (-(2**31), -1, 0, 1, 2, 3, 4, 59, 60, 100, 9_999, 10_000, 10_001, 65_536, 2**31 - 1)
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}), st.just([None])
)
"""Values of any type, which a shape mostly does not take."""


@st.composite
def like(draw: st.DrawFn, operation: str, base: dict[str, Any]) -> dict[str, Any]:
    """`base` with up to three members of its own, and of the structures in it, drawn anew."""
    request: dict[str, Any] = draw(_value(MODEL.operation_model(operation).input_shape, base, depth=0))
    return request


@st.composite
def _value(draw: st.DrawFn, shape: Shape, base: Any, depth: int) -> Any:
    if depth and draw(st.integers(0, 19)) == 0:
        return draw(ANYTHING)
    if isinstance(shape, StructureShape):
        return draw(_structure(shape, base if isinstance(base, dict) else {}, depth))
    if isinstance(shape, ListShape):
        items = base if isinstance(base, list) else []
        is_of_base: bool = draw(st.booleans())
        if items and is_of_base:
            return [draw(_value(shape.member, item, depth + 1)) for item in items]
        return draw(st.lists(_value(shape.member, None, depth + 1), max_size=2))
    if isinstance(shape, MapShape):
        return draw(st.dictionaries(st.sampled_from(NOTABLE_TEXTS), st.sampled_from(NOTABLE_TEXTS), max_size=2))
    return draw(_scalar(shape))


@st.composite
def _structure(draw: st.DrawFn, shape: StructureShape, base: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > 7:
        return dict(base)
    names = sorted(shape.members)
    drawn = {*draw(st.lists(st.sampled_from(names), max_size=3)), *(set(shape.required_members) - base.keys())}
    anew = {name: draw(_value(shape.members[name], base.get(name), depth + 1)) for name in sorted(drawn)}
    return {**base, **anew}


def _scalar(shape: Shape) -> st.SearchStrategy[Any]:
    if isinstance(shape, StringShape):
        return st.sampled_from([*shape.enum, *shape.enum, *shape.enum, *NOTABLE_TEXTS] if shape.enum else NOTABLE_TEXTS)
    if shape.type_name == "boolean":
        return st.booleans()
    return st.sampled_from(NOTABLE_NUMBERS)
