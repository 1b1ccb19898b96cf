"""Graphs that others published, folded: whatever their shape, the plan means the graph."""

from __future__ import annotations

import pytest

from runner.planner import plan
from runner.wfformat.imported_workflow import Playing, import_trace
from runner.wfformat.trace import read_trace
from tests.runner.expanded import awaited_tasks, check_limits, children
from tests.runner.planned import RUN_ID, surroundings
from tests.runner.wfformat.instances import FILES, content


@pytest.mark.parametrize("has_files", [False, True], ids=["times", "files"])
@pytest.mark.parametrize("name", FILES)
def test_a_trace_is_found_again_in_its_plan(name: str, *, has_files: bool) -> None:
    """Expanded by Batch's rules the requests are the trace's graph; never more calls than tasks and barriers."""
    playing = Playing(scale=0.01, cpu=False, files=has_files, job_definition="standin", queue="normal")
    workflow = import_trace(read_trace(content(name), name), playing, name).workflow
    graph = workflow.graph()
    made = plan("w", graph, RUN_ID, workflow.places, surroundings())
    alone = plan("w", graph, RUN_ID, workflow.places, surroundings(), folds=False)
    assert awaited_tasks(made.plan.requests) == {
        task: frozenset(graph.names_needed(number)) for number, task in enumerate(graph.names())
    }
    check_limits(made.plan.requests)
    barriers = sum(request.is_barrier for request in made.plan.requests)
    assert len(made.plan.requests) <= len(graph) + barriers
    assert len(made.plan.requests) <= len(alone.plan.requests)
    told = [
        {
            task: child
            for request in found.plan.requests
            if request.tasks
            for task, child in zip(request.tasks, children(found.plan, request), strict=True)
        }
        for found in (made, alone)
    ]
    assert told[0] == told[1]
