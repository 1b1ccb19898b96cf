"""Objects of AWS itself: where they are asked for, and over a connection whose other end is checked."""

from __future__ import annotations

import datetime
import importlib.util
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import SplitResult

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.containers.launched import LAUNCHER, Launcher, packed, spilled

DIGEST, CONTENT = packed([["x"], {}])


class _Handler(BaseHTTPRequestHandler):
    """Has one object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Not into the tests' output."""


def certificate(folder: Path) -> Path:
    """Of 127.0.0.1, by itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(*form) + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The server's certificate."""
    return certificate(tmp_path)


@pytest.fixture
def url(bundle: Path) -> Iterator[str]:
    """Of a server that has it."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(bundle)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("is_trusted", [True, False])
def test_only_a_server_with_a_certificate_that_is_trusted_is_talked_to(
    tmp_path: Path, url: str, bundle: Path, is_trusted: bool
) -> None:
    """By AWS_CA_BUNDLE, or by what the image trusts."""
    given = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
    trust = {"AWS_CA_BUNDLE": str(bundle)} if is_trusted else {}
    launched = Launcher(tmp_path).launch({**given, **trust, **spilled((0, DIGEST))})
    if is_trusted:
        assert (launched.err, launched.arguments) == ("", ["x"])
    else:
        assert launched.exit_code == 69
        assert "CERTIFICATE_VERIFY_FAILED" in launched.err


@pytest.mark.parametrize(
    ("bucket", "region", "url"),
    [
        ("code", "eu-north-1", "https://code.s3.eu-north-1.amazonaws.com/a/b%20c"),
        ("co.de", "eu-north-1", "https://s3.eu-north-1.amazonaws.com/co.de/a/b%20c"),
        ("code", "cn-north-1", "https://code.s3.cn-north-1.amazonaws.com.cn/a/b%20c"),
    ],
)
def test_places_of_aws_itself(bucket: str, region: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the bucket's own name, or by path where that would not fit the certificate."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    spec = importlib.util.spec_from_file_location("launcher_of_images", LAUNCHER)
    assert spec
    assert spec.loader
    launcher = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launcher)
    asked: list[tuple[str, str]] = []

    def got(parts: SplitResult, headers: dict[str, str], place: str) -> bytes:
        asked.append((parts.geturl(), headers["host"]))
        return b""

    launcher.got = got  # type: ignore[attr-defined]
    launcher.fetched(bucket, "a/b c", region)
    assert asked == [(url, url.split("/")[2])]
