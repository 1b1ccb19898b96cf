"""A Mermaid diagram of an assembly: what a reader needs of it, in at most 45 nodes.

Resources that a reader sees as one thing are one node from the start: the subnets of a kind, the repositories, the
alarms. Then those that are alike and are joined alike become one, under all their names; while that is too many, the
type that has most nodes in a part becomes one node. Source of the syntax: https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from runner.assembly.cloud_assembly import Assembly, Resource
from runner.assembly.edges import Edge, edges
from runner.assembly.node_labels import DRAWN, GROUPS, detail, short_name, variant

MAX_NODES: Final = 45
"""Beyond it nobody reads a diagram."""

_ONE_NODE: Final = frozenset(
    {
        *("AWS::EC2::Subnet", "AWS::EC2::VPCEndpoint", "AWS::EC2::NatGateway", "AWS::ECR::Repository"),
        *("AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter", "AWS::IAM::ManagedPolicy"),
    }
)
_MAX_NAMES: Final = 6
_MAX_DOWNWARDS: Final = 30
"""Nodes up to which the picture runs from top to bottom; with more it would be wider than a page can show."""

_MIN_FRAMED: Final = 3
"""Nodes of one type in a part that has others, from which on they have a frame of their own."""


_Labels = dict[tuple[str, str], list[str]]
"""Ids of what an edge is from and to -> the words on it."""


@dataclass(frozen=True)
class Node:
    """One or more resources of a type, drawn as one."""

    members: tuple[Resource, ...]

    @property
    def type(self) -> str:
        """Of all of them."""
        return self.members[0].type

    @property
    def id(self) -> str:
        """For Mermaid: of letters, digits and underscores."""
        first = self.members[0]
        return re.sub(r"\W+", "_", f"{first.stack.rpartition('-')[2]}_{first.path}")


@dataclass(frozen=True)
class _Block:
    """A frame in the picture: a part, or within one the nodes of a type that has many beside others."""

    id: str
    title: str
    nodes: tuple[Node, ...]
    inner: tuple[_Block, ...] = ()

    def all_ids(self) -> list[str]:
        """Of every node within."""
        return [node.id for node in (*self.nodes, *(node for block in self.inner for node in block.nodes))]


def mermaid(assembly: Assembly) -> str:
    """The diagram as Mermaid's text, without the fence around it."""
    found = edges(assembly)
    nodes = _nodes(assembly, found)
    blocks = _blocks(nodes)
    lines = ["flowchart TB" if len(nodes) <= _MAX_DOWNWARDS else "flowchart LR"]
    for block in blocks:
        lines += [f"  {line}" for line in _block_lines(block, assembly)]
    lines += [f"  {line}" for line in _edge_lines(nodes, blocks, found)]
    return "\n".join(lines)


def _blocks(nodes: list[Node]) -> list[_Block]:
    blocks = []
    for part in GROUPS:
        members = [node for node in nodes if DRAWN[node.type][0] == part]
        counts = Counter(node.type for node in members)
        framed = [kind for kind, number in counts.items() if number >= _MIN_FRAMED and len(counts) > 1]
        inner = tuple(
            _Block(
                f"{part}_{kind.rpartition('::')[2]}",
                _plural(DRAWN[kind][1]),
                tuple(node for node in members if node.type == kind),
            )
            for kind in framed
        )
        if members:
            blocks.append(_Block(part, part, tuple(node for node in members if node.type not in framed), inner))
    return blocks


def _block_lines(block: _Block, assembly: Assembly) -> Iterator[str]:
    yield f'subgraph {block.id}["{block.title}"]'
    for inner in block.inner:
        yield from (f"  {line}" for line in _block_lines(inner, assembly))
    yield from (f'  {node.id}["{_label(node, assembly)}"]' for node in block.nodes)
    yield "end"


def _nodes(assembly: Assembly, found: list[Edge]) -> list[Node]:
    joined = {resource for edge in found for resource in (edge.source, edge.target)}
    drawn = [
        resource
        for resource in assembly.resources
        if resource.type in DRAWN and (resource.type != "AWS::IAM::ManagedPolicy" or resource in joined)
    ]
    nodes = _grouped([Node((resource,)) for resource in drawn], _first_key)
    nodes = _merged_alike(nodes, found, assembly)
    while len(nodes) > MAX_NODES:
        counts = Counter(node.type for node in nodes)
        kind, number = counts.most_common(1)[0]
        if number == 1:
            break
        nodes = _grouped(nodes, lambda node, kind=kind: node.type if node.type == kind else node.id)  # type: ignore[misc]
    return nodes


def _first_key(node: Node) -> str:
    return f"{node.type} {variant(node.members[0])}" if node.type in _ONE_NODE else node.id


def _merged_alike(nodes: list[Node], found: list[Edge], assembly: Assembly) -> list[Node]:
    """Until no two nodes of a type say the same and have the same edges."""
    while True:
        joined = _joined(nodes, found)

        def key(node: Node, joined: Mapping[str, frozenset[str]] = joined) -> str:
            alike = (node.type, detail(node.members[0], assembly), sorted(joined.get(node.id, ())))
            return str(alike) if joined.get(node.id) else node.id

        merged = _grouped(nodes, key)
        if len(merged) == len(nodes):
            return nodes
        nodes = merged


def _joined(nodes: list[Node], found: list[Edge]) -> dict[str, frozenset[str]]:
    """Each node -> its edges, as texts."""
    node_of = {member: node for node in nodes for member in node.members}
    joined: dict[str, set[str]] = {}
    for edge in found:
        source, target = node_of[edge.source], node_of[edge.target]
        joined.setdefault(source.id, set()).add(f"to {target.id} {edge.label}")
        joined.setdefault(target.id, set()).add(f"from {source.id} {edge.label}")
    return {node: frozenset(texts) for node, texts in joined.items()}


def _grouped(nodes: list[Node], key: Callable[[Node], str]) -> list[Node]:
    groups: dict[str, list[Resource]] = {}
    for node in nodes:
        groups.setdefault(key(node), []).extend(node.members)
    return [Node(tuple(members)) for members in groups.values()]


def _label(node: Node, assembly: Assembly) -> str:
    count = len(node.members)
    kind = " ".join(part for part in (variant(node.members[0]), DRAWN[node.type][1]) if part)
    names = list(dict.fromkeys(short_name(member) for member in node.members))
    details = list(dict.fromkeys(detail(member, assembly) for member in node.members))
    lines = [f"{count} {_plural(kind)}" if count > 1 else kind]
    if node.type not in {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::InternetGateway"}:
        shown = names if len(names) <= _MAX_NAMES else [*names[: _MAX_NAMES - 1], "…"]
        lines = [f"<b>{', '.join(shown)}</b>", *lines]
    lines += [line for text in details[:_MAX_NAMES] for line in text.split("\n") if line]
    if node.type == "AWS::KMS::Key":
        lines.append(f"encrypts {_encrypted(assembly, node)}")
    return "<br/>".join(lines).replace('"', "#quot;")


def _plural(kind: str) -> str:
    if kind.endswith("y") and not kind.endswith(("ay", "ey", "oy")):
        return f"{kind[:-1]}ies"
    return kind if kind.endswith("s") else f"{kind}s"


def _encrypted(assembly: Assembly, node: Node) -> str:
    keys = set(node.members)
    kinds = [
        DRAWN[resource.type][1]
        for resource in assembly.resources
        if resource.type in DRAWN and resource not in keys and keys & set(assembly.referenced(resource))
    ]
    return ", ".join(f"{_plural(kind)}" for kind in dict.fromkeys(kinds)) or "nothing drawn here"


def _edge_lines(nodes: list[Node], blocks: list[_Block], found: list[Edge]) -> Iterator[str]:
    """One line for all edges between two nodes; from or to a whole frame where all nodes of it are joined alike."""
    node_of = {member: node for node in nodes for member in node.members}
    labels: _Labels = {}
    for edge in found:
        source, target = node_of[edge.source], node_of[edge.target]
        if source.id == target.id:
            continue
        known = labels.setdefault((source.id, target.id), [])
        if edge.label and edge.label not in known:
            known.append(edge.label)
    for (source_id, target_id), words in _by_frames(blocks, labels).items():
        arrow = f'-- "{", ".join(words)}" -->' if words else "-->"
        yield f"{source_id} {arrow} {target_id}"


def _by_frames(blocks: list[_Block], labels: _Labels) -> _Labels:
    """The edges, those that every node of a frame has alike drawn once, the wider frame first."""
    left = dict(labels)
    for block in [*blocks, *(inner for outer in blocks for inner in outer.inner)]:
        members = block.all_ids()
        for other in dict.fromkeys(end for pair in left for end in pair if end not in members):
            for outwards in (True, False):
                pairs = [(member, other) if outwards else (other, member) for member in members]
                words = [left.get(pair) for pair in pairs]
                if len(members) > 1 and words[0] is not None and all(word == words[0] for word in words):
                    left[(block.id, other) if outwards else (other, block.id)] = words[0]
                    for pair in pairs:
                        del left[pair]
    return left
