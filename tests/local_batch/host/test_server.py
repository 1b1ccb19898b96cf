"""The server: one loopback port, a clean start and stop, and what it refuses."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from local_batch import control
from local_batch.host.state_directory import Endpoint, StateDirectory
from tests.local_batch.host.conftest import client_for


def request(
    endpoint: Endpoint, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[int, bytes]:
    """One raw request: status and body."""
    connection = http.client.HTTPConnection(urlsplit(endpoint.endpoint).netloc, timeout=30)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    content = answer.status, answer.read()
    connection.close()
    return content


def signed(region: str, access_key: str = "local") -> dict[str, str]:
    """Headers as of a signed Batch request; a local cloud checks no signature."""
    scope = f"Credential={access_key}/20260101/{region}/batch/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}


def listening_addresses(pid: int) -> set[tuple[str, str]]:
    """Every TCP and UDP address that the process has bound: (table, hexadecimal address:port)."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    bound = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[9] in sockets and (fields[3] == "0A" or table.startswith("udp")):
                bound.add((table, fields[1]))
    return bound


def test_health(local_cloud: Endpoint) -> None:
    """What start-up waits for."""
    assert request(local_cloud, "GET", "/_local_batch/health") == (200, b'{"status":"ok"}')


def test_unknown_own_path_is_not_found(local_cloud: Endpoint) -> None:
    """It does not fall through to S3, where it would be a bucket."""
    assert request(local_cloud, "GET", "/_local_batch/other")[0] == 404


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs Linux's /proc")
def test_only_the_loopback_interface_is_bound(local_cloud: Endpoint) -> None:
    """One TCP port on 127.0.0.1 and nothing else, also after services were used that could listen."""
    client_for(local_cloud, "iot").list_things()
    client_for(local_cloud, "transfer").list_servers()
    port = urlsplit(local_cloud.endpoint).port
    assert listening_addresses(local_cloud.pid) == {("tcp", f"0100007F:{port:04X}")}


def test_batch_of_another_region_is_refused_by_name(local_cloud: Endpoint) -> None:
    """There is one Batch here, not one for each region: resources must not mix."""
    with pytest.raises(ClientError, match="Batch is in us-east-1, got a request signed for eu-west-1"):
        client_for(local_cloud, "batch", "eu-west-1").describe_job_queues()


def test_batch_of_another_account_is_refused_by_name(local_cloud: Endpoint) -> None:
    """MiniStack takes an access key of twelve digits for an account of its own."""
    status, body = request(local_cloud, "POST", "/v1/describejobqueues", signed("us-east-1", "210987654321"), b"{}")
    assert status == 400
    assert "Batch is in account 123456789012, got one for 210987654321" in json.loads(body)["message"]


@pytest.mark.parametrize("path", ["/v1/submitjob", "/bucket/key", "/_local_batch/health"])
def test_web_pages_are_refused(local_cloud: Endpoint, path: str) -> None:
    """This server runs commands: a page in the user's browser must not be able to submit any."""
    headers = {**signed("us-east-1"), "Origin": "https://example.com"}
    status, body = request(local_cloud, "POST", path, headers, b"{}")
    assert status == 403
    assert "answers no web pages" in json.loads(body)["message"]


def test_foreign_host_name_is_refused(local_cloud: Endpoint) -> None:
    """A page whose name was made to resolve to 127.0.0.1 sends its own name."""
    status, body = request(local_cloud, "POST", "/v1/submitjob", {**signed("us-east-1"), "Host": "evil.example"}, b"{}")
    assert status == 403
    assert "got 'evil.example'" in json.loads(body)["message"]


def test_ministacks_reset_is_refused(local_cloud: Endpoint) -> None:
    """It would empty every service but Batch."""
    status, body = request(local_cloud, "POST", "/_ministack/reset")
    assert status == 403
    assert "delete its state directory" in json.loads(body)["message"]


def test_a_connection_serves_many_requests(local_cloud: Endpoint) -> None:
    """Keep-alive has no limit of requests, and an answer is not held back by Nagle's algorithm."""
    connection = http.client.HTTPConnection(urlsplit(local_cloud.endpoint).netloc, timeout=30)
    began = time.monotonic()
    ports = set()
    for _ in range(1500):
        connection.request("GET", "/_local_batch/health")
        assert connection.getresponse().read() == b'{"status":"ok"}'
        ports.add(connection.sock.getsockname()[1])
    # Held-back answers would take 40 ms each: a minute in all.
    assert time.monotonic() - began < 30
    assert len(ports) == 1
    connection.close()


def test_second_server_on_the_same_state_is_refused(state: Path) -> None:
    """With exit code 2 and the process that has it, not a traceback."""
    running = control.start(state)
    second = subprocess.run(
        [sys.executable, "-m", "local_batch", "serve", "--state", str(state)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert second.stderr.startswith(f"error: --state {state}: one server at a time works on a state directory, got")
    assert str(running.pid) in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_cleanly_with_clients_connected(state: Path, number: signal.Signals) -> None:
    """Exit code 0, no endpoint left, in a moment although a client keeps its connection open."""
    with (state.parent / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "local_batch", "serve", "--state", str(state)], stdout=log, stderr=log
        )
    deadline = time.monotonic() + 60
    while (endpoint := control.status(state)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert endpoint is not None
    with socket.create_connection(("127.0.0.1", urlsplit(endpoint.endpoint).port or 0)) as idle:
        idle.sendall(b"GET /_local_batch/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
        server.send_signal(number)
        assert server.wait(timeout=20) == 0
    assert not (state / "endpoint.json").exists()
    assert "Traceback" not in (state.parent / "log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--port", "70000"], "a port is 0 to 65535, got '70000'"),
        (["--vcpus", "0"], "a finite number above 0, got '0'"),
        # The journal could not be read again.
        (["--vcpus", "inf"], "a finite number above 0, got 'inf'"),
        (["--vcpus", "nan"], "a finite number above 0, got 'nan'"),
        (["--memory-mib", "-1"], "a whole number above 0, got '-1'"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, arguments: list[str], text: str) -> None:
    """Exit code 2 and the rule."""
    refused = subprocess.run(
        [sys.executable, "-m", "local_batch", "serve", "--state", str(tmp_path), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert text in refused.stderr


def test_start_that_fails_shows_the_servers_log(tmp_path: Path) -> None:
    """The reason is in the error, not only in a file."""
    (tmp_path / "journal.jsonl").write_text('["not an event"]\n', encoding="utf-8")
    with pytest.raises(control.LocalCloudError, match=r"ended with exit code 2(.|\n)*journal\.jsonl:1: a line of"):
        control.start(tmp_path)


def test_starting_twice_gives_the_running_one(state: Path) -> None:
    """`hpc local up` is idempotent."""
    assert control.start(state) == control.start(state)


def test_what_a_running_one_is_like_is_told(state: Path, tmp_path: Path) -> None:
    """So that nobody takes it for another."""
    endpoint = control.start(state, images=[tmp_path], vcpus=1.5, memory_mib=512, gpus=3)
    assert (endpoint.executor, endpoint.vcpus, endpoint.memory_mib, endpoint.gpus) == ("process", 1.5, 512, 3)
    assert endpoint.images == (str(tmp_path),)
    assert control.start(state, port=0, images=[], executor=None, vcpus=None) == endpoint
    assert control.start(state, images=[tmp_path], executor="process", vcpus=1.5) == endpoint


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"executor": "container"}, "--executor: .* runs already with process, got container; leave the option out"),
        ({"vcpus": 2.0}, r"--vcpus: .* runs already with 1\.5, got 2\.0; .*hpc local down"),
        ({"memory_mib": 1}, "--memory-mib: .* with 512, got 1;"),
        ({"images": [Path("/elsewhere")]}, "--images: .* got /elsewhere;"),
        ({"port": 1}, "--port: .* got 1;"),
    ],
)
def test_other_settings_than_those_of_the_running_one_are_refused(
    state: Path, settings: control.Settings, text: str
) -> None:
    """It is not as asked for, and stays as it is."""
    endpoint = control.start(state, vcpus=1.5, memory_mib=512)
    with pytest.raises(control.SettingsError, match=text):
        control.start(state, **settings)
    assert control.status(state) == endpoint


def test_a_base_image_is_for_containers(state: Path) -> None:
    """Processes have none, and no server is started that would pass over it."""
    with pytest.raises(control.SettingsError, match="--base-image: goes with --executor container, got 'debian'"):
        control.start(state, base_image="debian")
    assert control.status(state) is None
    refused = subprocess.run(
        [sys.executable, "-m", "local_batch", "serve", "--state", str(state), "--base-image", "debian"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert "argument --base-image: goes with --executor container" in refused.stderr


def test_a_state_directory_is_deleted_once(state: Path) -> None:
    """Also that of a server that was killed."""
    endpoint = control.start(state)
    os.kill(endpoint.pid, signal.SIGKILL)
    os.waitpid(endpoint.pid, 0)
    assert control.delete(state) is True
    assert not state.exists()
    assert control.delete(state) is False


def test_a_state_directory_in_which_things_come_and_go_is_deleted(state: Path) -> None:
    """As what a killed server ran is ended."""
    is_over = threading.Event()

    def come_and_go() -> None:
        directory = state / "jobs" / "roots"
        for _ in range(300):
            with suppress(OSError):
                directory.mkdir(parents=True, exist_ok=True)
                directory.rmdir()
                directory.parent.rmdir()
        is_over.set()

    (state / "jobs").mkdir(parents=True)
    worker = threading.Thread(target=come_and_go)
    worker.start()
    while not is_over.is_set():
        control.delete(state)
    worker.join()
    control.delete(state)
    assert not state.exists()


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file is in its place; asking for it and stopping it find nothing."""
    (tmp_path / "file").touch()
    state = tmp_path / "file" / "local"
    assert control.status(state) is None
    assert control.stop(state) is False
    with pytest.raises(control.StateDirectoryError, match=r"file/local: a directory that is there .*Not a directory"):
        control.start(state)


def test_starting_at_the_same_moment_gives_one_server(state: Path) -> None:
    """Whoever comes second waits for the first one's server rather than failing."""
    with ThreadPoolExecutor(3) as pool:
        endpoints = set(pool.map(lambda _: control.start(state), range(3)))
    assert len(endpoints) == 1


def test_stop_without_a_server_says_so(tmp_path: Path) -> None:
    """Nothing to stop is no error."""
    assert control.stop(tmp_path) is False
    assert control.status(tmp_path) is None


def test_restart_answers_at_the_same_address(state: Path) -> None:
    """What remembers an address finds the local cloud again."""
    first = control.start(state)
    assert control.stop(state) is True
    assert control.start(state).endpoint == first.endpoint


def test_killed_server_is_known_to_be_gone(state: Path) -> None:
    """Its endpoint file is still there, and is not believed."""
    endpoint = control.start(state)
    os.kill(endpoint.pid, signal.SIGKILL)
    os.waitpid(endpoint.pid, 0)
    assert StateDirectory(state).read_endpoint() is None
    assert control.stop(state) is False


def test_clients_environment_points_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile or a session of a real account must not reach a child that is to talk to the local cloud."""
    endpoint = Endpoint(
        endpoint="http://127.0.0.1:9",
        pid=1,
        region="us-east-1",
        account="123456789012",
        started_at="",
        executor="process",
        vcpus=1.0,
        memory_mib=1,
        gpus=0,
        images=(),
        base_image=None,
        mpi="mpich",
    )
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    child = control.client_environment(endpoint)
    assert "AWS_PROFILE" not in child
    assert "AWS_SESSION_TOKEN" not in child
    assert child["AWS_ENDPOINT_URL"] == child["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9"
    assert child["CDK_DEFAULT_ACCOUNT"] == "123456789012"
    assert child["PATH"] == os.environ["PATH"]
