"""How groups share a queue."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from constructs import Construct


class FairShares(Construct):
    """A fair-share scheduling policy: who used least lately, by weight, comes first. One can serve several queues.

    Every job of such a queue names its group as share identifier; a group without a weight here has 1.
    """

    policy: batch.ISchedulingPolicy

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        weights: Mapping[str, float],
        decay: cdk.Duration,
        reservation_percent: int,
    ) -> None:
        """Declare the policy.

        Args:
            weights: by group, whose name may end with * for all that begin so; the lower, the larger its part.
            decay: how long past use counts.
            reservation_percent: of the capacity, kept free for groups that have no job yet.
        """
        super().__init__(scope, construct_id)
        self.policy = batch.FairshareSchedulingPolicy(
            self,
            "Policy",
            share_decay=decay,
            compute_reservation=reservation_percent,
            shares=[
                batch.Share(share_identifier=group, weight_factor=weight) for group, weight in sorted(weights.items())
            ],
        )
