"""How an MPI program is started: the words of the image's bring-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a task says about its program. `flags` still holds its `${...}`, the paths do not."""

    program: str
    files: tuple[str, ...] = ()
    """Shipped beside the program."""
    flags: str | None = None
    ranks_per_node: int | None = None
    on_main: bool = False
    label: str | None = None

    def command(
        self, name: str, arguments: Sequence[str], *, bundle: str | None, results: str, flags: str | None
    ) -> list[str]:
        """The job's command. `name` is the program's in the bundle or the image; the URLs are where code is fetched
        from, None for nowhere, and where results go."""
        options = {
            "--bundle": bundle,
            "-p": None if self.ranks_per_node is None else str(self.ranks_per_node),
            "--label": self.label,
            "--results": results,
        }
        command = [text for option, value in options.items() if value is not None for text in (option, value)]
        if flags:
            # One word, as flags begin with a hyphen themselves.
            command.append(f"--flags={flags}")
        if self.on_main:
            command.append("--on-main")
        return [*command, "--", name, *arguments]
