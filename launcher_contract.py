"""How jobs agree with images that one submission can hold many commands.

An image with the launcher as its ENTRYPOINT runs, as child of an array job, the command that CHILDREN_VARIABLE holds
for its index. Job definitions of such images say so by LAUNCHER_VARIABLE: any other image is never sent such a list.
Imports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LAUNCHER_VARIABLE: Final = "HPC_LAUNCHER"
"""Variable of a job definition: the image has the launcher, in the version that the value says."""

LAUNCHER_VERSION: Final = "1"

CHILDREN_VARIABLE: Final = "HPC_CHILDREN"
"""Variable of a submission: commands and environments of the children."""

WITH_LAUNCHER: Final[Mapping[str, str]] = MappingProxyType({LAUNCHER_VARIABLE: LAUNCHER_VERSION})
"""What the environment of such a job definition holds."""
