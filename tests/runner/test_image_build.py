"""Images built in the cloud: what is sent, what is started, how it is followed, and what is said when it fails."""

from __future__ import annotations

import io
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

import deployment_outputs
from image_tags import image_tag
from runner.cdk_app import CHECKOUT
from runner.errors import HpcError, InputError, ServiceError
from runner.image_archive import pack
from runner.image_build import BuildPlace, ImageBuild
from runner.image_push import Image
from tests.runner.fake_aws import FakeClients, FakeCloudFormation, FakeEcr, FakeLogs, FakeS3, outputs
from tests.runner.fake_codebuild import STREAM, FakeCodeBuild
from tests.runner.shell import Shell

BUILDER = CHECKOUT / "containers" / "builder"
PLACE = BuildPlace(project="builder", bucket="bucket", builds_prefix="builds/")
LOG = ["[Container] Running", "images: one: building for linux/amd64", "Step 1", "no space left on device"]


def image(root: Path, name: str = "one") -> Image:
    """An image's folder, with a program in it."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY run /\n")
    (folder / "run").write_text(f"#!/bin/{name}\n")
    (folder / "run").chmod(0o755)
    uri = f"registry/repository/{name}:{image_tag(folder)}"
    return Image(name=name, folder=folder, uri=uri, is_current=True, is_pushed=False)


class Builder:
    """An ImageBuild among fakes."""

    def __init__(self, codebuild: FakeCodeBuild, log: list[str] | None = None) -> None:
        self.codebuild = codebuild
        self.s3 = FakeS3()
        self.said: list[str] = []
        self.slept = 0.0
        self.build = ImageBuild(
            PLACE,
            codebuild=codebuild,
            s3=self.s3,
            logs=FakeLogs({STREAM: LOG if log is None else log}),
            say=self.said.append,
            sleep=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds


def test_an_archive_is_the_same_whenever_and_wherever_it_is_packed(tmp_path: Path) -> None:
    """Not by the files' times, owners or place; another byte is another archive."""
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    here = pack([image(tmp_path / "here")], BUILDER)
    there = image(tmp_path / "there")
    time.sleep(0.01)
    (there.folder / "run").touch()
    (there.folder / "run").chmod(0o700)
    (there.folder / "__pycache__").mkdir()
    (there.folder / "__pycache__" / "x.pyc").write_text("x")
    assert pack([there], BUILDER) == here
    assert here.key("builds/") == f"builds/{here.digest}.zip"
    (there.folder / "run").write_text("#!/bin/other\n")
    assert pack([there], BUILDER).digest != here.digest


def test_an_archive_holds_folders_script_and_what_to_call_the_images(tmp_path: Path) -> None:
    """With executable bits, which are part of what a tag stands for."""
    one, two = image(tmp_path), image(tmp_path, "two")
    with zipfile.ZipFile(io.BytesIO(pack([one, two], BUILDER).content)) as zipped:
        assert zipped.namelist() == ["images.tar"]
        held = io.BytesIO(zipped.read("images.tar"))
    with tarfile.open(fileobj=held) as tar:
        names = tar.getnames()
        assert names == [
            "build_images.sh",
            "images.txt",
            "one/Dockerfile",
            "one/run",
            "two/Dockerfile",
            "two/run",
        ]
        listing = tar.extractfile("images.txt")
        assert listing is not None
        assert listing.read().decode() == f"one {one.uri}\ntwo {two.uri}\n"
        assert (tar.getmember("one/run").mode, tar.getmember("one/Dockerfile").mode) == (0o755, 0o644)


def test_without_the_script_nothing_is_packed(tmp_path: Path) -> None:
    """The file that is missing is named."""
    with pytest.raises(InputError, match=r"build_images\.sh: builds the images in the cloud, got no such file"):
        pack([image(tmp_path)], tmp_path)


def test_a_build_is_sent_started_and_followed(tmp_path: Path) -> None:
    """One object under its hash, one build of it; phases and the script's own lines are told, docker's are not."""
    archive = pack([image(tmp_path)], BUILDER)
    builder = Builder(FakeCodeBuild())
    assert builder.build.run(archive) == "builder:1"
    assert builder.s3.objects == {f"builds/{archive.digest}.zip": archive.content}
    (request,) = builder.codebuild.started
    assert request.pop("idempotencyToken")
    assert request == {
        "projectName": "builder",
        "sourceTypeOverride": "S3",
        "sourceLocationOverride": f"bucket/builds/{archive.digest}.zip",
    }
    assert builder.said == [
        "build builder:1: started; interrupted, it goes on: repeat the command to follow it",
        "build builder:1: QUEUED",
        "build builder:1: BUILD",
        "images: one: building for linux/amd64",
        "build builder:1: COMPLETED",
    ]
    assert builder.slept == 10


def test_the_very_bytes_that_were_sent_are_built(tmp_path: Path) -> None:
    """In a versioned bucket, by their version: what another writes there meanwhile is not."""
    archive = pack([image(tmp_path)], BUILDER)
    assert PLACE.request(archive, "version-7")["sourceVersion"] == "version-7"
    assert "sourceVersion" not in PLACE.request(archive, None)


def test_each_start_has_a_token_of_its_own(tmp_path: Path) -> None:
    """The SDK's retry of a call is one build; a command that is repeated after a failure is another."""
    archive = pack([image(tmp_path)], BUILDER)
    codebuild = FakeCodeBuild()
    for _ in range(2):
        Builder(codebuild).build.run(archive)
    first, second = (request["idempotencyToken"] for request in codebuild.started)
    assert first != second


def test_who_was_interrupted_follows_the_build_that_runs(tmp_path: Path) -> None:
    """Nothing is sent and no second build is started."""
    archive = pack([image(tmp_path)], BUILDER)
    codebuild = FakeCodeBuild(phases=("QUEUED", "BUILD", "FINALIZING", "COMPLETED"))
    codebuild.add(f"bucket/builds/{archive.digest}.zip")
    builder = Builder(codebuild)
    assert builder.build.run(archive) == "builder:1"
    assert (codebuild.started, builder.s3.objects) == ([], {})
    assert builder.said[0] == "build builder:1: builds the same and runs already; it is followed"


def test_another_build_that_runs_is_waited_for_by_the_user(tmp_path: Path) -> None:
    """It is named; the project runs one at a time."""
    codebuild = FakeCodeBuild()
    codebuild.add("bucket/builds/other.zip")
    with pytest.raises(HpcError) as caught:
        Builder(codebuild).build.run(pack([image(tmp_path)], BUILDER))
    assert str(caught.value) == (
        "builder: builds one thing at a time, got build builder:1 that runs; repeat when it has ended"
    )
    assert codebuild.started == []


def test_a_build_that_aws_has_no_room_for_is_told_with_its_words(tmp_path: Path) -> None:
    """As where another was started in the same second, or by the account's quota."""
    codebuild = FakeCodeBuild()
    codebuild.limit = "Cannot have more than 1 builds"
    with pytest.raises(ServiceError, match=r"all that it may run, got: Cannot have more than 1 builds; repeat when"):
        Builder(codebuild).build.run(pack([image(tmp_path)], BUILDER))


@pytest.mark.parametrize("ends", ["FAILED", "FAULT", "TIMED_OUT", "STOPPED"])
def test_a_build_that_fails_is_told_with_phase_reason_and_the_end_of_its_log(tmp_path: Path, ends: str) -> None:
    """And with the command that shows the rest."""
    with pytest.raises(HpcError) as caught:
        Builder(FakeCodeBuild(ends)).build.run(pack([image(tmp_path)], BUILDER))
    assert str(caught.value) == (
        f"build builder:1: ends SUCCEEDED, got {ends} in BUILD (COMMAND_EXECUTION_ERROR: exit status 7); the last "
        "lines of its log:\n"
        "    [Container] Running\n"
        "    images: one: building for linux/amd64\n"
        "    Step 1\n"
        "    no space left on device\n"
        "all of it: aws logs tail builds-log --log-stream-names stream --since 1d"
    )
    assert caught.value.exit_code == 1


def test_a_build_that_ended_before_it_had_a_machine_says_so(tmp_path: Path) -> None:
    """There is no log to show."""
    codebuild = FakeCodeBuild("TIMED_OUT")
    codebuild.has_log = False
    with pytest.raises(HpcError, match=r"it has no log: it ended before it had a machine$"):
        Builder(codebuild).build.run(pack([image(tmp_path)], BUILDER))


def test_a_log_that_stays_empty_is_read_a_few_times(tmp_path: Path) -> None:
    """CloudWatch lags behind a build by seconds, not for ever."""
    builder = Builder(FakeCodeBuild("FAILED"), log=[])
    with pytest.raises(HpcError, match=r"\n    \(nothing\)\n"):
        builder.build.run(pack([image(tmp_path)], BUILDER))
    assert builder.slept == 20


@pytest.mark.parametrize(("unknown", "ends_well"), [(4, True), (5, False)])
def test_a_build_that_is_not_known_yet_is_asked_for_again(tmp_path: Path, unknown: int, *, ends_well: bool) -> None:
    """For a stated number of times."""
    codebuild = FakeCodeBuild()
    codebuild.unknown = unknown
    builder, archive = Builder(codebuild), pack([image(tmp_path)], BUILDER)
    if ends_well:
        assert builder.build.run(archive) == "builder:1"
    else:
        with pytest.raises(ServiceError, match="got none 5 times; repeat the command"):
            builder.build.run(archive)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A user of a deployment on AWS that has a builder and lacks every image, whose folders are in `images`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    (tmp_path / "images").mkdir()
    values = outputs() | {deployment_outputs.IMAGE_BUILD_PROJECT: "builder"}
    uris = {name: image(tmp_path / "images", name).uri for name in deployment_outputs.IMAGE_URIS}
    values |= {key: uris[name] for name, key in deployment_outputs.IMAGE_URIS.items()}
    clients = FakeClients(cloudformation=FakeCloudFormation(values), ecr=FakeEcr({}), is_local=False)

    def pushed() -> None:
        clients.ecr.tags = {f"repository/{name}": {uri.rpartition(":")[2]} for name, uri in uris.items()}

    clients.codebuild.on_end = pushed
    return Shell(clients, tmp_path / ".hpc")


PUSH = ("images", "push", "--in-cloud", "--root", "images")


def test_what_is_missing_is_pushed_in_the_cloud_once(cloud: Shell) -> None:
    """One build for all; the second command finds everything there and starts none."""
    document = cloud.document(*PUSH)
    assert len(document["pushed"]) == len(deployment_outputs.IMAGE_URIS)
    assert document["build"] == "builder:1"
    again = cloud(*PUSH)
    assert (again.stdout, again.stderr) == ("", "every image is there already\n")
    assert len(cloud.clients.codebuild.started) == 1


def test_a_dry_run_shows_the_request_and_sends_nothing(cloud: Shell) -> None:
    """What would be built, from which object, by which call."""
    document = cloud.document(*PUSH, "--dry-run")
    assert document["request"]["sourceLocationOverride"] == document["source"]
    assert (
        "aws codebuild start-build --project-name builder --source-type-override S3" in cloud(*PUSH, "--dry-run").stdout
    )
    assert (cloud.clients.s3.objects, cloud.clients.codebuild.builds) == ({}, {})


def test_a_build_that_fails_is_exit_code_1(cloud: Shell) -> None:
    """Its text is on stderr, and nothing on stdout claims a push."""
    cloud.clients.codebuild.ends = "FAILED"
    failed = cloud(*PUSH, code=1)
    assert failed.stdout == ""
    assert "ends SUCCEEDED, got FAILED in BUILD" in failed.stderr


def test_a_success_without_images_is_a_failure(cloud: Shell) -> None:
    """Whatever CodeBuild, or what stands in for it, says: the repositories are asked."""
    cloud.clients.codebuild.on_end = lambda: None
    failed = cloud(*PUSH, code=1)
    assert "build builder:1: has pushed what it was sent, got none of dopi, " in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "podman"), "--engine: is for builds here, got 'podman' with --in-cloud; leave one of them out"),
        ((), "--in-cloud: needs the image builder of the stacks, got deployment CloudHpc without one; deploy with"),
    ],
)
def test_what_cannot_be_honoured_is_refused(cloud: Shell, arguments: tuple[str, ...], said: str) -> None:
    """With what to do."""
    values = dict(cloud.clients.cloudformation.outputs or {})
    values[deployment_outputs.IMAGE_BUILD_PROJECT] = deployment_outputs.NONE
    cloud.clients.cloudformation = FakeCloudFormation(values)
    assert said in cloud(*PUSH, *arguments, code=2).stderr


def test_a_local_cloud_builds_nothing(cloud: Shell) -> None:
    """Refused by name, before anything is asked."""
    cloud.clients.is_local = True
    assert cloud(*PUSH, "--local", code=2).stderr == (
        "hpc: --in-cloud: a local cloud has no build service and needs no images, for it runs the folders themselves, "
        "got --local; leave one of them out\n"
    )
