"""The picture of an assembly: small enough for a person, and true."""

from __future__ import annotations

import re
from typing import Any

from runner.assembly.diagram import MAX_NODES, mermaid
from tests.runner.assembly.large import Bodies, arn, large_assembly, ref
from tests.runner.assembly.templates import one_stack


def boxes(text: str) -> dict[str, str]:
    """Id of every box -> its label."""
    return dict(re.findall(r'^ +(\w+)\["(.*)"\]$', text, re.MULTILINE))


def arrows(text: str) -> set[tuple[str, str, str]]:
    """From, word, to."""
    found = re.findall(r'^ +(\w+) (?:-- "(.*)" )?--> (\w+)$', text, re.MULTILINE)
    return {(source, word, target) for source, word, target in found}


def policy(action: str, *names: str) -> dict[str, Any]:
    """Properties of a policy that allows it on these."""
    return {"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": action, "Resource": [*map(arn, names)]}}}


def test_a_large_assembly_is_drawn_in_few_boxes() -> None:
    """Each arrow is between a box or frame that is there, and no line is anything else."""
    text = mermaid(large_assembly())
    frames = set(re.findall(r"^ +subgraph (\w+)\[", text, re.MULTILINE))
    assert 0 < len(boxes(text)) <= MAX_NODES
    ends = {end for source, _, target in arrows(text) for end in (source, target)}
    assert ends <= set(boxes(text)) | frames
    others = [line for line in text.splitlines()[1:] if not re.match(r" +(subgraph |end$|\w+(\[| --))", line)]
    assert others == []


def test_what_is_read_and_written_through_a_role_is_drawn_from_who_has_the_role() -> None:
    """Neither role nor policy is a box."""
    text = mermaid(
        one_stack(
            Bucket=("AWS::S3::Bucket", {}),
            Role=("AWS::IAM::Role", {}),
            Rights=("AWS::IAM::ManagedPolicy", {**policy("s3:GetObject", "Bucket"), "Roles": [ref("Role")]}),
            Job=("AWS::Batch::JobDefinition", {"ContainerProperties": {"JobRoleArn": arn("Role")}}),
        )
    )
    assert arrows(text) == {("S_Job", "reads", "S_Bucket")}
    assert set(boxes(text)) == {"S_Job", "S_Bucket"}


def test_people_are_drawn_by_the_policies_that_await_them() -> None:
    """Who submits what to where: to a whole part where it is to all of it, else to each."""
    queues = {name: ("AWS::Batch::JobQueue", {"Priority": place}) for place, name in enumerate(("High", "Low"), 1)}
    jobs: Bodies = {name: ("AWS::Batch::JobDefinition", {}) for name in ("First", "Second")}
    rights = policy("batch:SubmitJob", *queues, "First")
    text = mermaid(one_stack(**queues, **jobs, Submitter=("AWS::IAM::ManagedPolicy", rights)))
    assert arrows(text) == {("S_Submitter", "submits to", "queues"), ("S_Submitter", "submits", "S_First")}


def test_names_in_labels_cannot_end_them() -> None:
    """A quotation mark is written as Mermaid's entity."""
    text = mermaid(one_stack(**{'It"s': ("AWS::S3::Bucket", {})}))
    assert boxes(text) == {"S_It_s": "<b>It#quot;s</b><br/>bucket"}
