"""Why a container never ran.

ContainerError                  its text, after its own name, is the attempt's reason, as ECS words it
├── CannotPullContainerError    the image is not to be had
├── CannotCreateContainerError  the image cannot be turned into a container here
└── CannotStartContainerError   the program of the container cannot be executed
DockerfileError                 a Dockerfile that cannot be read, or asks for what is not honoured
"""

from __future__ import annotations


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


class DockerfileError(Exception):
    """A Dockerfile that cannot be read; the text begins with its path and line."""
