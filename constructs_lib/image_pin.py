"""Which image of a repository a job definition names: the one with a tag, or one digest for ever."""

from __future__ import annotations

import re
from typing import Final

from constructs import IConstruct

from constructs_lib.errors import PropertyError

_PIN: Final = re.compile(r"(?P<tag>[0-9a-f]+)@(?P<digest>sha256:[0-9a-f]{64})")


def tag_or_digest(construct: IConstruct, *, image_tag: str, pin: str | None) -> str:
    """The tag where there is no pin, else the pin's digest; PropertyError, naming `construct`, for another content's.

    A pin is `TAG@sha256:…`: the digest of what was built from the folder when its content had that tag. Once the folder
    is edited, the digest would silently run the old program.
    """
    if pin is None:
        return image_tag
    found = _PIN.fullmatch(pin)
    if found is None:
        problem = (
            "a pin is TAG@sha256: and 64 hexadecimal digits, the tag being that of the folder's content "
            f"(https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-image.html), got {pin!r}; "
            "print it with: hpc images digests"
        )
        raise PropertyError(construct, "image_digests", problem)
    if found["tag"] != image_tag:
        problem = (
            f"a pin is of the content that the folder has, whose tag is {image_tag}, got {pin!r}, which would run what "
            "the folder was before it was edited; drop the pin, deploy, push, then pin anew with: hpc images digests"
        )
        raise PropertyError(construct, "image_digests", problem)
    return found["digest"]
