"""Why a container never ran.

ContainerError                  its text, after its own name, is the attempt's reason, as ECS words it
├── CannotPullContainerError    the image is not to be had
├── CannotCreateContainerError  the image cannot be turned into a container here
├── CannotStartContainerError   the program of the container cannot be executed
└── DockerTimeoutError          the container engine took too long over it
DockerfileError                 a Dockerfile that cannot be read, or asks for what is not honoured
EngineError                     there is no container engine to work with
"""

from __future__ import annotations

import json


class ContainerError(Exception):
    """A container that never ran."""

    @property
    def reason(self) -> str:
        """The attempt's `container.reason`: retry strategies match on its first word."""
        return f"{type(self).__name__}: {self}"


class CannotPullContainerError(ContainerError):
    """The image is not to be had."""


class CannotCreateContainerError(ContainerError):
    """The image cannot be turned into a container here."""


class CannotStartContainerError(ContainerError):
    """The program of the container cannot be executed."""


class DockerTimeoutError(ContainerError):
    """The container engine took too long over it."""


class DockerfileError(Exception):
    """A Dockerfile that cannot be read; the text begins with its path and line."""


class EngineError(Exception):
    """There is no container engine to work with; the text says what to install or set."""


def quoted(name: str) -> str:
    """A program's name as runc quotes it in its messages, on one line whatever it holds."""
    return json.dumps(name, ensure_ascii=False)
