"""Where the output of jobs is kept."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.log_retention import log_retention
from constructs_lib.rule_packs import KEY_OF_LOGS, acknowledge


class JobLog(Construct):
    """One log group for all jobs, with a stream per attempt; events expire, and `cdk destroy` removes the rest.

    Where it is retained, events still expire, and the empty group costs nothing.
    """

    log_group: logs.ILogGroup

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        retention_days: int,
        retain: bool = False,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=log_retention(self, retention_days),
            encryption_key=key,
            removal_policy=cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY,
        )
        if key is None:
            acknowledge(self.log_group, "CloudWatchLogGroupEncrypted", KEY_OF_LOGS)
