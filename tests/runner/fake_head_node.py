"""A head node in EC2 and Systems Manager, whose state moves on by one with each look."""

# ruff: noqa: D102 - the methods are AWS's own

from __future__ import annotations

import datetime as dt
from typing import Any

import deployment_outputs
from tests.runner.fake_aws import FakeClients, FakeCloudFormation, FakeEc2, outputs
from tests.runner.fake_batch import client_error
from tests.runner.service_model import check_request

INSTANCE = "i-0123456789abcdef0"
LAUNCHED = dt.datetime(2026, 11, 2, 9, 30, tzinfo=dt.UTC)
_NEXT = {"pending": "running", "stopping": "stopped"}


class FakeHeadNode(FakeEc2):
    """The instance and its agent, which answers `looks_until_online` looks after the instance runs."""

    def __init__(self, state: str, *, looks_until_online: int = 1) -> None:
        self.state: str | None = state
        self.looks_until_online = looks_until_online
        self.calls: list[str] = []

    def describe_instances(self, **request: Any) -> dict[str, Any]:
        check_request("ec2", "DescribeInstances", request)
        if self.state is None:
            raise client_error("InvalidInstanceID.NotFound", "does not exist", "DescribeInstances")
        assert request["InstanceIds"] == [INSTANCE]
        seen = self.state
        self.state = _NEXT.get(seen, seen)
        instance = {
            "InstanceId": INSTANCE,
            "InstanceType": "t4g.small",
            "Architecture": "arm64",
            "State": {"Name": seen},
            "LaunchTime": LAUNCHED,
        }
        return {"Reservations": [{"Instances": [instance]}]}

    def start_instances(self, **request: Any) -> dict[str, Any]:
        check_request("ec2", "StartInstances", request)
        assert self.state == "stopped"
        self.calls.append("start")
        self.state = "pending"
        return {}

    def stop_instances(self, **request: Any) -> dict[str, Any]:
        check_request("ec2", "StopInstances", request)
        self.calls.append("stop")
        self.state = "stopping"
        return {}

    def describe_instance_information(self, **request: Any) -> dict[str, Any]:
        check_request("ssm", "DescribeInstanceInformation", request)
        assert request["Filters"] == [{"Key": "InstanceIds", "Values": [INSTANCE]}]
        if self.state != "running":
            # What the agent said last, before it was stopped.
            return {"InstanceInformationList": [{"InstanceId": INSTANCE, "PingStatus": "Online"}]}
        if self.looks_until_online > 0:
            self.looks_until_online -= 1
            return {"InstanceInformationList": []}
        return {"InstanceInformationList": [{"InstanceId": INSTANCE, "PingStatus": "Online"}]}


class FakeClientsWithHeadNode(FakeClients):
    """All clients of a deployment that has a head node."""

    def __init__(self, node: FakeHeadNode) -> None:
        named = outputs() | {deployment_outputs.HEAD_NODE_INSTANCE_ID: INSTANCE}
        super().__init__(cloudformation=FakeCloudFormation(named), ec2=node, is_local=False)
        self.ssm = node
