"""Frames of an attached container, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from local_batch.executors.container_output import ContainerOutput

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=12)


def frame(stream: int, content: bytes) -> bytes:
    """As the API describes it."""
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 600), max_size=20))
def test_lines_do_not_depend_on_where_the_stream_is_cut(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Each stream gives its own lines, in order, whole."""
    data = b"".join(frame(*each) for each in frames)
    output = ContainerOutput()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        output.feed(data[start:end], 7)
    output.end(8)
    written = {
        stream: b"".join(content for number, content in frames if number == stream).decode(errors="replace")
        for stream in (1, 2)
    }
    expected = sorted(
        line for text in written.values() for line in (text.removesuffix("\n").split("\n") if text else [])
    )
    assert sorted(line.text for line in output.take()) == expected


def test_a_line_that_one_stream_interrupts_stays_whole() -> None:
    """What stderr says in the middle of a line of stdout is a line of its own."""
    output = ContainerOutput()
    output.feed(frame(1, b"half ") + frame(2, b"warning\n") + frame(1, b"whole\n"), 5)
    assert [(line.timestamp_ms, line.text) for line in output.take()] == [(5, "warning"), (5, "half whole")]
    assert output.take() == []
