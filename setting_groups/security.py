"""Settings of what the account's owner asks of every resource."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from batch_limits import MAX_TAGS
from setting_groups.finding import Finding

_POLICY_ARN: Final = r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[\w+=,.@/-]{1,640}"
_OWN_TAGS: Final = 2
"""`cloud-hpc:deployment` of every resource and `cloud-hpc:run` of a job: both are on its ECS task, and a job fails
whose own tags and those of its definition are more than 50.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecuritySettings:
    """Tags, and the bound of every role's rights."""

    tags: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    """Tags of every resource that takes tags, besides `cloud-hpc:deployment`: cost centre, owner, grant. They cost
    nothing; activated as cost allocation tags, they split the bill. Environments, queues and placement groups, which
    are free and which another tag would replace, go without; their instances and volumes do not.
    """

    permissions_boundary_arn: str | None = None
    """ARN of a managed policy that bounds every role the stacks make, where the account's owner demands one. It has to
    allow what the roles do, or jobs fail. None: no boundary.
    """


def security_findings(settings: SecuritySettings) -> Iterator[Finding]:
    """What is wrong with tags and boundary."""
    arn = settings.permissions_boundary_arn
    if arn is not None and not re.fullmatch(_POLICY_ARN, arn):
        rule = "the ARN of a managed policy (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html)"
        yield Finding("permissions_boundary_arn", rule, arn, "use for instance arn:aws:iam::123456789012:policy/Bound")
    if len(settings.tags) > MAX_TAGS - _OWN_TAGS:
        rule = f"a job and its job definition together have at most {MAX_TAGS} tags, {_OWN_TAGS} of which are ours"
        yield Finding("tags", rule, len(settings.tags), "drop some")
    for key, value in settings.tags.items():
        if not re.fullmatch(r"[\w .:/=+@-]{1,128}", key) or key.lower().startswith("aws:") or len(value) > 256:
            rule = (
                "a tag's key is 1 to 128 letters, digits, spaces and _.:/=+-@, not aws:…, its value at most 256 "
                "(https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html)"
            )
            yield Finding("tags", rule, {key: value}, "rename it")
        elif key == "cloud-hpc:deployment":
            yield Finding("tags", "every resource has cloud-hpc:deployment by itself", {key: value}, "drop it")
