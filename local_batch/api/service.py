"""The service: one door for HTTP, one for callers in the process."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from local_batch.api.compute_environments import ComputeEnvironments
from local_batch.api.errors import ApiError, BrokenJsonError, Reply, UnknownOperationError, reply_headers
from local_batch.api.job_control import JobControl
from local_batch.api.job_definitions import JobDefinitions
from local_batch.api.job_listing import JobListing
from local_batch.api.job_queues import JobQueues
from local_batch.api.queue_snapshot import QueueSnapshot
from local_batch.api.scheduling_policies import SchedulingPolicies
from local_batch.api.shapes import TAGS_PATH, RequestShapes
from local_batch.api.state import State
from local_batch.api.submission import Submission
from local_batch.api.tags import Tags
from local_batch.dispatcher import Dispatcher
from local_batch.engine.resources import InstanceSize

_LOG = logging.getLogger(__name__)


class BatchApi:
    """AWS Batch's API over one dispatcher. Thread-safe: every call holds the dispatcher's lock."""

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        account_id: str,
        region: str,
        instance_sizes: Callable[[Sequence[str]], tuple[InstanceSize, ...]],
        new_id: Callable[[], str],
        authorize: Callable[[str, dict[str, Any]], None] | None = None,
    ) -> None:
        """`instance_sizes` resolves a compute environment's instanceTypes and raises ValueError for unknown ones.

        `authorize` is given operation and request of every request over HTTP, once the service model allows it, and
        raises ApiError where its sender may not; None: everybody may.
        """
        self._authorize = authorize
        self._lock = dispatcher.lock
        state = State(dispatcher, account_id, region, instance_sizes, new_id)
        environments, queues, definitions = ComputeEnvironments(state), JobQueues(state), JobDefinitions(state)
        policies, listing, control, tags = SchedulingPolicies(state), JobListing(state), JobControl(state), Tags(state)
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateComputeEnvironment": environments.create,
            "UpdateComputeEnvironment": environments.update,
            "DeleteComputeEnvironment": environments.delete,
            "DescribeComputeEnvironments": environments.describe,
            "CreateJobQueue": queues.create,
            "UpdateJobQueue": queues.update,
            "DeleteJobQueue": queues.delete,
            "DescribeJobQueues": queues.describe,
            "GetJobQueueSnapshot": QueueSnapshot(state).get,
            "RegisterJobDefinition": definitions.register,
            "DeregisterJobDefinition": definitions.deregister,
            "DescribeJobDefinitions": definitions.describe,
            "CreateSchedulingPolicy": policies.create,
            "UpdateSchedulingPolicy": policies.update,
            "DeleteSchedulingPolicy": policies.delete,
            "DescribeSchedulingPolicies": policies.describe,
            "ListSchedulingPolicies": policies.list,
            "SubmitJob": Submission(state).submit,
            "CancelJob": control.cancel,
            "TerminateJob": control.terminate,
            "CancelJobs": control.cancel_many,
            "TerminateJobs": control.terminate_many,
            "DescribeJobs": listing.describe,
            "ListJobs": listing.list,
            "ListTagsForResource": tags.list,
            "TagResource": tags.add,
            "UntagResource": tags.remove,
        }
        self._shapes = RequestShapes(self._operations)

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Perform one operation, named as in the service model; raises ApiError.

        The request belongs to the service from here on: it may be kept, so do not change it afterwards.
        """
        perform = self._operations.get(operation)
        if perform is None:
            raise ApiError(f"{operation}: is not played by the local cloud (docs/local-batch-parity.md)")
        self._shapes.check(operation, request)
        with self._lock:
            return perform(request)

    def handle(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],  # noqa: ARG002 - whoever routed the request here has read them
        body: bytes,
        query: Mapping[str, list[str]],
    ) -> Reply:
        """Answer one HTTP request; `path` as it was sent, without the query."""
        request_id = str(uuid.uuid4())
        operation = self._shapes.operation(method, path)
        if operation is None:
            return UnknownOperationError().reply(request_id)
        try:
            request = _request(path, body, query)
            if self._authorize is not None and operation in self._operations:
                self._shapes.check(operation, request)
                self._authorize(operation, request)
            answer = self.call(operation, request)
        except ApiError as error:
            return error.reply(request_id)
        except Exception as error:  # noqa: BLE001 - a thread of HTTP ends here: it is logged and answered
            # A fault of ours must neither end the server nor look like the caller's.
            _LOG.exception("%s failed", operation)
            fault = (
                f"Internal Failure: {operation} failed with {type(error).__name__}; see the local cloud's server.log"
            )
            return ApiError(fault, code="ServerException", status=500).reply(request_id)
        return 200, reply_headers(request_id), json.dumps(answer, separators=(",", ":")).encode()


def _request(path: str, body: bytes, query: Mapping[str, list[str]]) -> dict[str, Any]:
    try:
        request = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise BrokenJsonError from None
    if not isinstance(request, dict):
        raise BrokenJsonError
    if b"null" in body:
        request = _without_nulls(request)
    if path.startswith(TAGS_PATH):
        request["resourceArn"] = unquote(path[len(TAGS_PATH) :])
        if "tagKeys" in query:
            request["tagKeys"] = list(query["tagKeys"])
    return request


def _without_nulls(value: Any) -> Any:
    """The same without members that are null: to the service they are absent."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
