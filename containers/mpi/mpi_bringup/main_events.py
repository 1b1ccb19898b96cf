"""What can happen to a main node, and what it may have to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mpi_bringup.report import Report


class State(Enum):
    """Where the main node is."""

    GATHERING = "gathering"
    SHARING = "sharing"
    RUNNING = "running"
    CHECKING = "checking"
    STOPPING = "stopping"
    SAVING = "saving"
    ENDED = "ended"


class Deadline(Enum):
    """What is waited for with a bound."""

    JOIN = "join"
    SHARE = "share"
    ROLL_CALL = "roll call"
    LOST_GRACE = "lost grace"
    RANK_GRACE = "rank grace"
    STOP = "stop"


@dataclass(frozen=True)
class NodeReported:
    """A node that proved to know the job's key says that it is ready."""

    report: Report


@dataclass(frozen=True)
class Stranger:
    """Somebody was turned away."""

    address: str
    why: str


@dataclass(frozen=True)
class ProgramReady:
    """It is fetched, and compiled where it is source."""


@dataclass(frozen=True)
class ProgramFailed:
    """There is nothing to run."""

    exit_code: int
    text: str


@dataclass(frozen=True)
class NodeStored:
    """A node has the program."""

    node: int


@dataclass(frozen=True)
class NodePresent:
    """A node has answered the roll call."""

    node: int


@dataclass(frozen=True)
class NodeLost:
    """A node that was taken on is gone, or cannot go on."""

    node: int
    why: str


@dataclass(frozen=True)
class RankFailed:
    """A rank on a node ended with something else than 0; 128 and the number after a signal."""

    node: int
    rank: int
    exit_code: int


@dataclass(frozen=True)
class LauncherEnded:
    """mpirun, or the job script, ended; 128 and the number after a signal."""

    exit_code: int


@dataclass(frozen=True)
class ResultsSaved:
    """Everything is in the bucket, or there was nothing."""


@dataclass(frozen=True)
class ResultsFailed:
    """Some of it is not."""

    text: str


@dataclass(frozen=True)
class DeadlinePassed:
    """It took too long."""

    deadline: Deadline


@dataclass(frozen=True)
class Signalled:
    """This node is to end."""

    number: int


Event = (
    NodeReported
    | Stranger
    | ProgramReady
    | ProgramFailed
    | NodeStored
    | NodePresent
    | NodeLost
    | RankFailed
    | LauncherEnded
    | ResultsSaved
    | ResultsFailed
    | DeadlinePassed
    | Signalled
)


@dataclass(frozen=True)
class Accept:
    """Take the node on."""

    node: int


@dataclass(frozen=True)
class Refuse:
    """Tell the node why it is not taken, and close."""

    report: Report
    why: str


@dataclass(frozen=True)
class Share:
    """Send the program to every other node."""


@dataclass(frozen=True)
class Launch:
    """Start mpirun on these nodes, by index."""

    reports: tuple[Report, ...]


@dataclass(frozen=True)
class CallRoll:
    """Ask every other node whether it is there."""


@dataclass(frozen=True)
class StopLauncher:
    """End mpirun."""

    is_hard: bool


@dataclass(frozen=True)
class SaveResults:
    """Put what the program left into the bucket."""


@dataclass(frozen=True)
class SetDeadline:
    """Tell when it has passed, however far things are by then."""

    deadline: Deadline
    seconds: float


@dataclass(frozen=True)
class Say:
    """A line for the log."""

    text: str


@dataclass(frozen=True)
class End:
    """Tell every other node this exit code, and end with it."""

    exit_code: int


Action = Accept | Refuse | Share | Launch | CallRoll | StopLauncher | SaveResults | SetDeadline | Say | End
