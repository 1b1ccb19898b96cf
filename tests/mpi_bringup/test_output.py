"""The ranks' output: whole lines, nobody's mixed with another's, however mpirun cut and mixed the pieces."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpi_bringup.flavour import Mpich, OpenMpi
from mpi_bringup.launching import labels
from mpi_bringup.output import MarkedOutput, Marks

NONCE = "0123456789abcdef"


def of_mpich(rank: int) -> bytes:
    """What Hydra puts before a piece."""
    return f"\x1e{NONCE}{rank}\x1f".encode()


def of_open_mpi_5(rank: int) -> bytes:
    """What PRRTE puts before a piece."""
    return f"[prterun-node-a-4711@1,{rank}]<stdout>: ".encode()


def of_open_mpi_4(rank: int) -> bytes:
    """What orterun puts before a piece."""
    return f"[1,{rank}]<stderr>:".encode()


Mark = Callable[[int], bytes]
FLAVOURS: list[tuple[Marks, Mark]] = [
    (Mpich("mpiexec", NONCE).marks, of_mpich),
    (OpenMpi("mpirun", is_prrte=True).marks, of_open_mpi_5),
    (OpenMpi("mpirun", is_prrte=False).marks, of_open_mpi_4),
]
each_flavour = pytest.mark.parametrize(("marks", "mark"), FLAVOURS, ids=["MPICH", "Open MPI 5", "Open MPI 4"])


def by_rank(rank: int) -> bytes:
    """A label."""
    return b"%d|" % rank


def let_through(marks: Marks, *pieces: bytes) -> bytes:
    """All that comes out of these pieces."""
    output = MarkedOutput(marks, by_rank)
    return b"".join(output.feed(piece) for piece in pieces) + output.end()


@each_flavour
def test_lines_get_the_label_of_their_rank(marks: Marks, mark: Mark) -> None:
    """What bears no mark is mpirun's own and gets none."""
    said = b"mpirun speaks\n" + mark(0) + b"a\nb\n" + mark(11) + b"c\n"
    assert let_through(marks, said) == b"mpirun speaks\n0|a\n0|b\n11|c\n"


@each_flavour
def test_a_mark_is_found_wherever_it_is_cut(marks: Marks, mark: Mark) -> None:
    """At every byte, and with one byte at a time."""
    said = b"own\n" + mark(3) + b"first\nhalf" + mark(12) + b"other\n" + mark(3) + b" line\n"
    expected = b"own\n3|first\n12|other\n3|half line\n"
    for place in range(len(said) + 1):
        assert let_through(marks, said[:place], said[place:]) == expected
    assert let_through(marks, *(said[place : place + 1] for place in range(len(said)))) == expected


@each_flavour
def test_pieces_of_two_ranks_become_whole_lines(marks: Marks, mark: Mark) -> None:
    """Each line comes out when it is complete."""
    output = MarkedOutput(marks, by_rank)
    assert output.feed(mark(0) + b"zero be" + mark(1) + b"one be") == b""
    assert output.feed(mark(0) + b"gins\n" + mark(1) + b"gins") == b"0|zero begins\n"
    assert output.feed(b" and ends\n") == b"1|one begins and ends\n"


@each_flavour
@pytest.mark.parametrize(
    "text", [b"\x1e", b"[", b"a \x1ered [1,x]<stdout> b", b"[1,2]<other>: ", b"[INFO] it", b"x\x1e0"]
)
def test_what_only_looks_like_the_beginning_of_a_mark_is_text(marks: Marks, mark: Mark, text: bytes) -> None:
    """In a line, at its end, and at the end of everything."""
    for said in (text + b"\n", b"x" + text + b"\n", text):
        assert let_through(marks, mark(1) + said) == b"1|" + said.rstrip(b"\n") + b"\n"
        assert let_through(marks, *(bytes([byte]) for byte in mark(1) + said)) == b"1|" + said.rstrip(b"\n") + b"\n"


@each_flavour
def test_a_line_does_not_wait_for_what_may_be_a_mark_in_it(marks: Marks, mark: Mark) -> None:
    """A program that prints `[INFO] ready` and falls silent is seen to be ready."""
    output = MarkedOutput(marks, by_rank)
    assert output.feed(mark(0) + b"[INFO] \x1e ready\n") == b"0|[INFO] \x1e ready\n"


@each_flavour
def test_last_lines_without_a_newline_get_one(marks: Marks, mark: Mark) -> None:
    """Of every rank, and of mpirun."""
    assert let_through(marks, b"own", mark(1) + b"one", mark(0) + b"zero") == b"own\n1|one\n0|zero\n"


@each_flavour
def test_a_line_without_end_is_let_through_in_parts(marks: Marks, mark: Mark) -> None:
    """So that it does not fill the memory; nothing of it is lost."""
    output = MarkedOutput(marks, by_rank)
    output.feed(mark(0))
    found = b"".join(output.feed(b"x" * 100_000) for _ in range(30))
    assert len(found) > 1_000_000
    assert (found + output.end()).replace(b"\n", b"").replace(b"0|", b"") == b"x" * 3_000_000


@each_flavour
def test_a_long_line_that_is_complete_stays_one(marks: Marks, mark: Mark) -> None:
    """Below a mebibyte."""
    line = b"x" * 900_000 + b"\n"
    output = MarkedOutput(marks, by_rank)
    said = mark(0) + line
    assert b"".join(output.feed(said[at : at + 65536]) for at in range(0, len(said), 65536)) == b"0|" + line


def test_empty_lines_are_lines() -> None:
    """With their label."""
    assert let_through(FLAVOURS[0][0], of_mpich(0) + b"\n\na\n") == b"0|\n0|\n0|a\n"


def test_labels_name_the_node_and_the_rank_or_nothing() -> None:
    """A rank that a program has started beyond those of mpirun runs on the main node."""
    names = ["node-0", "node-1"]
    assert [labels("node", names)(rank) for rank in (0, 1, 2)] == [b"node-0 | ", b"node-1 | ", b"node-0 | "]
    assert labels("rank", names)(1) == b"node-1 rank 1 | "
    assert labels("none", names)(1) == b""
    output = MarkedOutput(FLAVOURS[0][0], labels("none", names))
    assert output.feed(of_mpich(1) + b"a\nb\n") == b"a\nb\n"


lines = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\x1e\n"), max_size=40).map(str.encode), max_size=8
)


@settings(deadline=None)
@given(
    flavour=st.sampled_from(FLAVOURS),
    said=st.lists(lines, min_size=1, max_size=5),
    picks=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), max_size=60),
    sizes=st.lists(st.integers(1, 50) | st.integers(50, 5000), min_size=1, max_size=20),
)
def test_each_ranks_output_comes_out_as_it_was(
    flavour: tuple[Marks, Mark], said: list[list[bytes]], picks: list[tuple[int, int]], sizes: list[int]
) -> None:
    """Whatever the pieces, their order and the chunks they come in: each rank's lines, in its order, and no others."""
    marks, mark = flavour
    rest = {rank: b"".join(line + b"\n" for line in own) for rank, own in enumerate(said)}
    mixed = b""
    for rank, size in [*picks, *((rank, 1 << 20) for rank in rest)]:
        own = rest.get(rank, b"")
        # 0 is for a whole line.
        cut = size or own.find(b"\n") + 1
        piece, rest[rank] = own[:cut], own[cut:]
        if piece:
            mixed += mark(rank) + piece
    chunks: list[bytes] = []
    place = 0
    while place < len(mixed):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(mixed[place : place + size])
        place += size
    found = let_through(marks, *chunks).split(b"\n")[:-1]
    for rank, expected in enumerate(said):
        label = by_rank(rank)
        assert [line.removeprefix(label) for line in found if line.startswith(label)] == expected
    assert len(found) == sum(map(len, said))


def test_what_mpirun_says_of_itself_is_no_ranks() -> None:
    """Though it comes after a rank's output and without a mark."""
    output = MarkedOutput(Mpich("mpiexec", "abc").marks, lambda rank: b"node-%d | " % rank)
    said = output.feed(b"\x1eabc1\x1flast words\n[mpiexec@host] write error\n[proxy:0@host] lost it\n")
    said += output.end()
    assert said == b"node-1 | last words\n[mpiexec@host] write error\n[proxy:0@host] lost it\n"
