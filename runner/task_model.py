"""What can be written about a task, validated key by key."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_serializer

from batch_limits import MAX_NODES, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS
from runner.foreach import Axis, NumberRange
from runner.names import MAX_TASK_NAME, MAX_WORKFLOW_NAME, explain_name
from runner.retries import Fallback, Retries

RESERVED_NAMES: Final = frozenset({"run_id", "bucket", "prefix", "task", "job_name", "jobs"})
"""Names of values that every task has; a variable may not hide them."""

MIN_MEMORY_MIB: Final = 4
"""Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html"""

MPI: Final = "mpi"
"""Job definition and queue of the deployment that a task with nodes or a program has where it names none itself."""

Label = Literal["node", "rank", "none"]
"""What stands before each line that ranks print."""

_JOB_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?::[0-9]{1,5})?")
_RESERVED_VARIABLE_PREFIX: Final = "AWS_BATCH"


def _text(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    # A float or a date would reach the program in another spelling than the one in the file.
    message = 'is text, or a whole number; put it in quotes: "…"'
    raise ValueError(message)


def _not_empty(value: str) -> str:
    if value:
        return value
    message = "Batch takes no empty string in a command (API_ContainerOverrides); leave it out, or use sh -c"
    raise ValueError(message)


def _quoted(text: str) -> str:
    try:
        shlex.split(text)
    except ValueError as error:
        message = f"is quoted as in a shell, and this is not ({error}); close the quotation"
        raise ValueError(message) from None
    return text


def _variable_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        message = "a name of a value is a letter or underscore, then letters, digits, underscores; choose such a name"
        raise ValueError(message)
    if name in RESERVED_NAMES:
        message = f"{', '.join(sorted(RESERVED_NAMES))} have their values already; choose another name"
        raise ValueError(message)
    return name


def _environment_name(name: str) -> str:
    if name and "=" not in name and "\0" not in name and not name.startswith(_RESERVED_VARIABLE_PREFIX):
        return name
    message = (
        f"a variable's name is not empty, has no '=' and does not begin with {_RESERVED_VARIABLE_PREFIX}, which is "
        "Batch's own (API_ContainerOverrides); rename it"
    )
    raise ValueError(message)


def _path(text: str) -> str:
    if text:
        return text
    message = "is a path or a program's name; write one, or leave it out"
    raise ValueError(message)


def _job_id(text: str) -> str:
    if _JOB_ID.fullmatch(text):
        return text
    message = "is the id of a job, 36 characters, with :INDEX for one child of an array; copy it from: hpc status"
    raise ValueError(message)


def _axis(value: object) -> object:
    """A list of values, or numbers by their first and last."""
    if isinstance(value, Mapping):
        return NumberRange.read(value)
    if isinstance(value, NumberRange) or not isinstance(value, Sequence) or isinstance(value, str):
        return value
    values = tuple(_text(entry) for entry in value)
    if not values or len(set(values)) < len(values):
        message = "needs values, each once; one task is made for each"
        raise ValueError(message)
    return values


def _axis_kind(value: object) -> Axis:
    if isinstance(value, NumberRange) or (isinstance(value, tuple) and all(isinstance(entry, str) for entry in value)):
        return value
    message = "is a list of values, or a range such as {from: 1, to: 1000}; write one of these"
    raise ValueError(message)


def _name(limit: int) -> AfterValidator:
    def check(name: str) -> str:
        problem = explain_name(name, limit)
        if problem:
            raise ValueError(problem.partition(", got ")[0] + "; choose such a name")
        return name

    return AfterValidator(check)


Text = Annotated[str, BeforeValidator(_text)]
PathText = Annotated[Text, AfterValidator(_path)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
TaskName = Annotated[str, _name(MAX_TASK_NAME)]


class TaskDefaults(BaseModel):
    """What tasks may share. Left out, the job definition's own value holds, but for job definition and queue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_definition: Annotated[str, Field(min_length=1)] | None = None
    """A name of the deployment, or a Batch `name`, `name:revision` or ARN."""
    queue: Annotated[str, Field(min_length=1)] | None = None
    """A name of the deployment, or a Batch queue's name or ARN."""
    command: tuple[Annotated[Text, AfterValidator(_not_empty)], ...] | None = None
    """Arguments to the image's ENTRYPOINT; no shell is added."""
    vcpus: Annotated[float, Field(strict=True, gt=0)] | None = None
    memory_mib: Annotated[int, Field(strict=True, ge=MIN_MEMORY_MIB)] | None = None
    gpus: Annotated[int, Field(strict=True, ge=1)] | None = None
    """On EC2 only; of each node, where there are nodes."""
    environment: dict[Annotated[str, AfterValidator(_environment_name)], Text] = Field(default_factory=dict)
    retries: Retries | None = None
    timeout_seconds: Annotated[int, Field(strict=True, ge=MIN_TIMEOUT_SECONDS, le=MAX_TIMEOUT_SECONDS)] | None = None
    """Of each attempt, from its start."""


class TaskSpec(TaskDefaults):
    """One entry under `tasks`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    needs: tuple[str, ...] = ()
    """Tasks, or groups made by foreach, that must have succeeded before this one starts."""
    foreach: dict[VariableName, Annotated[Any, BeforeValidator(_axis), AfterValidator(_axis_kind)]] = Field(
        default_factory=dict
    )
    """Makes a task for each value, listed or from a range; for several names, one for each combination."""
    after: tuple[Annotated[str, AfterValidator(_job_id)], ...] = ()
    """Ids of jobs outside this workflow that must have succeeded before this one starts."""
    inputs: tuple[PathText, ...] = ()
    """Objects that the task reads and no task of the workflow writes: what they hold is part of what the task is."""
    allow_failure: Annotated[bool, Field(strict=True)] = False
    """The run goes on, and succeeds, though this one fails: what needs it waits for its end only."""
    finally_: Annotated[bool, Field(strict=True, alias="finally")] = False
    """Runs when all others have ended, however they ended."""
    fallback: Fallback | None = None
    """Another queue for when Spot capacity was taken away too often."""
    nodes: Annotated[int, Field(strict=True, ge=1, le=MAX_NODES)] | None = None
    """Makes the task a multi-node parallel job of so many nodes; with a program, 1 where it is left out."""
    program: PathText | None = None
    """An MPI program: a file or directory to ship, or the name of a program of the image; `command` its arguments."""
    files: tuple[PathText, ...] = ()
    """Files and directories that are shipped beside the program."""
    flags: Annotated[Text, AfterValidator(_quoted)] | None = None
    """For the compiler."""
    ranks_per_node: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Left out: as many as a node has cores."""
    on_main: Annotated[bool, Field(strict=True)] = False
    """The program is a job script: it runs once, on the main node, and calls mpirun itself."""
    label: Label | None = None

    @field_serializer("foreach")
    def _foreach(self, foreach: dict[str, Axis]) -> dict[str, Any]:
        return {
            name: axis.document() if isinstance(axis, NumberRange) else list(axis) for name, axis in foreach.items()
        }

    @property
    def is_multinode(self) -> bool:
        """Whether it becomes a multi-node parallel job."""
        return self.nodes is not None or self.program is not None

    def with_defaults(self, defaults: TaskDefaults) -> TaskSpec:
        """This task where it says something, the defaults where it does not; environments are merged by name.

        A multi-node task does not run where container tasks do: job definition and queue are its own, or `mpi`.
        """
        shared: dict[str, Any] = {key: getattr(defaults, key) for key in defaults.model_fields_set}
        if self.is_multinode:
            shared |= {"job_definition": MPI, "queue": MPI}
        own: dict[str, Any] = {key: getattr(self, key) for key in self.model_fields_set}
        environment = {**defaults.environment, **self.environment}
        return TaskSpec.model_construct(**{**shared, **own, "environment": environment})


class TaskKeys(TypedDict, total=False):
    """Keyword arguments of `Workflow.task`, those of the workflow file."""

    job_definition: str
    queue: str
    command: list[str | int] | tuple[str | int, ...]
    vcpus: float
    memory_mib: int
    gpus: int
    environment: dict[str, str | int]
    retries: Retries | dict[str, Any]
    timeout_seconds: int
    needs: list[str] | tuple[str, ...]
    foreach: dict[str, list[str | int] | dict[str, int]]
    after: list[str] | tuple[str, ...]
    inputs: list[str] | tuple[str, ...]
    allow_failure: bool
    finally_: bool
    fallback: Fallback | dict[str, Any]
    nodes: int
    program: str
    files: list[str] | tuple[str, ...]
    flags: str
    ranks_per_node: int
    on_main: bool
    label: Label


class WorkflowDocument(BaseModel):
    """A whole workflow file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, _name(MAX_WORKFLOW_NAME)]
    variables: dict[VariableName, Text] = Field(default_factory=dict)
    """Values of the workflow's own, which `hpc run --set` can change."""
    defaults: TaskDefaults = Field(default_factory=TaskDefaults)
    tasks: Annotated[dict[TaskName, TaskSpec], Field(min_length=1)]
