"""Log groups that ECS makes by itself are found, so that who destroys a deployment is told of them."""

from __future__ import annotations

from typing import Any

from runner.insight_logs import insight_logs
from tests.runner.fake_aws import deployed_batch
from tests.runner.fake_batch import arn
from tests.runner.service_model import check_request


class Groups:
    """Log groups by name."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def describe_log_groups(self, **request: Any) -> dict[str, Any]:
        """Those that begin so."""
        check_request("logs", "DescribeLogGroups", request)
        prefix = request["logGroupNamePrefix"]
        return {"logGroups": [{"logGroupName": name} for name in self.names if name.startswith(prefix)]}


def test_of_environments_with_insights_whose_group_is_there() -> None:
    """Not of an environment without, and none that is of another cluster."""
    batch = deployed_batch()
    for name in ("fargate", "cluster"):
        batch.environments[arn("compute-environment", name)]["ecsSettings"] = {"containerInsights": "enabled"}
    there = [f"/aws/ecs/containerinsights/AWSBatch-{name}/performance" for name in ("fargate", "machines", "other")]
    found = insight_logs(batch, Groups(*there), list(batch.environments))
    assert list(found) == ["/aws/ecs/containerinsights/AWSBatch-fargate/performance"]
    assert list(insight_logs(batch, Groups(*there), [])) == []
