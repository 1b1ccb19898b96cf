"""Children that lie in a bucket: fetched once, checked before they are used, and reported where they cannot be had."""

from __future__ import annotations

import gzip
import hashlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.containers.launched import Launcher, packed, path_of, spilled
from tests.containers.program import finish, wait_until_catching
from tests.mpi_bringup.object_server import ObjectServer, running_object_server


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    """One of its own."""
    return Launcher(tmp_path)


@pytest.fixture
def server() -> Iterator[ObjectServer]:
    """One of its own."""
    with running_object_server() as running:
        yield running


@pytest.mark.parametrize(("index", "word"), [("0", "a"), ("1", "b"), ("2", "c"), ("11", "l")])
def test_a_child_comes_from_its_block_by_one_request(
    launcher: Launcher, server: ObjectServer, index: str, word: str
) -> None:
    """First and last lines of both blocks, of which only the right one is fetched."""
    blocks = [packed([["a"], {}], [["b"], {"A": "ü"}]), packed(*([[letter], {}] for letter in "cdefghijkl"))]
    server.objects = {path_of(digest): content for digest, content in blocks}
    children = spilled((0, blocks[0][0]), (2, blocks[1][0]))
    launched = launcher.launch({**server.environment, **children, "AWS_BATCH_JOB_ARRAY_INDEX": index}, "of", "Batch")
    assert (launched.exit_code, launched.err, launched.arguments) == (0, "", [word])
    assert launched.environment.get("A") == ("ü" if word == "b" else None)
    assert "HPC_CHILDREN" not in launched.environment
    assert len(server.requests) == 1


def test_the_request_is_signed_as_botocore_signs(launcher: Launcher, server: ObjectServer) -> None:
    """The same signature of the same request, in the region of the variables."""
    digest, content = packed([None, {}])
    server.objects[path_of(digest)] = content
    assert launcher.launch({**server.environment, **spilled((0, digest))}).exit_code == 0
    (came,) = server.requests
    headers = {name.lower(): value for name, value in came.headers.items()}
    signer = S3SigV4Auth(Credentials("AKTEST", "secret of the test", "token of the test"), "s3", "eu-central-1")
    request = AWSRequest(method="GET", url=f"{server.url}{came.target}")
    for name in ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token"):
        request.headers[name] = headers[name]
    request.context["timestamp"] = headers["x-amz-date"]
    again = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert headers["authorization"].endswith(f"Signature={again}")


def test_the_region_is_that_of_the_children_where_no_variable_says(launcher: Launcher, server: ObjectServer) -> None:
    """AWS_REGION, then AWS_DEFAULT_REGION, then "region"."""
    digest, content = packed([None, {}])
    server.objects[path_of(digest)] = content
    given = {name: value for name, value in server.environment.items() if name != "AWS_REGION"}
    launcher.launch({**given, **spilled((0, digest))})
    launcher.launch({**given, **spilled((0, digest)), "AWS_DEFAULT_REGION": "eu-north-1"})
    scopes = [request.headers["authorization"] for request in server.requests]
    assert ["/eu-west-3/s3/" in scopes[0], "/eu-north-1/s3/" in scopes[1]] == [True, True]


@pytest.mark.parametrize("by", ["AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
def test_credentials_are_those_of_the_containers_role(
    launcher: Launcher, server: ObjectServer, tmp_path: Path, by: str
) -> None:
    """With the token, or the one in the file, that the container has for them."""
    server.credentials = {"AccessKeyId": "AKROLE", "SecretAccessKey": "s", "Token": "t"}
    digest, content = packed([["x"], {}])
    server.objects[path_of(digest)] = content
    (tmp_path / "token").write_text("secret\n", encoding="ascii")
    role = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/credentials/v1?id=7",
        by: str(tmp_path / "token") if by.endswith("FILE") else "secret",
    }
    assert launcher.launch({**role, **spilled((0, digest))}).arguments == ["x"]
    asked, fetched = server.requests
    assert (asked.target, asked.headers["Authorization"]) == ("/credentials/v1?id=7", "secret")
    assert "Credential=AKROLE/" in fetched.headers["authorization"]
    assert fetched.headers["x-amz-security-token"] == "t"


@pytest.mark.parametrize("failure", [0, 429, 500, 503])
def test_what_may_pass_is_tried_again(launcher: Launcher, server: ObjectServer, failure: int) -> None:
    """A refusal for the moment, and a connection that is cut."""
    digest, content = packed([["x"], {}])
    server.objects[path_of(digest)] = content
    server.failures = [failure]
    assert launcher.launch({**server.environment, **spilled((0, digest))}).arguments == ["x"]
    assert len(server.requests) == 2


def test_what_does_not_pass_is_given_up(launcher: Launcher, server: ObjectServer) -> None:
    """After five requests, with the last answer."""
    server.failures = [503] * 9
    launched = launcher.launch({**server.environment, **spilled((0, "0" * 64))})
    assert launched.exit_code == 69
    place = f"s3://bucket/children/a b/{'0' * 64}.jsonl.gz"
    assert launched.err == (
        f"launcher: {place}: GET is answered with 200 (job role of this job), got HTTP 503: "
        "<Error> <Code>Told</Code></Error>\n"
    )
    assert len(server.requests) == 5


def test_an_object_that_is_not_there_is_not_asked_for_again(launcher: Launcher, server: ObjectServer) -> None:
    """Exit code 69, S3's own words, one request."""
    launched = launcher.launch({**server.environment, **spilled((0, "0" * 64))})
    assert launched.exit_code == 69
    assert "got HTTP 404: <Error><Code>NoSuchKey</Code></Error>" in launched.err
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("role", "problem"),
    [
        ({}, "no address of any"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "/credentials"}, "KeyError: 'AccessKeyId'"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "/absent"}, "LauncherError: GET of them: GET is answered with 200"),
    ],
)
def test_without_credentials_nothing_is_asked_for(
    launcher: Launcher, server: ObjectServer, role: dict[str, str], problem: str
) -> None:
    """The object cannot be had."""
    given = {name: f"{server.url}{path}" for name, path in role.items()}
    launched = launcher.launch({"AWS_ENDPOINT_URL": server.url, **given, **spilled((0, "0" * 64))})
    assert launched.exit_code == 69
    assert launched.err.startswith(f"launcher: credentials: a job role gives them, got {problem}")
    assert not any("/bucket/" in request.target for request in server.requests)


def test_another_content_than_was_submitted_is_refused(launcher: Launcher, server: ObjectServer) -> None:
    """By its hash, before anything of it is unpacked."""
    right, _ = packed([["right"], {}])
    wrong, content = packed([["wrong"], {}])
    server.objects[path_of(right)] = content
    launched = launcher.launch({**server.environment, **spilled((0, right))})
    assert (launched.exit_code, launched.arguments) == (78, [])
    assert launched.err.endswith(f"{right}.jsonl.gz: has the SHA-256 of its name, got {wrong}; submit the job again\n")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "index", "problem"),
    [
        (gzip.compress(b"[null,{}]\n"), 1, "child 1: is line 2 of its block, got fewer; submit the job again"),
        (gzip.compress(b""), 0, "child 0: is line 1 of its block, got fewer"),
        (gzip.compress(b"[null,\n"), 0, "child 0: is JSON, got b'[null,\\n'"),
        (gzip.compress(b"\xff\n"), 0, "child 0: is JSON, got b'\\xff\\n'"),
        (gzip.compress(b"[null,[]]\n"), 0, "child 0: is [list of words or null, object of strings], got [None, []]"),
        (b"[null,{}]\n", 0, "child 0: is in a gzip of lines, got another object (Not a gzipped file"),
        (gzip.compress(b"[null,{}]\n")[:-13], 0, "child 0: is in a gzip of lines, got another object ("),
        (gzip.compress(bytes(200 << 20), 1), 0, "child 0: a line has up to 1048576 bytes, a block up to 67108864"),
        (
            gzip.compress((b" " * 1_000_000 + b"\n") * 100, 1),
            99,
            "child 99: a line has up to 1048576 bytes, a block up to 67108864 (docs/launcher.md), got more",
        ),
        (bytes((16 << 20) + 1), 0, "has up to 16777216 bytes (docs/launcher.md), got more; split it"),
    ],
    ids=["index", "empty", "no JSON", "no text", "no child", "no gzip", "cut", "bomb", "bomb of lines", "large"],
)
def test_a_block_that_is_none_is_refused(
    launcher: Launcher, server: ObjectServer, content: bytes, index: int, problem: str
) -> None:
    """With exit code 78 and one line."""
    digest = hashlib.sha256(content).hexdigest()
    server.objects[path_of(digest)] = content
    launched = launcher.launch({**server.environment, **spilled((0, digest)), "AWS_BATCH_JOB_ARRAY_INDEX": str(index)})
    assert launched.exit_code == 78
    assert f"{digest}.jsonl.gz: {problem}" in launched.err
    assert launched.err.count("\n") == 1


@pytest.mark.parametrize(
    "blocks", [[[5, "0" * 64]], [[0, "0" * 64], [0, "1" * 64]], [[0.0, "0" * 64]], [[0, "G" * 64]]]
)
def test_blocks_that_do_not_say_where_a_child_is_are_refused(
    launcher: Launcher, server: ObjectServer, blocks: list[object]
) -> None:
    """Before anything is fetched."""
    launched = launcher.launch({**server.environment, **spilled(blocks=blocks)})
    assert launched.exit_code == 78
    assert launched.err.startswith("launcher: HPC_CHILDREN: ")
    assert server.requests == []


def test_sigterm_ends_the_launcher_while_it_fetches(launcher: Launcher, server: ObjectServer) -> None:
    """The first process of a container has no handler but its own."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        given = {**server.environment, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        process = launcher.start(["1", "true"], {**given, **spilled((0, "0" * 64))})
        wait_until_catching(process, signal.SIGTERM)
        with silent.accept()[0]:
            process.send_signal(signal.SIGTERM)
            assert finish(process) == (143, "", "launcher: stopped by SIGTERM\n")
