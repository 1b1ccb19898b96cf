"""WfFormat's documents as far as they are read; keys that are not named here may hold anything.

The format is specified at https://github.com/wfcommons/WfFormat. Its JSON schema is not part of this program: these
models say the same of what an import needs. Version 1.6 adds optional keys to 1.5; 1.4 has tasks in one list.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

OLD_VERSIONS: Final = ("1.4",)
NEW_VERSIONS: Final = ("1.5", "1.6")
VERSIONS: Final = (*OLD_VERSIONS, *NEW_VERSIONS)

_MOST_BYTES: Final = 2**63 - 1
"""Of a file, in a 64-bit integer: Python does not even print integers of more than 4,300 digits."""

Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[float, Field(ge=0)]
Bytes = Annotated[int, Field(ge=0, le=_MOST_BYTES)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class Head(_Part):
    """What every version begins with."""

    name: Text
    schemaVersion: str  # noqa: N815 - WfFormat's names, here and below


class OldFile(_Part):
    """A file of a task of 1.4."""

    name: Text
    sizeInBytes: Bytes  # noqa: N815
    link: Literal["input", "output"]
    path: str = ""


class OldTask(_Part):
    """A task of 1.4, with all that is known of it."""

    name: Text
    id: Text | None = None
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    files: tuple[OldFile, ...] = ()
    runtimeInSeconds: Seconds | None = None  # noqa: N815


class OldWorkflow(_Part):
    """The workflow of 1.4."""

    tasks: Annotated[tuple[OldTask, ...], Field(min_length=1)]


class OldDocument(Head):
    """A whole file of 1.4."""

    workflow: OldWorkflow


class FileSize(_Part):
    """A file of 1.5."""

    id: Text
    sizeInBytes: Bytes  # noqa: N815


class SpecifiedTask(_Part):
    """A task of 1.5 and who waits for whom."""

    name: Text
    id: Text
    parents: tuple[str, ...]
    children: tuple[str, ...]
    inputFiles: tuple[Text, ...] = ()  # noqa: N815
    outputFiles: tuple[Text, ...] = ()  # noqa: N815


class Specification(_Part):
    """What the workflow is."""

    tasks: Annotated[tuple[SpecifiedTask, ...], Field(min_length=1)]
    files: tuple[FileSize, ...] = ()


class ExecutedEntry(_Part):
    """What became of a task."""

    id: Text
    runtimeInSeconds: Seconds  # noqa: N815


class Execution(_Part):
    """What became of the workflow."""

    tasks: Annotated[tuple[ExecutedEntry, ...], Field(min_length=1)]


class NewWorkflow(_Part):
    """The workflow of 1.5."""

    specification: Specification
    execution: Execution | None = None


class NewDocument(Head):
    """A whole file of 1.5 or 1.6."""

    workflow: NewWorkflow
