"""What an engine says while it builds."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from local_batch.executors.build_output import BuildError, BuildOutput


def output(*documents: Mapping[str, object]) -> BuildOutput:
    """A build that said this, taken byte by byte."""
    read = BuildOutput()
    for document in documents:
        for byte in json.dumps(document).encode() + b"\n":
            read.feed(bytes([byte]))
    return read


def test_a_build_without_an_error_is_good() -> None:
    """Whatever else it said."""
    output({"stream": "STEP 1/1: FROM x\n"}, {"aux": {"ID": "y"}}, {"stream": "error: nothing\n"}).check()


@pytest.mark.parametrize("step", ["STEP 1/2: FROM x", "Step 1/2 : FROM x"], ids=["podman", "docker"])
def test_a_base_that_is_not_to_be_had_is_told_from_other_failures(step: str) -> None:
    """By the instruction that failed."""
    with pytest.raises(BuildError) as lacking:
        output({"stream": f"{step}\n"}, {"error": "no such host\n"}).check()
    assert lacking.value.lacks_base
    with pytest.raises(BuildError) as other:
        output(
            {"stream": f"{step}\n"}, {"stream": f"{step.replace('FROM x', 'RUN y')}\n"}, {"error": "status 1"}
        ).check()
    assert not other.value.lacks_base


def test_the_end_of_the_output_is_told() -> None:
    """Eight lines, then the error; the last document may lack its newline."""
    read = output(*({"stream": f"line {number}\n\n"} for number in range(20)))
    read.feed(b'{"errorDetail": {"message": "m"}, "error": "exit status 1\\n"}')
    with pytest.raises(BuildError) as failed:
        read.check()
    assert str(failed.value).splitlines() == [*(f"line {number}" for number in range(12, 20)), "exit status 1"]
