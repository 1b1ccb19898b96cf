"""What the nodes of MPI jobs know each other by."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from constructs_lib.rule_packs import acknowledge

_CHARACTERS: Final = 64
"""Letters and digits: 380 bits, more than any key that is derived from them."""


class BringUpSecret(Construct):
    """A generated secret that nobody handles: nodes derive the keys of a job from it and from the job's id.

    Nothing ever prints or stores its value; only the execution role may read it, to put it into a node's environment.
    It costs 0.40 USD a month, the one thing in a deployment that costs while nothing runs and nothing is stored.

    Rotation. Each node is given the value that is current when its container starts, so a new value holds from the
    next job on and needs no deployment. The main node starts before the others: where the value changed in between,
    they do not know each other, and the attempt fails with exit code 69, which the job definition has retried. Nothing
    rotates it by itself, which would take a Lambda function; the command that does is in docs/deploying.md.
    """

    secret: secretsmanager.ISecret

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey | None = None) -> None:
        super().__init__(scope, construct_id)
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            encryption_key=None if key is None else self._from_elsewhere(key),
            description="Nodes of MPI jobs derive their keys from this and the job's id",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=_CHARACTERS, exclude_punctuation=True
            ),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.secret,
            "SecretsManagerRotationEnabled",
            "Rotated with one command; by itself it could fall between the starts of two nodes of one job",
        )
        if key is None:
            acknowledge(
                self.secret,
                "SecretsManagerUsingKMSKey",
                "Secrets Manager encrypts with a key of the account, which costs nothing; own_key gives another",
            )
        cdk.Validations.of(self.secret).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-SMG4",
                reason="Rotated with one command, which needs no deployment; by itself it would take a Lambda function "
                "and could fall between the starts of two nodes of one job",
            )
        )

    def _from_elsewhere(self, key: kms.IKey) -> kms.IKey:
        """The key as one whose policy is not ours to change: it trusts the account, so that readers' own policies do.

        A grant would otherwise name readers in the key's policy, which is of another stack, on which theirs depends.
        """
        return kms.Key.from_key_arn(self, "Key", key.key_arn)
