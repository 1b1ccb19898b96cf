"""Children of an array job in the local cloud: each fetches its command as the job's role, and does what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_tags import image_tag
from local_batch import control
from tests.containers.launched import packed, spilled
from tests.containers.program import CONTAINERS
from tests.local_batch.host.conftest import Client, client_for
from tests.local_batch.host.job_runner import JobRunner

ROLE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Makes clients of a local cloud of this test's own."""
    endpoint = control.start(tmp_path / "state", images=[CONTAINERS])
    yield lambda service: client_for(endpoint, service)
    control.stop(tmp_path / "state")


def test_children_of_one_array_job_have_commands_of_their_own(client: Client) -> None:
    """Six in two blocks; each writes an object that only it was told of, into the bucket that only it was told of."""
    s3 = client("s3")
    s3.create_bucket(Bucket="bucket")
    children = [[["--write", f"results/{i}={i}"], {"RESULTS_BUCKET": "bucket"}] for i in range(6)]
    blocks = [packed(*children[:4]), packed(*children[4:])]
    for digest, content in blocks:
        s3.put_object(Bucket="bucket", Key=f"children/a b/{digest}.jsonl.gz", Body=content)
    role = client("iam").create_role(RoleName="children", AssumeRolePolicyDocument=json.dumps(ROLE))["Role"]["Arn"]
    jobs = JobRunner(
        client, f"123456789012.dkr.ecr.us-east-1.amazonaws.com/standin:{image_tag(CONTAINERS / 'standin')}"
    )
    ((name, value),) = spilled((0, blocks[0][0]), (4, blocks[1][0])).items()
    job = jobs.submit("--no-such-option", array_size=6, jobRoleArn=role, environment=[{"name": name, "value": value}])
    assert jobs.finished(job)["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 6
    written = s3.list_objects_v2(Bucket="bucket", Prefix="results/")["Contents"]
    assert {entry["Key"]: entry["Size"] for entry in written} == {f"results/{i}": i for i in range(6)}
