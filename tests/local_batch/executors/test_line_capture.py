"""Bytes into lines, however they arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from local_batch.executors.line_capture import MAX_LINE_BYTES, LineCapture
from local_batch.executors.work import LogLine


def captured(*pieces: bytes) -> list[str]:
    """The lines of these pieces, the n-th read at n milliseconds."""
    capture = LineCapture()
    for now_ms, piece in enumerate(pieces):
        capture.feed(piece, now_ms)
    capture.end(len(pieces))
    return [line.text for line in capture.take()]


@given(st.lists(st.binary(max_size=12).map(lambda piece: piece.replace(b"\r", b"\n")), max_size=12))
def test_lines_do_not_depend_on_how_the_bytes_were_read(pieces: list[bytes]) -> None:
    """The same bytes in one piece give the same lines."""
    whole = b"".join(pieces)
    expected = [line.decode(errors="replace") for line in whole.split(b"\n")]
    assert captured(*pieces) == (expected if expected[-1] else expected[:-1])


def test_a_line_is_stamped_when_its_end_was_read() -> None:
    """And taken once."""
    capture = LineCapture()
    capture.feed(b"a", 1)
    assert capture.take() == []
    capture.feed(b"b\nc\nd", 2)
    assert capture.take() == [LogLine(2, "ab"), LogLine(2, "c")]
    assert capture.take() == []
    capture.end(3)
    assert capture.take() == [LogLine(3, "d")]


def test_long_lines_are_split_between_characters() -> None:
    """No piece above the limit in bytes, nothing lost, no character torn."""
    text = "x" + "ä" * MAX_LINE_BYTES
    pieces = captured(text.encode() + b"\nnext")
    assert pieces.pop() == "next"
    assert "".join(pieces) == text
    assert max(len(piece.encode()) for piece in pieces) <= MAX_LINE_BYTES
    assert len(pieces) == 3


def test_a_long_line_is_bounded_before_its_end() -> None:
    """Memory for what has no newline is bounded: full pieces leave at once."""
    capture = LineCapture()
    for now_ms in range(10):
        capture.feed(b"x" * 100_000, now_ms)
    assert [len(line.text) for line in capture.take()] == [MAX_LINE_BYTES] * 3


def test_a_line_of_exactly_the_limit_is_one_line() -> None:
    """No empty line follows it."""
    assert captured(b"x" * MAX_LINE_BYTES + b"\n", b"y" * MAX_LINE_BYTES, b"\nz\n") == [
        "x" * MAX_LINE_BYTES,
        "y" * MAX_LINE_BYTES,
        "z",
    ]
