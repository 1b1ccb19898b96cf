"""What stacks can hold beside AWS::Batch::* and what MiniStack has: one module for each kind of resource."""

from __future__ import annotations

from local_batch.host import (
    bucket_resources,
    budget_resources,
    instance_profile_resources,
    instance_resources,
    lustre_resources,
    network_resources,
    secret_resources,
    topic_resources,
    vpc_endpoint_resources,
)
from local_batch.host.seams import MiniStack


def install(ministack: MiniStack) -> None:
    """Register the types of all of them."""
    for kind in (
        bucket_resources,
        budget_resources,
        instance_profile_resources,
        instance_resources,
        lustre_resources,
        network_resources,
        secret_resources,
        topic_resources,
        vpc_endpoint_resources,
    ):
        kind.install(ministack)
