"""What scanners of templates and policies say of every profile: what each finding means here, or that there is none."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from tests.clients.virtual_environment import virtual_environment
from tests.infra.synthesised import VARIANTS, Template, read_templates
from tests.infra.whole_policies import whole_policies

pytestmark = pytest.mark.slow

EXPLAINED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CKV_AWS_18": "the bucket of access logs, whose own log would need another",
        "CKV_AWS_21": "the bucket of access logs, whose objects S3 writes once",
        "CKV_AWS_27": "SQS's own key, free; a message says that a job changed, and goes after an hour",
        "CKV_AWS_116": "the function that measures queues is run again by its schedule: nothing is lost with a call",
        "CKV_AWS_117": "that function reads an API of AWS and needs no network of ours",
        "CKV_AWS_136": "an image holds code of the repository; another key would replace every registry there is",
        "CKV_AWS_149": "Secrets Manager's own key, free; own_key gives another",
        "CKV_AWS_158": "CloudWatch Logs' own key, free; own_key gives another to the logs of jobs",
        "CKV_AWS_173": "the function's variables name queues and are no secret",
    }
)
"""Of checkov, wherever it is found."""

EXPLAINED_THERE: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("CKV_AWS_88", "AWS::EC2::Instance.HeadNodeInstanceB7EB2D16"): (
            "the head node in a network whose only way out it is; no inbound rule, so that it answers nobody"
        ),
        ("CKV_AWS_111", "AWS::IAM::ManagedPolicy.HeadNodePolicy92E8E4CB"): (
            "channels and messages of Session Manager's agent take no resource"
        ),
        ("CKV_AWS_33", "AWS::KMS::Key.Key9BCD29C7"): (
            "FSx for Lustre, whose role is not there yet: conditions name the account, S3 and the role's beginning"
        ),
    }
)
"""Of checkov, on one resource: on any other it is news."""

MINUTES = 5


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A scanner's run, at its end."""
    command = [str(virtual_environment("scanners").programs / program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * MINUTES)


@pytest.mark.timeout(60 * 2 * MINUTES)
@pytest.mark.parametrize("profile", VARIANTS)
def test_checkov_finds_what_is_explained_and_nothing_else(assemblies: Mapping[str, Path], profile: str) -> None:
    """Some hundreds of checks pass, and of those that fail each is of a rule above."""
    templates = sorted(str(path) for path in assemblies[profile].glob("*.template.json"))
    options = ("--framework", "cloudformation", "--compact", "--quiet", "--skip-download", "--output", "json")
    done = run("checkov", *options, "--file", *templates)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 150
    unexplained = {
        (check["check_id"], check["check_name"], check["resource"])
        for check in report["results"]["failed_checks"]
        if check["check_id"] not in EXPLAINED and (check["check_id"], check["resource"]) not in EXPLAINED_THERE
    }
    assert unexplained == set()


@pytest.mark.timeout(60 * 2 * MINUTES)
@pytest.mark.parametrize("profile", VARIANTS)
def test_a_linter_of_policies_finds_nothing(assemblies: Mapping[str, Path], profile: str, tmp_path: Path) -> None:
    """Each action exists, fits its resource and its conditions; `*` stands only where an action takes no resource."""
    count = 0
    for stack, text in read_templates(assemblies[profile]).items():
        for name, policy in whole_policies(Template(text)):
            (tmp_path / f"{stack}-{name}.json").write_text(policy, encoding="utf-8")
            count += 1
    assert count >= 10
    done = run("parliament", "--directory", str(tmp_path), "--json")
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
