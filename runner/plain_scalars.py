"""What stands unquoted in a workflow file and is no text: YAML 1.2's scalars, by tag, and how they begin.

Reading and writing share them: what would be read as a number is written in quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FLOAT: Final = "tag:yaml.org,2002:float"

PLAIN_SCALARS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
        "tag:yaml.org,2002:int": (r"[-+]?(?:0|[1-9][0-9]*)", tuple("-+0123456789")),
        FLOAT: (
            r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)",
            tuple("-+.0123456789"),
        ),
        "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ("~", "n", "N", "")),
        "tag:yaml.org,2002:merge": (r"<<", ("<",)),
    }
)
