"""The tasks of a workflow, for requests to be written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from deployment_outputs import DEPLOYMENT_TAG
from runner.child_content import Child, GroupContent, RunValues, overrides
from runner.content_hashes import ContentHashes
from runner.deployment import Deployment
from runner.graph import TaskGraph, TaskGroup
from runner.request_names import common_part
from runner.requests import NodeRequest, submit_job_request
from runner.shares import share_keys
from runner.surroundings import Surroundings
from runner.task_source import Traits

RUN_TAG: Final = "cloud-hpc:run"
"""Tag of every job: the run that it belongs to, for cost reports and searches."""

_ANY_NODES: Final = ("0:",)
"""The range of the deployment's own multi-node definitions, and of those that are not known: they are refused later."""


def job_tags(deployment: Deployment, run_id: str) -> dict[str, str]:
    """Tags of every job of a run. By that of the deployment, policies tell its jobs from those of others."""
    return {DEPLOYMENT_TAG: deployment.name, RUN_TAG: run_id}


class DeclaredTasks:
    """Made from a graph and what surrounds it."""

    def __init__(
        self, graph: TaskGraph, shared: RunValues, contents: Sequence[GroupContent], around: Surroundings
    ) -> None:
        self._graph = graph
        self._shared = shared
        self._contents: Mapping[TaskGroup, GroupContent] = {content.group: content for content in contents}
        self._around = around
        self._hashes = ContentHashes(graph, self._contents, around)
        self._traits: dict[TaskGroup, Traits] = {}

    def name(self, task: int) -> str:
        """A task's name."""
        return self._graph.name(task)

    def is_task(self, name: str) -> bool:
        """Whether a task is called so."""
        return self._graph.number(name) is not None

    def label(self, members: Sequence[int], names: Sequence[str]) -> str:
        """The entry's name, where all are of one."""
        groups = {self._graph.group_of(members[0]), self._graph.group_of(members[-1])}
        return groups.pop().task.name if len(groups) == 1 else common_part(names)

    def traits(self, task: int) -> Traits:
        """Those of the entry."""
        group = self._graph.group_of(task)
        known = self._traits.get(group)
        if known is None:
            known = self._traits[group] = self._of(group)
        return known

    def child(self, task: int) -> Child:
        """What a task does."""
        return self._contents[self._graph.group_of(task)].child(task)

    def request(self, task: int) -> dict[str, Any]:
        """From the entry's keys."""
        entry = self._graph.group_of(task).task
        facts = self._around.facts(entry.job_definition)
        deployment = self._around.deployment
        job_queue = deployment.job_queue(entry.queue)
        request = submit_job_request(
            entry,
            job_queue=job_queue,
            job_definition=deployment.job_definition(entry.job_definition),
            overrides={} if entry.nodes is None else overrides(self.child(task)),
            node_request=self._node_request(task),
            has_retries=facts is None or facts.has_retries,
            tags=job_tags(deployment, self._shared.run_id),
        )
        share = self._around.shares.get(job_queue)
        return request if share is None else request | share_keys(share, facts)

    def content(self, task: int, said: str) -> str:
        """The content hash of a task."""
        return self._hashes.add(task, said)

    def _of(self, group: TaskGroup) -> Traits:
        task = group.task
        facts = self._around.facts(task.job_definition)
        has_launcher = facts is not None and facts.has_launcher
        why = None
        if task.nodes is not None:
            why = "a job of several nodes is no child of an array"
        elif not has_launcher and group.members.size > 1:
            why = (
                f"the image of {task.job_definition!r} has no launcher, so children cannot be told different commands "
                "(docs/launcher.md)"
            )
        elif task.may_fail and group.members.size > 1:
            why = "it may fail, and others wait for its end alone: a runner sees the end of a job, not of a child"
        fallback = task.fallback
        return Traits(
            after=task.after,
            may_fail=task.may_fail,
            is_finally=task.is_finally,
            fallback_queue=None if fallback is None else self._around.deployment.job_queue(fallback.queue),
            has_launcher=has_launcher,
            is_multinode=task.nodes is not None,
            why_alone=why,
        )

    def _node_request(self, task: int) -> NodeRequest | None:
        group, name = self._graph.group_of(task), self._graph.name(task)
        entry, content = group.task, self._contents[group]
        if entry.nodes is None:
            return None
        definition = self._around.facts(entry.job_definition)
        ranges = tuple(nodes.target_nodes for nodes in definition.node_ranges) if definition else ()
        program = self._around.shipped.get(name)
        command = None
        if program is not None and entry.launch is not None:
            said, _ = content.child(task)
            deployment = self._around.deployment
            key = None if program.bundle is None else program.bundle.key(deployment.programs_prefix)
            command = tuple(
                entry.launch.command(
                    program.name,
                    # Without the word that names the program in a directory.
                    (said or [])[len(said or ()) - len(program.arguments) :],
                    bundle=None if key is None else f"s3://{deployment.bucket}/{key}",
                    # A folder for each task: two of one run do not overwrite each other's files.
                    results=f"s3://{self._shared.bucket}/{self._shared.prefix}{name}/",
                    flags=content.flags(task),
                )
            )
        return NodeRequest(ranges or _ANY_NODES, command)
