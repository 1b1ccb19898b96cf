"""Requests drawn from the service model of Batch: mostly of its shape, sometimes not, with names that exist.

What exists is given by the name of the member that names it; other text is drawn from a pool that holds what
validations are about: ranges, ARNs, sizes as text, patterns, nothing, too much.
"""

from __future__ import annotations

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import strategies as st

from tests.contract.model_check import MODEL
from tests.contract.service import IMAGE

MAX_DEPTH = 7
OPERATIONS = sorted(MODEL.operation_names)

_ROLE = "arn:aws:iam::123456789012:role/execution"
_TEXTS = [
    "",
    "a",
    "0",
    "1",
    "2048",
    "0:",
    "0:1",
    ":",
    "1:0",
    "*",
    "a*",
    "Ref::a",
    "/x",
    "x" * 300,
    "é",
    "-1",
    "1.5",
    _ROLE,
]
_NUMBERS = [-1, 0, 1, 2, 3, 59, 60, 600, 10_000, 10_001, 2**31 - 1, 2**31, 2**63]
_BY_MEMBER: dict[str, list[Any]] = {
    "jobQueue": ["normal", "ec2", "shared", "nobody"],
    "jobDefinition": ["shell", "shell:1", "nodes", "nobody"],
    "jobDefinitionName": ["made", "shell", "a b"],
    "jobName": ["job", "job-1", "-", ""],
    "jobQueueName": ["made", "made-2", "a b"],
    "computeEnvironmentName": ["made", "made-2", "a b"],
    "computeEnvironment": ["fargate", "machines", "nobody"],
    "image": [IMAGE, "", "x"],
    "executionRoleArn": [_ROLE],
    "targetNodes": ["0:", "0:1", "1:", ":", "0", "5:2", "a", ""],
    "attempts": [0, 1, 3, 10, 11],
    "size": [1, 2, 3, 10_000, 10_001],
    "numNodes": [0, 1, 2, 3, 1_000, 1_001],
    "mainNode": [0, 1, -1],
    "shareIdentifier": ["a", "b", "a*", "no good"],
    "value": ["1", "2", "2048", "0.25", "-1", "x", ""],
    "name": ["A", "AWS_BATCH_X", "", "a=b", "x"],
}
_CONTAINER = {
    "image": IMAGE,
    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
}
_NODES = {"numNodes": 2, "mainNode": 0, "nodeRangeProperties": [{"targetNodes": "0:", "container": _CONTAINER}]}
_ORDER = [{"order": 1, "computeEnvironment": "fargate"}]
_RIGHT: dict[str, list[dict[str, Any]]] = {
    "SubmitJob": [
        {"jobName": "job", "jobQueue": "normal", "jobDefinition": "shell"},
        {"jobName": "job", "jobQueue": "normal", "jobDefinition": "shell", "arrayProperties": {"size": 3}},
        {"jobName": "job", "jobQueue": "shared", "jobDefinition": "shell", "shareIdentifier": "a"},
        {"jobName": "job", "jobQueue": "ec2", "jobDefinition": "nodes", "nodeOverrides": {"numNodes": 3}},
    ],
    "RegisterJobDefinition": [
        {"jobDefinitionName": "made", "type": "container", "containerProperties": _CONTAINER},
        {"jobDefinitionName": "made", "type": "multinode", "nodeProperties": _NODES},
    ],
    "CreateJobQueue": [{"jobQueueName": "made", "priority": 1, "computeEnvironmentOrder": _ORDER}],
    "UpdateJobQueue": [{"jobQueue": "made"}, {"jobQueue": "normal", "priority": 3}],
    "ListJobs": [{"jobQueue": "normal", "jobStatus": "RUNNABLE"}],
    "CancelJob": [{"reason": "enough"}],
    "TerminateJob": [{"reason": "enough"}],
}
_JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 3, 1.5, "text", [], {}, [None], {"": None}, [[[]]], "\ud800", 10**30]
)


def request_of(operation: str, job_ids: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Requests for an operation; where it takes ids of jobs, these are among them."""
    shape = MODEL.operation_model(operation).input_shape
    known = {**_BY_MEMBER, "jobId": [*job_ids, "nobody"], "jobs": [[job_id] for job_id in job_ids]}
    if operation.startswith(("Delete", "Deregister", "Update")):
        # What the other requests refer to stays.
        spared = {"jobQueue", "jobDefinition", "computeEnvironment"}
        known |= {name: ["made", "made:1", "nobody"] for name in spared}
    drawn: st.SearchStrategy[dict[str, Any]] = _structure(shape, known, 0)
    # Drawn from nothing, hardly a request would pass the first checks: half of them change one that is right.
    bases = _RIGHT.get(operation, [])
    changed = st.tuples(st.sampled_from(bases), drawn).map(lambda pair: {**pair[1], **pair[0], **_some(pair[1])})
    return drawn | changed if bases else drawn


def _some(request: dict[str, Any]) -> dict[str, Any]:
    """What of a drawn request takes the place of what is right: the first of its members."""
    return dict(sorted(request.items())[:1])


def _value(member: str, shape: Shape, known: dict[str, list[Any]], depth: int) -> st.SearchStrategy[Any]:
    """Nearly always a value of the shape."""
    if isinstance(shape, StructureShape):
        return _structure(shape, known, depth)
    if member in known:
        usual: st.SearchStrategy[Any] = st.sampled_from(known[member])
    elif isinstance(shape, ListShape):
        is_deep = depth > MAX_DEPTH
        items = st.nothing() if is_deep else _value("", shape.member, known, depth + 1)
        usual = st.lists(items, max_size=0 if is_deep else 3)
    elif isinstance(shape, MapShape):
        usual = st.dictionaries(st.sampled_from(_TEXTS[:6]), st.sampled_from(_TEXTS), max_size=3)
    elif isinstance(shape, StringShape):
        usual = st.sampled_from(list(shape.enum) or _TEXTS)
    else:
        usual = st.booleans() if shape.type_name == "boolean" else st.sampled_from(_NUMBERS)
    return st.integers(0, 59).flatmap(lambda number: _JUNK if number == 0 else usual)


def _structure(shape: StructureShape, known: dict[str, list[Any]], depth: int) -> st.SearchStrategy[Any]:
    if depth > MAX_DEPTH:
        return st.just({})
    members = {name: _value(name, item, known, depth + 1) for name, item in shape.members.items()}
    required = {name: strategy for name, strategy in members.items() if name in shape.required_members}
    optional = {name: strategy for name, strategy in members.items() if name not in required}

    @st.composite
    def structures(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True)) if optional else []
        value = {name: draw(strategy) for name, strategy in required.items()}
        value |= {name: draw(optional[name]) for name in chosen}
        if draw(st.integers(0, 19)) == 0 and value:
            del value[draw(st.sampled_from(sorted(value)))]
        return value

    return structures()
