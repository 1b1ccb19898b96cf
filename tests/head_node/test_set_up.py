"""head_node/set_up.sh and boot.sh as processes: below a folder of their own, with commands of Amazon Linux played."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest

from runner.head_node import pack_checkout

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPTS = CHECKOUT / "head_node"

PLAYED = """#!/bin/sh
echo "$(basename "$0") $*" >> "$TRIAL/called"
[ ! -e "$TRIAL/fail-$(basename "$0")" ] || exit 1
"""
"""A command that says how it was called, and fails where it is told to."""

AWS = (
    PLAYED
    + """for last; do :; done
cp "$TRIAL/bucket.tar.gz" "$last"
"""
)

PYTHON = f"""#!/bin/sh
echo "$(basename "$0") $*" >> "$TRIAL/called"
[ "$1 $2" = "-m venv" ] || exit 64
{sys.executable} -m venv --without-pip "$3"
site=$("$3/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir "$site/pip"
touch "$site/pip/__init__.py"
cp "$TRIAL/pip.py" "$site/pip/__main__.py"
echo '{next(path for path in sys.path if path.endswith("site-packages"))}' > "$site/packages.pth"
"""
"""A real environment, in which pip does nothing and the packages of this one are found."""


PIP = """import os, sys
with open(os.environ["TRIAL"] + "/called", "a") as file:
    print("pip", *sys.argv[1:], file=file)
"""


class Trial:
    """A head node in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        commands = folder / "commands"
        commands.mkdir()
        for name in ("rpm", "dnf", "ldconfig", "mount", "mountpoint", "systemctl"):
            self._command(name, PLAYED)
        self._command("aws", AWS)
        self._command("python3.11", PYTHON)
        (folder / "pip.py").write_text(PIP)
        self.fail("rpm")
        self.fail("mountpoint")
        self.environment = {
            "ROOT": str(self.root),
            "TRIAL": str(folder),
            "PATH": f"{commands}{os.pathsep}{os.defpath}",
            "HOME": str(folder),
            "HPC_DEPLOYMENT": "Trial",
            "AWS_REGION": "eu-central-1",
            "BUNDLE_URL": "s3://bucket/builds/head-node/cloud-hpc.tar.gz",
            "FILE_SYSTEM_ID": "fs-1",
            "ACCESS_POINT_ID": "fsap-2",
        }

    def _command(self, name: str, text: str) -> None:
        path = self.folder / "commands" / name
        path.write_text(text)
        path.chmod(0o755)

    def fail(self, name: str, *, fails: bool = True) -> None:
        """Whether that command fails from now on."""
        if fails:
            (self.folder / f"fail-{name}").touch()
        else:
            (self.folder / f"fail-{name}").unlink()

    def send(self, content: bytes) -> None:
        """Put a bundle into the bucket."""
        (self.folder / "bucket.tar.gz").write_bytes(content)

    def run(self, script: str, *arguments: str, code: int = 0, **changed: str) -> str:
        """The script, which must end with this exit code; what it said on stderr."""
        done = subprocess.run(
            ["bash", str(SCRIPTS / script), *arguments],
            env=self.environment | changed,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        return done.stderr

    def calls(self, *names: str) -> list[str]:
        """How these commands have been called since they were last asked for."""
        file = self.folder / "called"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line for line in lines if line.split()[0] in names]


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """With nothing installed, nothing mounted and no bundle sent."""
    return Trial(tmp_path)


@pytest.fixture(scope="module")
def bundle() -> bytes:
    """What hpc head-node setup sends from this checkout."""
    return pack_checkout(CHECKOUT).content.read()


def small(folder: Path, **files: str) -> bytes:
    """A bundle of a few files, a double underscore standing for the slash in their paths."""
    with tarfile.open(folder / "small.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            path = folder / name
            path.write_text(text)
            archive.add(path, name.replace("__", "/"))
    return (folder / "small.tar.gz").read_bytes()


def test_packages_are_installed_where_one_is_missing(trial: Trial) -> None:
    """Compilers, Open MPI, Python; what mounts the file system only where there is one."""
    trial.run("set_up.sh", "packages")
    (installed,) = trial.calls("dnf")
    assert {"gcc", "gcc-gfortran", "openmpi-devel", "python3.11", "amazon-efs-utils"} <= set(installed.split())
    trial.run("set_up.sh", "packages", FILE_SYSTEM_ID="", ACCESS_POINT_ID="")
    assert "amazon-efs-utils" not in trial.calls("dnf")[0]
    trial.fail("rpm", fails=False)
    trial.run("set_up.sh", "packages")
    assert trial.calls("dnf") == []


def test_compilers_of_mpi_are_where_every_shell_looks(trial: Trial) -> None:
    """Twice is as good as once."""
    trial.run("set_up.sh", "mpi")
    trial.run("set_up.sh", "mpi")
    assert (trial.root / "usr/local/bin/mpicc").readlink() == Path("/usr/lib64/openmpi/bin/mpicc")
    assert (trial.root / "etc/ld.so.conf.d/cloud-hpc-openmpi.conf").read_text() == "/usr/lib64/openmpi/lib\n"
    assert len(trial.calls("ldconfig")) == 2


def test_the_file_system_is_mounted_as_jobs_have_it_and_once(trial: Trial) -> None:
    """Over TLS, by right of the role, through the access point."""
    trial.run("set_up.sh", "shared")
    assert trial.calls("mount") == [f"mount -t efs -o tls,iam,accesspoint=fsap-2 fs-1 {trial.root}/shared"]
    trial.fail("mountpoint", fails=False)
    trial.run("set_up.sh", "shared")
    trial.run("set_up.sh", "shared", FILE_SYSTEM_ID="")
    assert trial.calls("mount") == []


def test_a_step_that_fails_stops_no_other_and_is_told(trial: Trial, bundle: bytes) -> None:
    """The service that runs it comes again in a minute: exit code 1."""
    trial.send(bundle)
    trial.fail("mount")
    trial.fail("dnf")
    assert trial.run("set_up.sh", code=1).endswith("set_up.sh: failed: packages shared; see above\n")
    assert (trial.root / "usr/local/bin/hpc").exists()
    trial.fail("mount", fails=False)
    trial.fail("dnf", fails=False)
    assert trial.run("set_up.sh") == ""


def test_before_anything_was_sent_it_says_what_to_do(trial: Trial) -> None:
    """And makes no half of an environment."""
    trial.fail("aws")
    said = trial.run("set_up.sh", "hpc", code=1)
    url = trial.environment["BUNDLE_URL"]
    assert f"{url}: holds hpc, got none; send it, from a checkout, with: hpc head-node setup" in said
    assert not (trial.root / "usr/local/bin/hpc").exists()


def test_a_boot_without_the_bundle_leaves_what_was_there(trial: Trial, bundle: bytes) -> None:
    """The bucket deletes what was sent long ago; the volume has it still."""
    trial.send(bundle)
    trial.run("set_up.sh", "hpc")
    trial.fail("aws")
    assert "hpc stays as it was" in trial.run("set_up.sh", "hpc")
    assert (trial.root / "opt/cloud-hpc/code/runner/head_node.py").is_file()


def test_the_environment_is_made_anew_for_other_requirements_alone(trial: Trial) -> None:
    """Code that has changed takes the place of the old at the next boot; files that are gone are gone."""
    files = {"head_node__requirements.txt": "a==1\n", "constraints.txt": "a==1\n", "old": "1"}
    trial.send(small(trial.folder, **files))
    trial.run("set_up.sh", "hpc")
    code = trial.root / "opt/cloud-hpc/code"
    requirements = f"--requirement {code}/head_node/requirements.txt --constraint {code}/constraints.txt"
    assert trial.calls("pip") == [f"pip install --quiet --disable-pip-version-check {requirements}"]
    del files["old"]
    trial.send(small(trial.folder, **files, new="2"))
    trial.run("set_up.sh", "hpc")
    assert trial.calls("pip") == []
    assert ((code / "new").exists(), (code / "old").exists()) == (True, False)
    files["head_node__requirements.txt"] = "a==2\n"
    trial.send(small(trial.folder, **files, wheels__a="wheel"))
    trial.run("set_up.sh", "hpc")
    (made,) = trial.calls("pip")
    assert f"--no-index --find-links {code}/wheels --requirement" in made


@pytest.mark.parametrize("arguments", [("compilers",), ("hpc", "all")])
def test_a_step_of_another_name_is_refused(trial: Trial, arguments: tuple[str, ...]) -> None:
    """Before any is taken."""
    assert "a step is packages, mpi, shared or hpc, got" in trial.run("set_up.sh", *arguments, code=2)
    assert not trial.root.exists()


@pytest.fixture
def cloudformation() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An endpoint that knows no stack, and the stack and region of each request to it."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            (name,) = form["StackName"]
            asked.append((name, self.headers["Authorization"].split("/")[2]))
            text = f"<Error><Code>ValidationError</Code><Message>Stack with id {name} does not exist</Message></Error>"
            body = f"<ErrorResponse>{text}</ErrorResponse>".encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Quietly."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_hpc_knows_its_deployment_and_region_in_any_shell(
    trial: Trial, bundle: bytes, cloudformation: tuple[str, list[tuple[str, str]]]
) -> None:
    """Without a profile, without an option; an option or a variable of the user's goes first."""
    trial.send(bundle)
    trial.run("set_up.sh", "hpc")
    url, asked = cloudformation
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}

    def call(name: str, *arguments: str, **variables: str) -> str:
        done = subprocess.run(
            [str(trial.root / "usr/local/bin" / name), *arguments, "--endpoint-url", url],
            env={"PATH": os.defpath, "HOME": str(trial.folder), "NO_PROXY": "127.0.0.1", **keys, **variables},
            cwd=trial.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        return done.stderr

    assert "got no stack 'Trial-Batch'" in call("hpc", "stat")
    call("awsbstat")
    call("hpc", "stat", "--deployment", "Other", "--region", "us-west-2")
    call("hpc", "queues", HPC_DEPLOYMENT="Mine", AWS_DEFAULT_REGION="eu-north-1")
    assert asked == [
        ("Trial-Batch", "eu-central-1"),
        ("Trial-Batch", "eu-central-1"),
        ("Other-Batch", "us-west-2"),
        ("Mine-Batch", "eu-north-1"),
    ]


def test_what_the_head_node_needs_is_what_is_tested_and_all_that_the_runner_imports() -> None:
    """Each at the version of requirements.txt; nothing of CDK or the local cloud."""
    wanted = set((SCRIPTS / "requirements.txt").read_text().splitlines()[1:])
    assert wanted < set((CHECKOUT / "requirements.txt").read_text().splitlines())
    modules = {"botocore", "boto3", "click", "jinja2", "networkx", "pydantic", "rich", "yaml"}
    code = (
        "import importlib, pkgutil, sys, runner\n"
        "names = [m.name for m in pkgutil.walk_packages(runner.__path__, 'runner.') if m.name != 'runner.__main__']\n"
        "[importlib.import_module(name) for name in names]\n"
        "print(*sorted({getattr(m, '__file__', None) or '' for m in list(sys.modules.values())}), sep='\\n')"
    )
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=100
    )
    paths = [line.partition("/site-packages/")[2] for line in done.stdout.splitlines()]
    loaded = {path.split("/")[0].removesuffix(".py") for path in paths if path}
    assert modules <= loaded
    assert loaded.isdisjoint(
        {"aws_cdk", "jsii", "constructs", "ministack", "cryptography", "numpy", "uvicorn", "mpi4py"}
    )


def test_at_boot_what_stops_the_instance_is_begun_first(trial: Trial) -> None:
    """Its timer, then the set-up, which is not waited for."""
    trial.run("boot.sh")
    assert trial.calls("systemctl") == [
        "systemctl daemon-reload",
        "systemctl enable --now cloud-hpc-idle.timer",
        "systemctl start --no-block cloud-hpc-set-up.service",
    ]
    units = {path.name: path.read_text() for path in (trial.root / "etc/systemd/system").iterdir()}
    assert "ExecStart=/usr/bin/python3 /usr/local/lib/cloud-hpc/idle.py\n" in units["cloud-hpc-idle.service"]
    assert "OnUnitActiveSec=60\n" in units["cloud-hpc-idle.timer"]
    assert "ExecStart=/bin/bash /usr/local/lib/cloud-hpc/set_up.sh\n" in units["cloud-hpc-set-up.service"]
    assert "Restart=on-failure\n" in units["cloud-hpc-set-up.service"]
    for name in ("cloud-hpc-idle.service", "cloud-hpc-set-up.service"):
        assert "EnvironmentFile=/etc/cloud-hpc/head-node\n" in units[name]
