"""The server of a local cloud: one process, one event loop, one port on the loopback interface."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from local_batch.dispatcher import Dispatcher
from local_batch.engine.capacity import HostCapacity
from local_batch.engine.core import Engine
from local_batch.host.account import ACCOUNT_ID, REGION
from local_batch.host.asgi import Reply
from local_batch.host.job_executor import PROCESS, job_executor
from local_batch.host.mpi_choice import MPICH
from local_batch.host.state_directory import LOOPBACK, Endpoint, StateDirectory
from local_batch.journal import Journal


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What `python -m local_batch serve` was told."""

    state: Path
    port: int = 0
    """0: the port of the last start where it is free, else any."""

    images: tuple[Path, ...]
    vcpus: float | None = None
    """None: this machine's CPUs."""

    memory_mib: int | None = None
    """None: this machine's physical memory."""

    gpus: int | None = None
    """None: this machine's NVIDIA devices."""

    executor: str = PROCESS
    base_image: str | None = None
    """Of containers, in place of what their Dockerfiles begin with."""

    mpi: str | None = None
    """Of processes; None: MPICH."""

    enforce_iam: bool = False
    """Whether policies decide on every request; else all keys may do everything."""


def serve(options: ServerOptions) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises StateDirectoryError, JournalError, SeamError, EngineError or MpiChoiceError where it cannot start.
    """
    directory = StateDirectory(options.state)
    lock = directory.hold()
    listener = directory.listen(options.port)
    port: int = listener.getsockname()[1]
    try:
        server = _Server(options, directory, f"http://{LOOPBACK}:{port}", port)
        server.run(listener)
    finally:
        listener.close()
        directory.remove_endpoint()
        os.close(lock)


class _Server:
    """Everything of one server, put together."""

    def __init__(self, options: ServerOptions, directory: StateDirectory, endpoint: str, port: int) -> None:
        # MiniStack reads its environment when it is imported, so what imports it is imported after that.
        from local_batch.host import seams  # noqa: PLC0415

        seams.prepare_environment(directory.ministack, port, enforce_iam=options.enforce_iam)
        ministack = seams.MiniStack()

        from local_batch.api.job_events import job_event, queue_blocked_event  # noqa: PLC0415
        from local_batch.api.service import BatchApi  # noqa: PLC0415
        from local_batch.host import (  # noqa: PLC0415
            alarm_resources,
            batch_resources,
            build_service,
            ecr_images,
            instance_type_catalogue,
            instance_types,
            log_permissions,
            log_targets,
            public_parameters,
            request_authorization,
            stack_exports,
            stack_resources,
        )
        from local_batch.host.attempt_permissions import AttemptPermissions  # noqa: PLC0415
        from local_batch.host.attempt_tokens import AttemptTokens  # noqa: PLC0415
        from local_batch.host.container_endpoints import ContainerEndpoints  # noqa: PLC0415
        from local_batch.host.container_environment import ContainerEnvironment  # noqa: PLC0415
        from local_batch.host.gateway import Gateway  # noqa: PLC0415
        from local_batch.host.log_archive import LogArchive  # noqa: PLC0415
        from local_batch.host.publications import Publications  # noqa: PLC0415
        from local_batch.host.role_permissions import RolePermissions  # noqa: PLC0415
        from local_batch.host.secret_values import SecretValues  # noqa: PLC0415
        from local_batch.host.state_saver import StateSaver  # noqa: PLC0415

        self._options = options
        self._directory = directory
        self._endpoint = endpoint
        self._logs = LogArchive(ministack, directory.ministack / "log-events.jsonl")
        self._logs.install()
        self._saver = StateSaver(ministack, directory.ministack, self._logs)
        self._saver.load()
        self._publications = Publications(ministack, self._saver, job_event, queue_blocked_event)
        tokens = AttemptTokens(directory.secret())
        self._capacity = host_capacity(options)
        self._dispatcher = Dispatcher(
            engine=Engine(host=self._capacity),
            journal=Journal(directory.journal),
            publisher=self._publications,
            platform=ContainerEnvironment(ministack, endpoint, tokens, directory.file_systems),
            clock=epoch_ms,
        )
        self._containers = ContainerEndpoints(ministack, self._dispatcher, tokens)
        authorization = request_authorization.RequestAuthorization(ministack, self._tags_of)
        self._api = api = BatchApi(
            dispatcher=self._dispatcher,
            account_id=ACCOUNT_ID,
            region=REGION,
            instance_sizes=instance_types.instance_sizes,
            new_id=lambda: str(uuid.uuid4()),
            authorize=authorization.check if options.enforce_iam else None,
        )
        self._executor = job_executor(
            options.executor,
            directory,
            self._dispatcher,
            images=options.images,
            base_image=options.base_image,
            mpi=options.mpi,
        )
        self._secrets = SecretValues(ministack)
        self._permissions = (
            AttemptPermissions(self._dispatcher, RolePermissions(ministack)) if options.enforce_iam else None
        )
        self._gateway = Gateway(
            batch=api,
            pin=authorization.pin if options.enforce_iam else None,
            ministack=ministack.app.app,
            backlog=self._publications,
            saver=self._saver,
            own=self._own,
            account_id=ACCOUNT_ID,
            region=REGION,
            on_startup=self._start,
            on_shutdown=self._stop,
        )
        seams.quieten(ministack)
        if options.enforce_iam:
            request_authorization.install(ministack)
            log_permissions.install(ministack)
        ministack.app.SERVICE_HANDLERS["batch"] = self._gateway.batch_request
        batch_resources.install(ministack, api)
        stack_resources.install(ministack)
        stack_exports.install(ministack)
        public_parameters.install(ministack)
        instance_type_catalogue.install(ministack)
        ecr_images.install(ministack)
        log_targets.install(ministack)
        alarm_resources.install(ministack)
        build_service.install(ministack)

    def run(self, listener: socket.socket) -> None:
        """Answer on the listening socket until a signal asks to stop."""
        from local_batch.host.http_server import serve_until_signalled  # noqa: PLC0415

        serve_until_signalled(self._gateway, listener)

    def _start(self) -> None:
        from local_batch.host.provisioned_executor import ProvisionedExecutor  # noqa: PLC0415

        self._publications.start()
        self._dispatcher.attach(ProvisionedExecutor(self._executor, self._dispatcher, self._secrets, self._permissions))
        self._directory.write_endpoint(
            Endpoint(
                endpoint=self._endpoint,
                pid=os.getpid(),
                region=REGION,
                account=ACCOUNT_ID,
                started_at=datetime.now(UTC).isoformat(timespec="seconds"),
                executor=self._options.executor,
                vcpus=self._capacity.vcpus,
                memory_mib=self._capacity.memory_mib,
                gpus=self._capacity.gpus,
                images=tuple(str(root.absolute()) for root in self._options.images),
                base_image=self._options.base_image,
                enforce_iam=self._options.enforce_iam,
                mpi=(self._options.mpi or MPICH) if self._options.executor == PROCESS else None,
            )
        )

    def _stop(self) -> None:
        self._directory.remove_endpoint()
        self._dispatcher.close()
        self._publications.stop()
        self._saver.save_all()
        self._logs.close()

    def _tags_of(self, arn: str) -> dict[str, str]:
        """Of a Batch resource; none for what there is not."""
        from local_batch.api.errors import ApiError  # noqa: PLC0415

        try:
            tags: dict[str, str] = self._api.call("ListTagsForResource", {"resourceArn": arn})["tags"]
        except ApiError:
            return {}
        return tags

    async def _own(self, method: str, path: str) -> Reply:
        """Paths under /_local_batch/."""
        if method == "GET" and path == "health":
            return 200, {"Content-Type": "application/json"}, b'{"status":"ok"}'
        reply = self._containers.answer(path) if method == "GET" else None
        return reply or (404, {"Content-Type": "application/json"}, b'{"message":"no such path of the local cloud"}')


def host_capacity(options: ServerOptions) -> HostCapacity:
    """What jobs may use of this machine, as told, else all of it."""
    vcpus = options.vcpus if options.vcpus is not None else float(os.cpu_count() or 1)
    memory_mib = options.memory_mib
    if memory_mib is None:
        memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    gpus = options.gpus if options.gpus is not None else len(list(Path("/dev").glob("nvidia[0-9]*")))
    return HostCapacity(vcpus=vcpus, memory_mib=memory_mib, gpus=gpus)


def epoch_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
