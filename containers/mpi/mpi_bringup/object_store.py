"""Objects of S3, with the credentials of the job role: nothing but getting and putting one.

boto3 would take half a second to import, which a job that runs for less would notice; signing alone is botocore's.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_TIMEOUT_SECONDS: Final = 60.0
_ATTEMPTS: Final = 3
_FRESH_SECONDS: Final = 240.0
"""A role's credentials end after some hours, and results are put after the program: they are asked for anew."""

_RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
MAX_PUT_BYTES: Final = 5 * 1024**3
"""Of an object that is put in one request: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""

_ECS_HOST: Final = "http://169.254.170.2"


class ObjectError(Exception):
    """An object could not be moved; the text says which, what came of it and what to do."""


@dataclass(frozen=True)
class ObjectPlace:
    """`s3://bucket/key`."""

    bucket: str
    key: str

    @classmethod
    def of(cls, text: str) -> ObjectPlace:
        """Raises ValueError for another text."""
        scheme, _, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket or not key:
            raise ValueError(f"is s3://BUCKET/KEY, got {text!r}")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class ObjectStore:
    """S3 as the variables of a job say: region, endpoint, credentials of its role."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._credentials: Any = None
        self._fresh_until = -1.0

    def get(self, place: ObjectPlace) -> bytes:
        """Its content. Raises ObjectError."""
        return self._request("GET", place, None)

    def put(self, place: ObjectPlace, file: Path) -> None:
        """Make the file's content its own. Raises ObjectError."""
        size = file.stat().st_size
        if size > MAX_PUT_BYTES:
            raise ObjectError(f"{place}: an object of a job's results has up to 5 GiB, got {size} bytes; split {file}")
        self._request("PUT", place, file)

    def _request(self, method: str, place: ObjectPlace, content: Path | None) -> bytes:
        problem = ""
        for _ in range(_ATTEMPTS):
            try:
                status, body = self._once(method, place, content)
            except (OSError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if status == http.client.OK:
                return body
            problem = f"HTTP {status}: {_reason(body)}"
            if status not in _RETRIED:
                break
        raise ObjectError(f"{place}: {method} is answered with 200 (job role of this job), got {problem}")

    def _once(self, method: str, place: ObjectPlace, content: Path | None) -> tuple[int, bytes]:
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415 - only a job with a bundle pays for it
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        url = self._url(place)
        with contextlib.ExitStack() as opened:
            body = opened.enter_context(content.open("rb")) if content is not None else None
            request = AWSRequest(method=method, url=url, data=body)
            S3SigV4Auth(self._signer(), "s3", self._region()).add_auth(request)
            parts = urllib.parse.urlsplit(url)
            connection = opened.enter_context(contextlib.closing(_connection(parts)))
            headers = dict(request.headers.items())
            if content is not None:
                headers["Content-Length"] = str(content.stat().st_size)
            connection.request(method, parts.path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def _region(self) -> str:
        return self._environment.get("AWS_REGION") or self._environment.get("AWS_DEFAULT_REGION") or "us-east-1"

    def _url(self, place: ObjectPlace) -> str:
        key = urllib.parse.quote(place.key, safe="/~")
        endpoint = self._environment.get("AWS_ENDPOINT_URL_S3") or self._environment.get("AWS_ENDPOINT_URL")
        if endpoint:
            return f"{endpoint.rstrip('/')}/{place.bucket}/{key}"
        if "." in place.bucket:  # its name would not fit the certificate
            return f"https://s3.{self._region()}.amazonaws.com/{place.bucket}/{key}"
        return f"https://{place.bucket}.s3.{self._region()}.amazonaws.com/{key}"

    def _signer(self) -> Any:
        from botocore.credentials import Credentials  # noqa: PLC0415

        if time.monotonic() > self._fresh_until:
            found = self._from_environment() or self._from_container()
            self._credentials = Credentials(*found)
            self._fresh_until = time.monotonic() + _FRESH_SECONDS
        return self._credentials

    def _from_environment(self) -> tuple[str, str, str | None] | None:
        """For a bring-up outside Batch."""
        key, secret = self._environment.get("AWS_ACCESS_KEY_ID"), self._environment.get("AWS_SECRET_ACCESS_KEY")
        return (key, secret, self._environment.get("AWS_SESSION_TOKEN")) if key and secret else None

    def _from_container(self) -> tuple[str, str, str | None]:
        """Of the job role, from the address that ECS names.

        https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
        """
        relative = self._environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        url = f"{_ECS_HOST}{relative}" if relative else self._environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if not url:
            raise ObjectError("credentials: a job role gives them, got a container without one; set jobRoleArn")
        parts = urllib.parse.urlsplit(url)
        token = self._environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        with contextlib.closing(_connection(parts)) as connection:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", target, headers={"Authorization": token} if token else {})
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != http.client.OK:
            raise ObjectError(f"credentials: the container's address answers 200, got {answer.status}")
        try:
            found = json.loads(body)
            return found["AccessKeyId"], found["SecretAccessKey"], found.get("Token")
        except (ValueError, KeyError, TypeError) as error:
            text = f"credentials: the container's address answers with a key, got {_reason(body)}; see the job role"
            raise ObjectError(text) from error


def _connection(parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(
            host, parts.port, timeout=_TIMEOUT_SECONDS, context=ssl.create_default_context(cafile=_bundle())
        )
    return http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_SECONDS)


def _bundle() -> str | None:
    return os.environ.get("AWS_CA_BUNDLE") or None


def _reason(body: bytes) -> str:
    return body[:300].decode(errors="replace").replace("\n", " ")
