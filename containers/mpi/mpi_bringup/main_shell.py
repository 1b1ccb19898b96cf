"""The main node at work: does what MainNode decides, and tells it what came of it."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mpi_bringup import exits, launching, program
from mpi_bringup.flavour import Flavour, NoMpiError, Site, found_flavour
from mpi_bringup.keys import JobKeys
from mpi_bringup.loop import Loop
from mpi_bringup.main_events import (
    Accept,
    Action,
    CallRoll,
    DeadlinePassed,
    End,
    Event,
    Launch,
    LauncherEnded,
    NodeReported,
    ProgramFailed,
    ProgramReady,
    RankFailed,
    Refuse,
    ResultsFailed,
    ResultsSaved,
    SaveResults,
    Say,
    SetDeadline,
    Share,
    Signalled,
    State,
    StopLauncher,
)
from mpi_bringup.main_node import MainNode
from mpi_bringup.node import Node, NodeError
from mpi_bringup.object_store import ObjectError, ObjectStore
from mpi_bringup.options import Options
from mpi_bringup.outlet import STDERR, STDOUT, Outlet
from mpi_bringup.output import MarkedOutput
from mpi_bringup.peers import Peers
from mpi_bringup.program import ProgramError
from mpi_bringup.rank_ends import RankEnds
from mpi_bringup.report import Report
from mpi_bringup.services import service_of

_LAST_WORDS_SECONDS = 8.0
"""For the log to take what is left: with 10 for mpirun, 2 for its pipes, 3 for the nodes and 5 for what remains of them
within the 30 that Batch gives a container to end."""

_BACKGROUND_SECONDS = 1.0
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class MainShell:
    """One job's main node, from its start to its exit code."""

    def __init__(
        self, *, node: Node, keys: JobKeys, options: Options, environment: Mapping[str, str], directory: Path
    ) -> None:
        """`directory` is this bring-up's own; `environment` is what the program is to have."""
        self._node = node
        self._options = options
        self._environment = dict(environment)
        self._directory = directory
        self._work = directory / "work"
        self._loop = Loop()
        self._outlet = Outlet(self._loop)
        self._store = ObjectStore(environment)
        self._core = MainNode(
            node=node.index,
            num_nodes=node.num_nodes,
            attempt=node.attempt,
            join_seconds=options.join_seconds,
            saves_results=options.results is not None,
        )
        self._exit_code = 0
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._command: list[str] = []
        self._archive: Path | None = None
        self._launcher: launching.Launcher | None = None
        self._service = service_of(node, keys, directory, environment)
        self._peers: Peers | None = None
        self._keys = keys
        self._actions: dict[type, Callable[[Any], None]] = {
            Accept: lambda action: self._others.accept(action.node),
            Refuse: lambda action: self._others.refuse(action.report, action.why),
            Share: lambda _: self._others.share(self._archive),
            Launch: self._launch,
            CallRoll: lambda _: self._others.call_roll(),
            StopLauncher: self._stop_launcher,
            SaveResults: lambda _: self._in_background(self._save),
            SetDeadline: self._set_deadline,
            Say: lambda action: self._outlet.say(action.text),
            End: self._end,
        }

    def run(self) -> int:
        """The exit code of the job. Raises ServiceError, PortsTakenError, NodeError."""
        self._loop.on_signals((signal.SIGTERM, signal.SIGINT), lambda number: self._happened(Signalled(number)))
        self._work.mkdir()
        self._rank_ends = RankEnds(
            self._loop, self._directory, lambda *said: self._happened(RankFailed(self._node.index, *said))
        )
        self._environment = launching.rank_environment(self._environment, self._node, self._directory)
        port = self._service.start(self._loop, self._environment, self._outlet.say)
        self._do(self._core.begin())
        self._in_background(self._prepare)
        if self._node.num_nodes > 1:
            self._peers = Peers(
                self._loop, self._keys, self._node.address, self._happened, num_nodes=self._node.num_nodes
            )
        self._happened(
            NodeReported(
                Report(
                    node=self._node.index,
                    attempt=self._node.attempt,
                    address=self._node.address,
                    cores=self._node.cores,
                    port=port,
                )
            )
        )
        self._loop.run()
        self._is_over.set()
        for thread in self._threads:
            thread.join(_BACKGROUND_SECONDS)
        self._outlet.close(_LAST_WORDS_SECONDS)
        return self._exit_code

    @property
    def _others(self) -> Peers:
        assert self._peers is not None
        return self._peers

    def _happened(self, event: Event) -> None:
        if self._core.state is not State.ENDED:
            self._do(self._core.handle(event))

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            self._actions[type(action)](action)

    def _in_background(self, work: Callable[[], Event]) -> None:
        """What takes long and waits for others, on a thread; its event comes back over the loop."""

        def run() -> None:
            try:
                event = work()
            except BaseException as error:  # noqa: BLE001 - raised again, where it ends the job instead of a thread
                self._loop.call(partial(_raise, error))
            else:
                self._loop.call(partial(self._happened, event))

        thread = threading.Thread(target=run, name="mpi-background", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _prepare(self) -> Event:
        try:
            self._command = program.prepare(
                self._options.wanted, self._work, self._store, self._environment, self._is_over.is_set
            )
            if self._node.num_nodes > 1 and self._options.wanted.bundle is not None:
                self._archive = self._directory / "program.tar"
                program.pack(self._work, self._archive)
        except ProgramError as error:
            return ProgramFailed(error.exit_code, str(error))
        except OSError as error:
            fix = "give the job more disk" if error.errno in _NO_SPACE else "free it and submit the job again"
            return ProgramFailed(exits.NOT_MOVED, f"{error.filename}: {error.strerror}; {fix}")
        return ProgramReady()

    def _launch(self, action: Launch) -> None:
        try:
            self._start(action.reports)
        except (NoMpiError, NodeError) as error:
            self._outlet.say(str(error))
            self._loop.call(partial(self._happened, LauncherEnded(exits.WRONG_INPUT)))
        except OSError as error:
            self._outlet.say(f"the main node cannot start mpirun: {error}")
            self._loop.call(partial(self._happened, LauncherEnded(exits.NODE_LOST)))

    def _start(self, reports: tuple[Report, ...]) -> None:
        flavour = found_flavour(self._environment.get("PATH", os.defpath), os.urandom(8).hex())
        site = launching.site_of(self._node, self._directory, self._service.remote_shell(reports))
        hosts = launching.placement(reports, self._options.ranks_per_node)
        site.host_file.write_text(flavour.host_lines(hosts), encoding="utf-8")
        ranks = sum(number for _, number in hosts)
        environment = {**self._environment, **self._service.variables()}
        self._outlet.say(
            f"{_counted(ranks, 'rank')} on {_counted(len(reports), 'node')}, {flavour.name}: "
            + ", ".join(f"{report.name} ({report.address}, {report.cores} cores)" for report in reports)
        )
        self._launcher = launching.Launcher(
            loop=self._loop,
            outlet=self._outlet,
            command=self._command_line(flavour, site, ranks, environment),
            environment=environment,
            directory=self._work,
            outputs=self._outputs(flavour, reports),
            on_end=self._launcher_ended,
        )

    def _launcher_ended(self, exit_code: int) -> None:
        # What ranks said before they ended comes first.
        self._rank_ends.read()
        self._happened(LauncherEnded(exit_code))

    def _command_line(self, flavour: Flavour, site: Site, ranks: int, environment: dict[str, str]) -> list[str]:
        if not self._options.wanted.is_script:
            return launching.rank_command(flavour, site, ranks, self._command)
        shims = self._directory / "bin"
        launching.write_shims(flavour, site, shims)
        environment["PATH"] = f"{shims}:{environment.get('PATH', os.defpath)}"
        environment[launching.HOST_FILE_VARIABLE] = str(site.host_file)
        return self._command

    def _outputs(self, flavour: Flavour, reports: tuple[Report, ...]) -> dict[int, MarkedOutput]:
        names = launching.node_of_rank(reports, self._options.ranks_per_node)
        label = launching.labels(self._options.label, names)
        return {stream: MarkedOutput(flavour.marks, label) for stream in (STDOUT, STDERR)}

    def _save(self) -> Event:
        assert self._options.results is not None
        try:
            keys = program.save_results(self._work, self._options.results, self._store, self._outlet.say)
        except (ObjectError, OSError) as error:
            return ResultsFailed(str(error))
        if keys:
            self._outlet.say(f"{_counted(len(keys), 'file')} of results in {self._options.results}")
        return ResultsSaved()

    def _stop_launcher(self, action: StopLauncher) -> None:
        if self._launcher is not None:
            self._launcher.stop(is_hard=action.is_hard)

    def _set_deadline(self, action: SetDeadline) -> None:
        self._loop.after(action.seconds, lambda: self._happened(DeadlinePassed(action.deadline)))

    def _end(self, action: End) -> None:
        self._exit_code = action.exit_code
        if self._launcher is not None:
            self._launcher.stop(is_hard=True)
        if self._peers is None:
            self._loop.end()
        else:
            self._peers.say_farewell(action.exit_code, self._loop.end)
        self._service.close()


def _raise(error: BaseException) -> None:
    raise error


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
