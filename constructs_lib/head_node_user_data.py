"""What a head node is told at every boot."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from constructs import IConstruct

from constructs_lib.errors import PropertyError

BOOT: Final = "boot.sh"

_SETTINGS_FILE: Final = "/etc/cloud-hpc/head-node"
_SCRIPTS_FOLDER: Final = "/usr/local/lib/cloud-hpc"

_MAX_BYTES: Final = 16384
"""Before it is encoded. Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html"""

_ROOM_FOR_NAMES: Final = 512
"""What names that are only known at deployment may take."""

_END: Final = "END_OF_FILE"
_BOUNDARY: Final = "==CLOUD-HPC-HEAD-NODE=="

_EVERY_BOOT: Final = "#cloud-config\ncloud_final_modules:\n- [scripts-user, always]\n"
"""cloud-init runs a user's script at the first boot alone, unless told so: changed settings would change nothing.

Source: https://repost.aws/knowledge-center/execute-user-data-ec2
"""


def head_node_user_data(construct: IConstruct, *, scripts: Mapping[str, str], settings: Mapping[str, str]) -> str:
    """A MIME document: the scripts and the settings are written into files, then boot.sh is run.

    Settings are a file of NAME=VALUE for services and shells; values may hold what is only known at deployment.
    """
    boot = scripts[BOOT]
    installed = {name: text for name, text in scripts.items() if name != BOOT}
    script = "\n".join(
        [
            "#!/bin/bash",
            *_file(_SETTINGS_FILE, "".join(f"{name}={value}\n" for name, value in settings.items())),
            *(line for name, text in installed.items() for line in _file(f"{_SCRIPTS_FOLDER}/{name}", text)),
            boot,
        ]
    )
    document = "\n".join(
        [
            "MIME-Version: 1.0",
            f'Content-Type: multipart/mixed; boundary="{_BOUNDARY}"',
            "",
            *_part("text/cloud-config", _EVERY_BOOT),
            *_part("text/x-shellscript", script),
            f"--{_BOUNDARY}--",
            "",
        ]
    )
    _refuse_what_does_not_fit(construct, document)
    return document


def _refuse_what_does_not_fit(construct: IConstruct, document: str) -> None:
    size = len(document.encode())
    if not document.isascii():
        raise PropertyError(
            construct, "scripts", "are ASCII, as their MIME part says, got other characters; spell them"
        )
    if size > _MAX_BYTES - _ROOM_FOR_NAMES:
        problem = (
            f"with the settings have at most {_MAX_BYTES - _ROOM_FOR_NAMES} bytes "
            "(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html), "
            f"got {size}; move what need not be there at boot into the bundle"
        )
        raise PropertyError(construct, "scripts", problem)


def _file(path: str, text: str) -> Iterator[str]:
    folder = path.rpartition("/")[0]
    yield f"mkdir -p {shlex.quote(folder)}"
    yield f"cat > {shlex.quote(path)} <<'{_END}'"
    yield f"{text}{_END}"


def _part(content_type: str, text: str) -> Iterator[str]:
    yield f"--{_BOUNDARY}"
    yield f'Content-Type: {content_type}; charset="us-ascii"'
    yield "MIME-Version: 1.0"
    yield ""
    yield text
