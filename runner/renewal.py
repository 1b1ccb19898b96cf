"""Calls that outlive credentials: when these expire somebody is told, and the calls go on once they are renewed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from runner.aws_clients import BatchClient
from runner.submit_call import SubmitCall

RENEWAL_SECONDS = 5.0
"""Between two attempts while credentials have expired."""


class RenewableClients(Protocol):
    """Clients for Batch that can be made anew."""

    @property
    def batch(self) -> BatchClient:
        """For everything but SubmitJob."""

    def renew(self) -> None:
        """Read the credentials anew."""


class PatientBatch:
    """Batch for who only asks: a call that was refused for its credentials is made again until it is not."""

    def __init__(self, clients: RenewableClients, say: Callable[[str], None], sleep: Callable[[float], None]) -> None:
        self._clients = clients
        self._say = say
        self._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        """The call of that name."""

        def call(**request: Any) -> Any:
            is_told = False
            while True:
                try:
                    answer = getattr(self._clients.batch, name)(**request)
                except (ClientError, BotoCoreError) as error:
                    if not SubmitCall.is_about_credentials(error):
                        raise
                    if not is_told:
                        self._say(f"{expired(str(error))} (Ctrl-C leaves, the jobs run on)")
                    is_told = True
                    self._sleep(RENEWAL_SECONDS)
                    self._clients.renew()
                else:
                    if is_told:
                        self._say("credentials: renewed")
                    return answer

        return call


def expired(reason: str) -> str:
    """What a person is told."""
    return (
        f"credentials: AWS takes those given no more, got: {reason}; log in again, for instance with: aws sso login; "
        "it goes on by itself then"
    )
