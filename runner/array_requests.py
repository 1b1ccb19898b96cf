"""How each child of an array, or a job whose command is long, learns what it is to do.

The launcher of an image reads it from a variable, or from an object that the variable names by its hash
(docs/launcher.md); an image without one gets a shell script where its tasks are shell commands anyway.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from launcher_contract import CHILDREN_VARIABLE
from runner.child_content import Child

MAX_INLINE_CHARACTERS: Final = 6500
"""Of the children in a request: readable where it is looked at, and below the 8,192 of all overrides with Batch's own
variables."""

MAX_BLOCK_BYTES: Final = 4 << 20
"""Of the lines that one object holds: a child fetches and checks a whole object for its line."""

MAX_SCRIPT_CHARACTERS: Final = 7000
"""Of the script that tells children of an array apart by shell."""

SHELLS: Final = frozenset({"sh", "bash", "/bin/sh", "/bin/bash", "/usr/bin/bash", "dash", "/bin/dash"})
_CASE: Final = 'case "$AWS_BATCH_JOB_ARRAY_INDEX" in\n'


@dataclass
class Spill:
    """Objects for the bucket, made on the way."""

    bucket: str
    prefix: str
    """Of programs and of what else jobs fetch; ends with a slash."""
    region: str
    objects: dict[str, bytes] = field(default_factory=dict)

    def put(self, lines: Sequence[str]) -> str:
        """Keep the lines; the hash that names them."""
        # Without a time in it, the same lines make the same bytes.
        content = gzip.compress("\n".join(lines).encode() + b"\n", compresslevel=5, mtime=0)
        digest = hashlib.sha256(content).hexdigest()
        self.objects[f"{self.prefix}{digest}.jsonl.gz"] = content
        return digest


def told_by_launcher(lines: Sequence[str], spill: Spill) -> dict[str, Any]:
    """Overrides that tell each child its line: inline where they are few and short, else by an object."""
    inline = f'{{"children":[{",".join(lines)}]}}'
    if len(json.dumps(inline)) <= MAX_INLINE_CHARACTERS:
        return _variable(inline)
    blocks = [[first, spill.put(lines[first:last])] for first, last in _blocks(lines)]
    where = {"from": f"s3://{spill.bucket}/{spill.prefix}", "region": spill.region, "blocks": blocks}
    return _variable(json.dumps(where, separators=(",", ":")))


def _variable(value: str) -> dict[str, Any]:
    return {"environment": [{"name": CHILDREN_VARIABLE, "value": value}]}


def _blocks(lines: Sequence[str]) -> Iterable[tuple[int, int]]:
    first, size = 0, 0
    for index, text in enumerate(lines):
        if size and size + len(text) > MAX_BLOCK_BYTES:
            yield first, index
            first, size = index, 0
        size += len(text)
    yield first, len(lines)


def is_shell(command: Sequence[str] | None) -> bool:
    """Whether a command is a shell with a script: the image runs it as it is, or it would not work either."""
    return command is not None and len(command) >= 3 and command[0] in SHELLS and command[1] == "-c"


def told_by_shell(children: Sequence[Child]) -> dict[str, Any]:
    """Overrides with one script that does for each index what that child's own script does."""
    command = children[0][0]
    assert command is not None
    script = "".join(shell_case(index, child) for index, child in enumerate(children))
    return {"command": [command[0], "-c", f"{_CASE}{script}esac"]}


def shell_case(index: int, child: Child) -> str:
    """The script's part for one child."""
    command, environment = child
    assert command is not None
    exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in environment.items())
    return f"{index}) {exports}exec {shlex.join(command)};;\n"


def is_script_of_children(command: Sequence[str] | None) -> bool:
    """Whether it is a script that tells children of an array apart."""
    return command is not None and is_shell(command) and command[2].startswith(_CASE)
