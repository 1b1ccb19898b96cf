"""Which node this is, from what Batch tells its container; on its own outside Batch."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import socket
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mpi_bringup.report import node_name

DEFAULT_JOIN_SECONDS: Final = 600.0
"""All instances of a job are there before its first node starts: this is for pulling the image, which starts no
earlier on the other nodes than on the main one."""

NODE_VARIABLE: Final = "MPI_NODE_DIRECTORY"
"""Directory of the bring-up on a node, in the environment of whatever it starts there."""

_METADATA_SECONDS: Final = 5.0
_LOOPBACK: Final = ipaddress.IPv4Network("127.0.0.0/8")


class NodeError(Exception):
    """The variables of this container do not say what they must; the text says which."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """This node.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html
    """

    job_id: str
    """Without the node's number."""

    attempt: int
    index: int
    main_index: int
    num_nodes: int
    main_address: str | None
    """None on the main node."""

    address: str
    cores: int

    @property
    def is_main(self) -> bool:
        """Whether it is the one that decides."""
        return self.index == self.main_index

    @property
    def name(self) -> str:
        """What people call it."""
        return node_name(self.index)

    @property
    def is_on_loopback(self) -> bool:
        """Whether the job's nodes are on one machine."""
        return ipaddress.IPv4Address(self.address) in _LOOPBACK


def this_node(environment: Mapping[str, str]) -> Node:
    """Raises NodeError."""
    index = _number(environment, "AWS_BATCH_JOB_NODE_INDEX", 0)
    main_index = _number(environment, "AWS_BATCH_JOB_MAIN_NODE_INDEX", 0)
    num_nodes = _number(environment, "AWS_BATCH_JOB_NUM_NODES", 1)
    main_address = environment.get("AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS")
    if index != main_index and not main_address:
        raise NodeError(
            "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS: tells every node but the main one where that is, got none; "
            "run it as a multi-node parallel job"
        )
    return Node(
        job_id=environment.get("AWS_BATCH_JOB_ID", "none").partition("#")[0],
        attempt=_number(environment, "AWS_BATCH_JOB_ATTEMPT", 1),
        index=index,
        main_index=main_index,
        num_nodes=num_nodes,
        main_address=None if index == main_index else main_address,
        address=_address(environment, main_address, num_nodes),
        cores=len(os.sched_getaffinity(0)),
    )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise NodeError(f"{name}: is a number, got {text!r}; leave it to Batch") from None


def _address(environment: Mapping[str, str], main_address: str | None, num_nodes: int) -> str:
    """Its own, as the other nodes see it."""
    if num_nodes == 1:
        return "127.0.0.1"
    given = environment.get("MPI_ADDRESS") or _from_metadata(environment.get("ECS_CONTAINER_METADATA_URI_V4"))
    if given is not None:
        return given
    # Nothing is sent: connecting a datagram socket only chooses the way, and with it the address.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((main_address or "192.0.2.1", 9))
        return str(way.getsockname()[0])


def _from_metadata(uri: str | None) -> str | None:
    """Of the container's network interface.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4.html
    """
    if not uri:
        return None
    parts = urllib.parse.urlsplit(uri)
    try:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_METADATA_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", parts.path)
            answer = connection.getresponse()
            networks = json.loads(answer.read()).get("Networks", ()) if answer.status == http.client.OK else ()
        return next((address for network in networks for address in network.get("IPv4Addresses", ())), None)
    except (OSError, ValueError, http.client.HTTPException):
        return None


def interface_of(address: str) -> str:
    """The network interface that has this address, or has it in its network; `lo` for loopback. Raises NodeError."""
    if ipaddress.IPv4Address(address) in _LOOPBACK:
        return "lo"
    for _, name in socket.if_nameindex():
        if _interface_address(name) == address:
            return name
    raise NodeError(f"address {address}: is that of a network interface of this node, got none that has it")


def _interface_address(name: str) -> str | None:
    import fcntl  # noqa: PLC0415 - not needed on loopback, where starting is to be quick

    siocgifaddr = 0x8915
    request = name.encode()[:15].ljust(256, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked.fileno(), siocgifaddr, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
