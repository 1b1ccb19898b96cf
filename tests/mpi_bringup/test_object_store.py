"""Objects over real HTTP: tried again where that may help, signed as botocore signs, with the role's credentials."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest
from botocore.config import Config
from mpi_bringup.object_store import MAX_PUT_BYTES, ObjectError, ObjectPlace, ObjectStore

from tests.mpi_bringup.object_server import ObjectServer

PLACE = ObjectPlace("bucket", "programs/a b/ü~+%.tar.gz")
PATH = "/bucket/programs/a%20b/%C3%BC~%2B%25.tar.gz"


def test_an_object_comes_as_it_is(server: ObjectServer) -> None:
    """Under a name that needs quoting."""
    server.objects[PATH] = b"content"
    assert ObjectStore(server.environment).get(PLACE) == b"content"


def test_an_object_is_put_as_it_is(server: ObjectServer, tmp_path: Path) -> None:
    """An empty one, too."""
    file = tmp_path / "file"
    for content in (b"content" * 100_000, b""):
        file.write_bytes(content)
        ObjectStore(server.environment).put(PLACE, file)
        assert server.objects[PATH] == content


@pytest.mark.parametrize("failure", [0, 408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server: ObjectServer, tmp_path: Path, failure: int) -> None:
    """Twice; a file is sent from its beginning each time."""
    server.objects[PATH] = b"content"
    server.failures = [failure, failure]
    assert ObjectStore(server.environment).get(PLACE) == b"content"
    assert len(server.requests) == 3
    (tmp_path / "file").write_bytes(b"other")
    server.failures = [failure, failure]
    ObjectStore(server.environment).put(PLACE, tmp_path / "file")
    assert server.objects[PATH] == b"other"


def test_what_does_not_pass_is_reported(server: ObjectServer) -> None:
    """With the last answer."""
    server.failures = [503] * 9
    with pytest.raises(ObjectError, match=r"s3://bucket/.*: GET is answered with 200 .*, got HTTP 503: <Error> <Code>"):
        ObjectStore(server.environment).get(PLACE)
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 400, 403, 404])
def test_what_would_be_answered_alike_is_not_tried_again(server: ObjectServer, status: int) -> None:
    """A wrong name, or a role without the right."""
    server.failures = [status]
    with pytest.raises(ObjectError, match=f"got HTTP {status}"):
        ObjectStore(server.environment).get(PLACE)
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_reported(server: ObjectServer) -> None:
    """As the system says it."""
    environment = {**server.environment, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    with pytest.raises(ObjectError, match="got ConnectionRefusedError"):
        ObjectStore(environment).get(PLACE)


def test_a_file_that_is_too_large_for_one_request_is_refused(server: ObjectServer, tmp_path: Path) -> None:
    """Before anything is sent."""
    with (tmp_path / "file").open("wb") as written:
        written.truncate(MAX_PUT_BYTES + 1)
    with pytest.raises(ObjectError, match=f"has up to 5 GiB, got {MAX_PUT_BYTES + 1} bytes; split"):
        ObjectStore(server.environment).put(PLACE, tmp_path / "file")
    assert server.requests == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_the_signature_is_the_one_of_botocore_itself(server: ObjectServer, tmp_path: Path, method: str) -> None:
    """Which signs the request that came once more, with its date, and gets the same."""
    from botocore.auth import S3SigV4Auth  # noqa: PLC0415 - beside what it checks
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415

    store = ObjectStore(server.environment)
    file = tmp_path / "file"
    file.write_bytes(b"content")
    server.objects[PATH] = b"content"
    if method == "PUT":
        store.put(PLACE, file)
    else:
        store.get(PLACE)
    (came,) = server.requests
    headers = {name.lower(): value for name, value in came.headers.items()}
    client = botocore.session.Session().create_client(
        "s3",
        region_name="eu-central-1",
        endpoint_url=server.url,
        aws_access_key_id="AKTEST",
        aws_secret_access_key="secret of the test",
        aws_session_token="token of the test",
        config=Config(s3={"addressing_style": "path"}),
    )
    credentials = client._request_signer._credentials
    signer = S3SigV4Auth(credentials, "s3", "eu-central-1")
    request = AWSRequest(method=method, url=f"{server.url}{came.target}")
    request.headers["X-Amz-Date"] = headers["x-amz-date"]
    request.headers["X-Amz-Content-SHA256"] = headers["x-amz-content-sha256"]
    request.headers["X-Amz-Security-Token"] = headers["x-amz-security-token"]
    request.context["timestamp"] = headers["x-amz-date"]
    again = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert headers["authorization"].endswith(f"Signature={again}")
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKTEST/")
    if method == "GET":
        client.get_object(Bucket=PLACE.bucket, Key=PLACE.key)
        assert server.requests[-1].target.partition("?")[0] == came.target


@pytest.mark.parametrize("variable", ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
def test_credentials_come_from_the_containers_address(server: ObjectServer, variable: str) -> None:
    """With its token, and once for all objects."""
    server.credentials = {"AccessKeyId": "AKROLE", "SecretAccessKey": "s", "Token": "t"}
    server.objects[PATH] = b"content"
    environment = {
        "AWS_ENDPOINT_URL": server.url,
        variable: f"{server.url}/credentials/v1?id=7",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "token",
    }
    store = ObjectStore(environment)
    store.get(PLACE)
    store.get(PLACE)
    asked, *got = server.requests
    assert asked.target == "/credentials/v1?id=7"
    assert asked.headers["Authorization"] == "token"
    assert len(got) == 2
    assert all("Credential=AKROLE/" in request.headers["Authorization"] for request in got)
    assert "/us-east-1/s3/aws4_request" in got[0].headers["Authorization"]


def test_without_a_role_the_message_says_so(server: ObjectServer) -> None:
    """Nothing is sent unsigned."""
    with pytest.raises(ObjectError, match="credentials: a job role gives them, got a container without one"):
        ObjectStore({"AWS_ENDPOINT_URL": server.url}).get(PLACE)


@pytest.mark.parametrize("content", [{"Message": "denied"}, {}])
def test_credentials_that_are_none_are_reported(server: ObjectServer, content: dict[str, str]) -> None:
    """As an error of the credentials, not a traceback."""
    server.credentials = content
    environment = {"AWS_ENDPOINT_URL": server.url, "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/credentials"}
    with pytest.raises(ObjectError, match="credentials: the container's address answers with a key, got"):
        ObjectStore(environment).get(PLACE)


def test_places_of_aws_itself() -> None:
    """By the bucket's own name, or by path where that would not fit the certificate."""
    store = ObjectStore({"AWS_DEFAULT_REGION": "eu-north-1"})
    assert store._url(ObjectPlace("code", "a/b c")) == "https://code.s3.eu-north-1.amazonaws.com/a/b%20c"
    assert store._url(ObjectPlace("co.de", "a")) == "https://s3.eu-north-1.amazonaws.com/co.de/a"


@pytest.mark.parametrize("text", ["", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "http://bucket/key"])
def test_what_names_no_object_is_refused(text: str) -> None:
    """With the form it must have."""
    with pytest.raises(ValueError, match="is s3://BUCKET/KEY, got"):
        ObjectPlace.of(text)
