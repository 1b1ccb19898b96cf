"""The head node: whether there is one, how large, and when it stops itself."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Final

from instance_type_facts import NAME_PATTERN
from setting_groups.finding import Finding

_LEAST_VOLUME_GIB: Final = 12
"""Amazon Linux 2023 takes 8, compilers, MPI and the commands 2 more; the rest is the users'.

Source: https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
"""

_LARGEST_VOLUME_GIB: Final = 16384
"""Of gp3 in every region. Source: https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html"""

_LEAST_IDLE_MINUTES: Final = 10
"""Its first boot takes a few minutes, in which nobody can have logged in yet."""

_LONGEST_IDLE_MINUTES: Final = 7 * 24 * 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadNodeSettings:
    """A small instance to log in to, for those who want to submit from there as they did on a cluster."""

    head_node_instance_type: str | None = None
    """Type of the head node, for instance t4g.small (0.017 per hour while it runs) or t3.small (0.021); None is no
    head node. In mode `public` its address costs 0.005 per hour while it runs; in mode `endpoints` it needs seven more
    endpoints, 0.01 an hour each and zone, always.
    """

    head_node_root_volume_gib: int = 20
    """Encrypted gp3 volume of the head node, homes included: 0.08 per GiB-month, also while the instance is stopped."""

    head_node_idle_minutes: int = 60
    """How long nobody may have been logged in, and nothing of a user have computed, before the head node stops itself.

    Each of these minutes costs what the instance does: 60 are 0.02 after every visit to a t4g.small.
    """


def head_node_findings(settings: HeadNodeSettings) -> Iterator[Finding]:
    """Every rule that the values break."""
    name = settings.head_node_instance_type
    if name is not None and not re.fullmatch(NAME_PATTERN, name):
        yield Finding(
            "head_node_instance_type",
            "is the full name of an instance type, or None for no head node "
            "(https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html)",
            name,
            "use for instance t4g.small",
        )
    if not _LEAST_VOLUME_GIB <= settings.head_node_root_volume_gib <= _LARGEST_VOLUME_GIB:
        yield Finding(
            "head_node_root_volume_gib",
            f"a gp3 volume with Amazon Linux 2023, compilers and MPI on it has {_LEAST_VOLUME_GIB} to "
            f"{_LARGEST_VOLUME_GIB} GiB (https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html)",
            settings.head_node_root_volume_gib,
            "use for instance 20",
        )
    if not _LEAST_IDLE_MINUTES <= settings.head_node_idle_minutes <= _LONGEST_IDLE_MINUTES:
        yield Finding(
            "head_node_idle_minutes",
            f"the head node stops {_LEAST_IDLE_MINUTES} minutes to a week ({_LONGEST_IDLE_MINUTES} minutes) after it "
            "was last used: a first boot takes some, and one that never stops costs all month",
            settings.head_node_idle_minutes,
            "use for instance 60",
        )
