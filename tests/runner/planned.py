"""Plans for tests, made through the code under test from a few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner import deployment
from runner.batch_facts import DefinitionFacts, NodeRangeFacts
from runner.deployment import Deployment
from runner.graph import TaskGraph
from runner.planner import Planned, plan
from runner.shipping import ship_programs
from runner.surroundings import Surroundings
from runner.task import Task
from runner.workflow import Workflow
from tests.runner.fake_aws import FakeCloudFormation, outputs

RUN_ID = "w-20261123-060000-abcdef"
NODE_RANGES = {"two:1": ("0:", "0:0"), "closed:1": ("0:0", "1:3")}
"""Of multi-node job definitions that tests make beside `mpi`, which has one range."""


@dataclass(frozen=True)
class Declared:
    """A task as the graph tells it."""

    task: Task
    values: Mapping[str, str]
    needs: tuple[str, ...]


def declared(graph: TaskGraph) -> dict[str, Declared]:
    """By name."""
    return {
        name: Declared(graph.group_of(number).task, graph.values(number), graph.names_needed(number))
        for number, name in enumerate(graph.names())
    }


def deployed() -> Deployment:
    """The deployment of the fakes."""
    return deployment.read(FakeCloudFormation(outputs()), "CloudHpc", is_local=False)


def definition(name: str, *, has_launcher: bool = False, ranges: tuple[str, ...] = ()) -> DefinitionFacts:
    """What is known of a job definition that retries what the cloud did wrong."""
    nodes = tuple(
        NodeRangeFacts(target_nodes=text, vcpus=2, memory_mib=2048, gpus=0, architecture=None, instance_type=None)
        for text in ranges
    )
    return DefinitionFacts(
        name=name,
        status="ACTIVE",
        kind="multinode" if ranges else "container",
        is_fargate=not ranges,
        vcpus=1,
        memory_mib=2048,
        gpus=0,
        architecture=None,
        node_ranges=nodes,
        image=f"images/{name}",
        has_launcher=has_launcher,
        has_retries=True,
    )


def surroundings(deployment: Deployment | None = None) -> Surroundings:
    """The deployment's own images have the launcher; `plain:1`, and those of NODE_RANGES, have none."""
    there = deployment or deployed()
    known = {reference: definition(name, has_launcher=True) for name, reference in there.job_definitions.items()}
    known[there.job_definitions["mpi"]] = definition("mpi", has_launcher=True, ranges=("0:",))
    known |= {name: definition(name, ranges=ranges) for name, ranges in NODE_RANGES.items()}
    known["plain:1"] = definition("plain:1")
    return Surroundings(deployment=there, definitions=known, region="us-east-1")


def workflow(tasks: Mapping[str, Mapping[str, Any]], **defaults: Any) -> Workflow:
    """Tasks that run dopi on the normal queue unless they say otherwise."""
    made = Workflow("w", defaults={"job_definition": "dopi", "queue": "normal", **defaults})
    for name, keys in tasks.items():
        made.task(name, **keys)
    return made


def planned(tasks: Mapping[str, Mapping[str, Any]], *, folds: bool = True, **defaults: Any) -> Planned:
    """The plan of such tasks."""
    made = workflow(tasks, **defaults)
    graph = made.graph()
    around = surroundings()
    shipped = ship_programs(graph, made.folder, made.places)
    around = Surroundings(
        deployment=around.deployment, definitions=around.definitions, shipped=shipped, region=around.region
    )
    return plan("w", graph, RUN_ID, made.places, around, folds=folds)
