"""Where the output of jobs is kept."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.log_retention import log_retention


class JobLog(Construct):
    """One log group for all jobs, with a stream per attempt; events expire, and `cdk destroy` removes the rest."""

    log_group: logs.ILogGroup

    def __init__(self, scope: Construct, construct_id: str, *, retention_days: int) -> None:
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=log_retention(self, retention_days),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
