"""The addresses that containers ask at: for their job role's credentials, and for what ECS knows of them.

They answer while the attempt runs, and are of no use to anybody afterwards.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from local_batch.engine.core import Engine
from local_batch.engine.jobs import Job
from local_batch.host.asgi import Reply
from local_batch.host.attempt_tokens import AttemptTokens
from local_batch.host.container_environment import CREDENTIALS, METADATA
from local_batch.host.seams import MiniStack
from local_batch.host.task_credentials import RoleArnError, issue
from local_batch.host.task_metadata import container_metadata, task_metadata

_NOT_IN_A_SESSION_NAME = re.compile(r"[^\w+=,.@-]")
MAX_SESSION_NAME_CHARACTERS = 64


class JobSource(Protocol):
    """Where the jobs are: the dispatcher."""

    lock: threading.RLock
    engine: Engine


class ContainerEndpoints:
    """Answers paths under OWN_PREFIX that begin with CREDENTIALS or METADATA; loop thread only."""

    def __init__(self, ministack: MiniStack, jobs: JobSource, tokens: AttemptTokens) -> None:
        self._ministack = ministack
        self._jobs = jobs
        self._tokens = tokens

    def answer(self, path: str) -> Reply | None:
        """The answer to GET of `path`, which follows OWN_PREFIX; None for a path that is not of a container."""
        if path.startswith(CREDENTIALS):
            return self._credentials(path.removeprefix(CREDENTIALS))
        if path.startswith(METADATA):
            return self._metadata(path.removeprefix(METADATA))
        return None

    def _credentials(self, token: str) -> Reply:
        """Temporary credentials of the job role."""
        with self._jobs.lock:
            job = self._running(CREDENTIALS, token)
            if job is None:
                return _nobody()
            role_arn = job.container.detail["jobRoleArn"]
            session_name = _NOT_IN_A_SESSION_NAME.sub("-", job.job_id)[:MAX_SESSION_NAME_CHARACTERS]
        try:
            document = issue(self._ministack, role_arn, session_name)
        except RoleArnError as error:
            return _json_reply(500, {"code": "InternalServerError", "message": str(error)})
        return _json_reply(200, document)

    def _metadata(self, path: str) -> Reply:
        token, _, rest = path.partition("/")
        render = {"": container_metadata, "task": task_metadata}.get(rest)
        if render is None:
            return _json_reply(404, {"message": f"/{rest}: metadata is at the address itself and at its /task"})
        with self._jobs.lock:
            job = self._running(METADATA, token)
            return _nobody() if job is None else _json_reply(200, render(job))

    def _running(self, purpose: str, token: str) -> Job | None:
        """The job whose latest attempt the token names and is under way."""
        name = self._tokens.read(purpose, token)
        job = None if name is None else self._jobs.engine.find(name.job_id)
        if name is None or job is None or not job.status.is_placed or job.attempt.number != name.attempt:
            return None
        return job


def _nobody() -> Reply:
    return _json_reply(404, {"code": "InvalidId", "message": "no running container has this address"})


def _json_reply(status: int, document: Mapping[str, Any]) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()
