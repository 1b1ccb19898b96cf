"""Tags of everything that has an ARN, but for children of arrays and nodes, which have their parent's.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_TagResource.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from local_batch.api.errors import ApiError
from local_batch.api.refusals import check_tags
from local_batch.api.state import State
from local_batch.engine import events


class Tags:
    """List, add, remove."""

    def __init__(self, state: State) -> None:
        self._state = state

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTagsForResource."""
        return {"tags": self._current(request["resourceArn"])}

    def add(self, request: dict[str, Any]) -> dict[str, Any]:
        """TagResource."""
        check_tags(request["tags"])
        tags = {**self._current(request["resourceArn"]), **request["tags"]}
        check_tags(tags)
        self._save(request["resourceArn"], tags)
        return {}

    def remove(self, request: dict[str, Any]) -> dict[str, Any]:
        """UntagResource; keys that are not there are no error."""
        gone = set(request["tagKeys"])
        current = self._current(request["resourceArn"])
        self._save(request["resourceArn"], {key: value for key, value in current.items() if key not in gone})
        return {}

    def _current(self, arn: str) -> dict[str, str]:
        engine = self._state.engine
        for table in (engine.environments, engine.queues, engine.definitions, engine.policies):
            if arn in table:
                return table[arn].tags
        job = engine.jobs.get(arn.rpartition("/")[2])
        if job is None or job.arn != arn:
            raise ApiError(f"resourceArn {arn} does not exist")
        return job.tags

    def _save(self, arn: str, tags: dict[str, str]) -> None:
        engine = self._state.engine
        event: events.Event
        if arn in engine.environments:
            event = events.ComputeEnvironmentSaved(replace(engine.environments[arn], tags=tags))
        elif arn in engine.queues:
            event = events.JobQueueSaved(replace(engine.queues[arn], tags=tags))
        elif arn in engine.definitions:
            event = events.JobDefinitionSaved(replace(engine.definitions[arn], tags=tags))
        elif arn in engine.policies:
            event = events.SchedulingPolicySaved(replace(engine.policies[arn], tags=tags))
        else:
            event = events.JobTagged(arn.rpartition("/")[2], tags)
        self._state.dispatcher.dispatch(event)
