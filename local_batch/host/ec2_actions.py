"""EC2's own actions, performed for stacks: what the API refuses fails the stack with its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

from local_batch.host.seams import MiniStack

Properties = Mapping[str, Any]


class Ec2ActionError(ValueError):
    """EC2 refused; the text is the stack event's reason."""


class Ec2Actions:
    """Performs actions in process, as a request in form encoding would."""

    def __init__(self, ministack: MiniStack) -> None:
        self._ministack = ministack

    def perform(self, action: str, request: Mapping[str, list[str]], element: str = "") -> str:
        """Perform the action; the text of `element` of its answer. Raises Ec2ActionError."""
        status, _, body = self._ministack.ec2.ACTION_MAP[action](request)
        xml = body.decode() if isinstance(body, bytes) else str(body)
        if status >= 300:
            found = re.search("<Message>(.*?)</Message>", xml, re.DOTALL)
            raise Ec2ActionError(found[1] if found else xml)
        if not element:
            return ""
        tree = ElementTree.fromstring(re.sub(r' xmlns="[^"]*"', "", xml))  # noqa: S314 - MiniStack's own answer
        text = tree.findtext(element)
        if text is None:
            raise Ec2ActionError(f"{action} answered without {element}: {xml}")
        return text

    def tag(self, resource_id: str, properties: Properties, old: Properties | None = None) -> None:
        """Give the resource the Tags of its properties, in place of those that `old` gave it."""
        self._ministack.provisioners.ec2_apply_tags(resource_id, properties, old)


def request_of(properties: Properties, names: Iterable[str]) -> dict[str, list[str]]:
    """Those of the properties that the API calls the same, in its form."""
    return {name: [_text(properties[name])] for name in names if name in properties}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
