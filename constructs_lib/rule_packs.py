"""Findings of rule packs that judge every account alike, explained where they arise."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from constructs import IConstruct

PACKS: Final = ("HIPAA.Security", "NIST.800.53.R5")
"""Of cdk-nag, with the rules of AWS Config's conformance packs of these names; they have most rules in common."""

INLINE_POLICY: Final = (
    "Of one role, made and deleted with it, and attachable to no other; what roles share is a managed policy"
)

KEY_OF_LOGS: Final = "CloudWatch Logs encrypts with a key of its own, free of charge"


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Say for both packs why this construct is as it is: the mechanism, in some words.

    `rule` is without the pack's name, such as `S3DefaultEncryptionKMS`.
    """
    # At once: synth spends a third of its time on calls between Python and Node.
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=f"{pack}-{rule}", reason=reason) for pack in PACKS)
    )
