"""Sessions, deployments and the SDK's errors in our words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.exceptions as sdk
import pytest

from runner import deployment
from runner.aws import connect, explain
from runner.errors import InputError, ServiceError
from runner.target import Target
from tests.runner.fake_aws import FakeCloudFormation, outputs
from tests.runner.fake_batch import arn, client_error


@pytest.fixture
def local_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a local cloud, on a machine whose user has a broken profile and a proxy."""
    (tmp_path / "endpoint.json").write_text(json.dumps({"endpoint": "http://127.0.0.1:9", "region": "us-east-1"}))
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    return tmp_path


def test_a_local_cloud_is_reached_whatever_the_users_aws_settings_are(local_state: Path) -> None:
    """Its endpoint, throw-away keys, no proxy; never the profile."""
    clients = connect(Target(local=True), local_state)
    batch = clients.batch
    assert (clients.region, batch.meta.endpoint_url) == ("us-east-1", "http://127.0.0.1:9")
    assert batch.meta.config.proxies == {}
    credentials = clients.session.get_credentials()
    assert (credentials.access_key, credentials.secret_key) == ("local", "local")
    with pytest.raises(sdk.EndpointConnectionError):
        clients.submitter.describe_jobs(jobs=["x"])


def test_the_sdk_does_not_retry_submissions_but_everything_else(local_state: Path) -> None:
    """SubmitJob has no idempotency token."""
    clients = connect(Target(local=True), local_state)
    assert clients.submitter.meta.config.retries["total_max_attempts"] == 1
    assert clients.batch.meta.config.retries["total_max_attempts"] > 1


def test_no_local_cloud_is_one_clear_error(tmp_path: Path) -> None:
    """With the command that starts one; a broken file is none."""
    with pytest.raises(InputError, match="start one with: hpc local up"):
        connect(Target(local=True), tmp_path)
    (tmp_path / "endpoint.json").write_text("{")
    with pytest.raises(InputError, match="start one with: hpc local up"):
        connect(Target(local=True), tmp_path)


def test_a_profile_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is called."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"--profile: .*\(mine\) could not be found"):
        connect(Target(profile="mine"), tmp_path)


def test_profile_region_and_endpoint_are_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the SDK's conventions have it where none is given."""
    config = tmp_path / "config"
    config.write_text("[profile mine]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert connect(Target(profile="mine"), tmp_path).region == "eu-west-3"
    clients = connect(Target(profile="mine", region="eu-north-1", endpoint_url="http://127.0.0.1:1"), tmp_path)
    assert (clients.region, clients.batch.meta.endpoint_url) == ("eu-north-1", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("error", "kind", "expected"),
    [
        (sdk.NoCredentialsError(), InputError, "log in, name a --profile, or use --local"),
        (sdk.PartialCredentialsError(provider="env", cred_var="x"), InputError, "log in, name a --profile"),
        (sdk.UnauthorizedSSOTokenError(), InputError, "log in, name a --profile"),
        (sdk.NoRegionError(), InputError, "give it, or set AWS_REGION"),
        (sdk.ProfileNotFound(profile="p"), InputError, "--profile: names a profile"),
        (sdk.EndpointConnectionError(endpoint_url="u"), ServiceError, "is it up?"),
        (sdk.ReadTimeoutError(endpoint_url="u"), ServiceError, "AWS SDK: Read timeout"),
        (
            client_error("AccessDeniedException", "no", "DescribeJobs"),
            ServiceError,
            "DescribeJobs: AccessDeniedException: no",
        ),
    ],
)
def test_the_sdks_errors_are_told_in_a_sentence(error: Exception, kind: type[Exception], expected: str) -> None:
    """What was wrong decides the exit code."""
    explained = explain(error)
    assert type(explained) is kind
    assert expected in str(explained)


def test_what_is_not_the_sdks_is_not_explained() -> None:
    """A defect of ours stays a traceback."""
    assert explain(KeyError("x")) is None


def test_a_deployment_is_its_outputs() -> None:
    """By the names that users say; other names are Batch's own."""
    read = deployment.read(FakeCloudFormation(outputs()), "CloudHpc", is_local=True)
    assert (read.bucket, read.results_prefix, read.programs_prefix) == ("bucket", "results/", "programs/")
    assert read.job_queue("high") == arn("job-queue", "high-queue")
    assert read.job_queue("theirs") == "theirs"
    assert read.job_definition("dopi") == arn("job-definition", "dopi:1")
    assert read.runs_prefix == "runs/"
    assert set(read.image_uris) == {"dopi", "dopisecond", "fieldstats", "standin", "barrier", "mpi"}


def test_a_deployment_that_pushes_nothing_has_no_queue_of_events() -> None:
    """The output is there either way, so that it is told from one of another version."""
    url = "https://sqs.us-east-1.amazonaws.com/111122223333/events"
    pushing = {**outputs(), "JobEventsQueueUrl": url}
    assert deployment.read(FakeCloudFormation(outputs()), "D", is_local=True).job_events_queue_url is None
    assert deployment.read(FakeCloudFormation(pushing), "D", is_local=True).job_events_queue_url == url


@pytest.mark.parametrize(("is_local", "command"), [(True, "hpc deploy --local"), (False, "hpc deploy")])
def test_a_deployment_that_is_not_there_is_an_error_with_the_command_to_make_it(
    *, is_local: bool, command: str
) -> None:
    """For where it was looked for."""
    with pytest.raises(InputError, match=f"got no stack 'Mine-Batch'; deploy it with: {command} --deployment Mine"):
        deployment.read(FakeCloudFormation(None), "Mine", is_local=is_local)


def test_a_deployment_of_another_version_is_named_with_what_it_lacks() -> None:
    """Rather than failing at the first use of it."""
    old = {key: value for key, value in outputs().items() if key != "BucketName"}
    with pytest.raises(InputError, match=r"\(CREATE_COMPLETE\) has the outputs .*, got none for BucketName"):
        deployment.read(FakeCloudFormation(old), "Mine", is_local=False)


def test_an_error_of_cloudformation_is_not_taken_for_absence() -> None:
    """Refused is not absent."""

    class Refusing(FakeCloudFormation):
        def describe_stacks(self, **request: Any) -> dict[str, Any]:
            raise client_error("AccessDenied", "not authorized", "DescribeStacks")

    with pytest.raises(sdk.ClientError, match="not authorized"):
        deployment.read(Refusing(None), "Mine", is_local=False)


def test_the_options_of_a_target_choose_it_again() -> None:
    """For the commands that messages propose."""
    assert Target().options() == ""
    assert Target(local=True, region="us-east-1").options() == " --local"
    assert (
        Target(deployment="D", profile="p", region="r", endpoint_url="u").options()
        == " --deployment D --profile p --region r --endpoint-url u"
    )
