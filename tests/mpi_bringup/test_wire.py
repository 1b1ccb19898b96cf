"""The control channel's bytes: who knows the key is understood however they come, nobody else ever."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpi_bringup.keys import JobKeys
from mpi_bringup.wire import (
    BANNER,
    DATA,
    MAX_CONTENT_BYTES,
    MESSAGE,
    NONCE_BYTES,
    Frames,
    MainHandshake,
    NodeHandshake,
    WireError,
    WrongKeyError,
)

KEYS = JobKeys(b"k" * 32)
OTHER_KEYS = JobKeys(b"o" * 32)
MAIN_NONCE, NODE_NONCE = b"m" * NONCE_BYTES, b"n" * NONCE_BYTES
cuts = st.lists(st.integers(0, 400), max_size=12)


def pieces(data: bytes, at: Iterable[int]) -> Iterator[bytes]:
    """The data cut in these places."""
    places = sorted({0, len(data), *(place for place in at if place < len(data))})
    for start, end in pairwise(places):
        yield data[start:end]


def connected(main_keys: JobKeys = KEYS, node_keys: JobKeys = KEYS) -> tuple[Frames, Frames]:
    """The main node's side and the other's, after their handshake."""
    main, node = MainHandshake(main_keys), NodeHandshake(node_keys)
    proof, nothing, _ = node.feed(main.greeting())
    assert nothing is None
    answer = main.feed(proof)
    assert answer is not None
    _, frames, _ = node.feed(answer[0])
    assert frames is not None
    return answer[1], frames


def received(frames: Frames, data: bytes) -> list[object]:
    """Everything that is complete."""
    return list(frames.feed(data))


@settings(deadline=None)
@given(cuts, cuts)
def test_a_handshake_works_however_its_bytes_come(main_cuts: list[int], node_cuts: list[int]) -> None:
    """What follows the proof in the same piece is not lost on either side."""
    main, node = MainHandshake(KEYS, MAIN_NONCE), NodeHandshake(KEYS, NODE_NONCE)
    proof = b""
    for piece in pieces(main.greeting(), main_cuts):
        reply, frames, rest = node.feed(piece)
        assert (frames, rest) == (None, b"")
        proof += reply
    of_node = Frames(KEYS.session(MAIN_NONCE + NODE_NONCE, "node"), b"")
    said = of_node.message({"type": "report"}) + of_node.message({"type": "ping"})
    main_frames, heard, answer = None, [], b""
    for piece in pieces(proof + said, node_cuts):
        if main_frames is None:
            found = main.feed(piece)
            if found is not None:
                answer, main_frames, rest = found
                heard += received(main_frames, rest)
        else:
            heard += received(main_frames, piece)
    assert main_frames is not None
    assert heard == [{"type": "report"}, {"type": "ping"}]
    assert main.has_heard
    assert node.has_proved
    node_frames, heard = None, []
    for piece in pieces(answer + main_frames.message({"type": "accepted"}), main_cuts):
        if node_frames is None:
            _, node_frames, rest = node.feed(piece)
            piece = rest  # noqa: PLW2901 - the rest of it
        if node_frames is not None:
            heard += received(node_frames, piece)
    assert heard == [{"type": "accepted"}]


def test_the_main_node_takes_no_proof_of_another_key() -> None:
    """And says nothing about its own."""
    main, node = MainHandshake(KEYS), NodeHandshake(OTHER_KEYS)
    proof, _, _ = node.feed(main.greeting())
    with pytest.raises(WrongKeyError, match="does not know the key of this job"):
        main.feed(proof)


def test_a_node_takes_no_answer_of_another_key() -> None:
    """A main node that accepts everybody proves nothing."""
    main, node = MainHandshake(OTHER_KEYS), NodeHandshake(KEYS)
    node.feed(main.greeting())
    with pytest.raises(WrongKeyError, match="does not know the key of this job"):
        node.feed(b"x" * 32)


def test_a_proof_is_good_for_one_connection() -> None:
    """Played back on another it is worth nothing, nor is the main node's own proof sent back to it."""
    main, node = MainHandshake(KEYS), NodeHandshake(KEYS)
    proof, _, _ = node.feed(main.greeting())
    with pytest.raises(WrongKeyError):
        MainHandshake(KEYS).feed(proof)
    answer = main.feed(proof)
    assert answer is not None
    with pytest.raises(WrongKeyError):
        MainHandshake(KEYS, MAIN_NONCE).feed(NODE_NONCE + answer[0])


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"cloud-hpc-mpi 2\n"])
@pytest.mark.parametrize("size", [1, 1000])
def test_another_service_is_told_by_its_first_bytes(banner: bytes, size: int) -> None:
    """Nothing is proved to it."""
    node = NodeHandshake(KEYS)

    def feed_all() -> None:
        for start in range(0, len(banner), size):
            node.feed(banner[start : start + size])

    with pytest.raises(WireError, match="something else answers there"):
        feed_all()
    assert not node.has_proved


def test_who_says_little_is_waited_for() -> None:
    """The beginning of the banner may be all there is of it yet."""
    node = NodeHandshake(KEYS)
    assert node.feed(BANNER[:5]) == (b"", None, b"")
    assert not MainHandshake(KEYS).has_heard


contents = st.lists(st.one_of(st.binary(max_size=300), st.dictionaries(st.just("type"), st.text(), min_size=1)))


@settings(deadline=None)
@given(contents, cuts)
def test_frames_come_out_as_they_went_in(said: list[bytes | dict[str, str]], at: list[int]) -> None:
    """Messages and data, in order, however the bytes come."""
    main, node = connected()
    sent = b"".join(main.data(each) if isinstance(each, bytes) else main.message(each) for each in said)
    assert [each for piece in pieces(sent, at) for each in received(node, piece)] == said


@settings(deadline=None)
@given(st.integers(0), st.integers(1, 255))
def test_a_frame_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    """Whether length, kind, content or code; or, where it is longer now, it is never complete."""
    main, node = connected()
    frame = bytearray(main.message({"type": "released", "exit_code": 0}))
    frame[place % len(frame)] ^= change
    try:
        assert received(node, bytes(frame)) == []
    except WireError:
        return
    assert place % len(frame) < 4


def test_a_frame_played_back_is_refused() -> None:
    """Its number is in its code."""
    main, node = connected()
    frame = main.message({"type": "ping"})
    assert received(node, frame) == [{"type": "ping"}]
    with pytest.raises(WireError, match="changed on its way"):
        received(node, frame)


def test_frames_in_another_order_are_refused() -> None:
    """The second does not come first."""
    main, node = connected()
    first, second = main.message({"type": "a"}), main.message({"type": "b"})
    with pytest.raises(WireError, match="changed on its way"):
        received(node, second + first)


def test_a_frame_left_out_is_noticed() -> None:
    """By the next one."""
    main, node = connected()
    main.message({"type": "a"})
    with pytest.raises(WireError, match="changed on its way"):
        received(node, main.message({"type": "b"}))


def test_a_frame_of_another_connection_is_refused() -> None:
    """Though it is of the same job, number and direction."""
    main, _ = connected()
    _, node = connected()
    with pytest.raises(WireError, match="changed on its way"):
        received(node, main.message({"type": "ping"}))


def test_a_frame_sent_back_to_its_sender_is_refused() -> None:
    """Each direction has a key of its own."""
    main, _ = connected()
    with pytest.raises(WireError, match="changed on its way"):
        received(main, main.message({"type": "ping"}))


def test_a_frame_may_be_as_large_as_the_limit_and_no_larger() -> None:
    """A larger one is refused by its head, before any of it is kept."""
    main, node = connected()
    largest = bytes(MAX_CONTENT_BYTES)
    assert received(node, main.data(largest)) == [largest]
    with pytest.raises(WireError, match=f"at most {MAX_CONTENT_BYTES} bytes, got one of {MAX_CONTENT_BYTES + 1}"):
        received(node, main.data(largest + b"x")[:5])


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b'"report"', b"{}", b"1"],
    ids=lambda it: str(it[:9]),
)
def test_a_message_that_is_none_is_refused(content: bytes) -> None:
    """Even from one who knows the key."""
    main, node = connected()
    with pytest.raises(WireError, match="a message is"):
        received(node, main._frame(MESSAGE, content))


def test_data_is_not_read_as_a_message() -> None:
    """Whatever it looks like."""
    main, node = connected()
    content = json.dumps({"type": "released"}).encode()
    assert received(node, main._frame(DATA, content)) == [content]
