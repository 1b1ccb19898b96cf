"""What is known of the images that run: findings of their scans, and their digests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import deployment_outputs
from image_tags import image_tag
from runner import deployment, image_push
from runner.errors import HpcError
from runner.running_images import running_images
from setting_groups.images import ImageSettings, image_findings
from tests.runner.fake_aws import FakeClients, FakeCloudFormation, FakeEcr, outputs
from tests.runner.fake_batch import arn
from tests.runner.shell import Shell

REGISTRY = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
NAMES = tuple(deployment_outputs.IMAGE_URIS)


def basic(severity: str, name: str, package: str = "openssl", version: str = "3.0.1") -> dict[str, Any]:
    """A finding of basic scanning."""
    attributes = {"package_name": package, "package_version": version, "CVSS3_SCORE": "9.8"}
    return {
        "severity": severity,
        "name": name,
        "uri": f"https://security.example/{name}",
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
    }


def enhanced(severity: str, name: str) -> dict[str, Any]:
    """A finding of enhanced scanning, which knows the fix."""
    packages = [{"name": "libssl3", "version": "3.0.1", "fixedInVersion": "3.0.9"}]
    details = {"vulnerabilityId": name, "vulnerablePackages": packages, "sourceUrl": f"https://nvd.example/{name}"}
    return {"severity": severity, "type": "PACKAGE_VULNERABILITY", "packageVulnerabilityDetails": details}


def page(status: str = "COMPLETE", *, counts: dict[str, int] | None = None, **findings: Any) -> dict[str, Any]:
    """An answer of DescribeImageScanFindings."""
    return {
        "imageScanStatus": {"status": status},
        "imageScanFindings": {"findingSeverityCounts": counts or {}, **findings},
    }


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A user of a deployment on AWS whose images are all pushed, and not scanned."""
    monkeypatch.chdir(tmp_path)
    clients = FakeClients(is_local=False)
    values, tags = outputs(), {}
    for name, key in deployment_outputs.IMAGE_URIS.items():
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(f"FROM scratch\nENV NAME={name}\n")
        tags[f"repository/{name}"] = {image_tag(folder)}
        values[key] = f"{REGISTRY}/repository/{name}:{image_tag(folder)}"
    clients.cloudformation = FakeCloudFormation(values)
    clients.ecr = FakeEcr(tags)
    for name, key in deployment_outputs.IMAGE_URIS.items():
        name_image(clients, name, values[key])
    return Shell(clients, tmp_path / ".hpc")


def name_image(clients: FakeClients, name: str, image: str) -> None:
    """Have the job definition name it."""
    (made,) = [
        one for one in clients.batch.definitions if one["jobDefinitionArn"] == arn("job-definition", f"{name}:1")
    ]
    ranges = made.get("nodeProperties", {}).get("nodeRangeProperties", ())
    for container in [entry["container"] for entry in ranges] or [made["containerProperties"]]:
        container["image"] = image


def tag_of(cloud: Shell, name: str) -> str:
    """Of the image that is pushed."""
    (tag,) = cloud.clients.ecr.tags[f"repository/{name}"]
    return tag


def test_findings_of_every_page_are_told_worst_first(cloud: Shell) -> None:
    """With counts by severity; without a fix, which basic scanning does not tell."""
    cloud.clients.ecr.scans["repository/dopi"] = [
        page(counts={"LOW": 1, "CRITICAL": 1, "HIGH": 1}, findings=[basic("LOW", "CVE-1"), basic("HIGH", "CVE-2")]),
        page(counts={"LOW": 1, "CRITICAL": 1, "HIGH": 1}, findings=[basic("CRITICAL", "CVE-3", "zlib", "1.2")]),
    ]
    (told,) = cloud.document("images", "findings", "dopi")["images"]
    assert (told["image"], told["scanned"]) == ("dopi", True)
    assert list(told["counts"].items()) == [("CRITICAL", 1), ("HIGH", 1), ("LOW", 1)]
    assert [finding["name"] for finding in told["findings"]] == ["CVE-3", "CVE-2", "CVE-1"]
    assert told["findings"][0] == {
        "severity": "CRITICAL",
        "name": "CVE-3",
        "package": "zlib",
        "version": "1.2",
        "fixedIn": "",
        "uri": "https://security.example/CVE-3",
    }
    assert [request["maxResults"] for request in cloud.clients.ecr.scanned] == [1000, 1000]


def test_the_worst_are_shown_and_the_rest_counted(cloud: Shell) -> None:
    """As many as were asked for."""
    findings = [basic("MEDIUM", "CVE-1"), basic("HIGH", "CVE-2"), basic("LOW", "CVE-3")]
    cloud.clients.ecr.scans["repository/dopi"] = [page(counts={"HIGH": 1, "MEDIUM": 1, "LOW": 1}, findings=findings)]
    lines = cloud("images", "findings", "dopi", "--worst", "1").stdout.splitlines()
    assert lines[0] == "dopi: 1 high, 1 medium, 1 low"
    assert lines[2].split() == ["HIGH", "CVE-2", "openssl", "3.0.1", "-", "https://security.example/CVE-2"]
    assert lines[3:] == ["  and 2 more"]


def test_enhanced_scanning_tells_the_fix(cloud: Shell) -> None:
    """Its status is ACTIVE: it goes on as long as the image is there."""
    cloud.clients.ecr.scans["repository/mpi"] = [
        page("ACTIVE", counts={"HIGH": 1}, enhancedFindings=[enhanced("HIGH", "CVE-9")])
    ]
    (told,) = cloud.document("images", "findings", "mpi")["images"]
    (finding,) = told["findings"]
    assert (finding["package"], finding["version"], finding["fixedIn"]) == ("libssl3", "3.0.1", "3.0.9")
    assert "3.0.9" in cloud("images", "findings", "mpi").stdout


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("IN_PROGRESS", "the scan still runs"),
        ("PENDING", "the scan has not begun"),
        ("FAILED", "the scan failed"),
        ("UNSUPPORTED_IMAGE", "ECR cannot scan such an image"),
    ],
)
def test_a_scan_that_is_not_done_is_no_clean_scan(cloud: Shell, status: str, said: str) -> None:
    """It says so, and a gate does not let it pass."""
    cloud.clients.ecr.scans["repository/dopi"] = [page(status)]
    assert cloud("images", "findings", "dopi").stdout == f"dopi: {said}\n"
    assert f"got dopi ({said}); " in cloud("images", "findings", "dopi", "--fail-on", "critical", code=1).stderr


def test_an_image_that_was_never_scanned_says_so(cloud: Shell) -> None:
    """So does one that is not pushed; neither passes a gate."""
    cloud.clients.ecr.tags["repository/mpi"] = set()
    assert cloud("images", "findings", "dopi", "mpi").stdout == "dopi: not scanned\nmpi: not pushed\n"
    failed = cloud("images", "findings", "dopi", "mpi", "--fail-on", "CRITICAL", code=1)
    assert "got dopi (not scanned), mpi (not pushed); " in failed.stderr


@pytest.mark.parametrize(
    ("counts", "fail_on", "code"),
    [
        ({"HIGH": 1}, "HIGH", 1),
        ({"CRITICAL": 1}, "HIGH", 1),
        ({"MEDIUM": 7}, "HIGH", 0),
        ({"MEDIUM": 7}, "medium", 1),
        ({"UNDEFINED": 3}, "LOW", 0),
        ({}, "INFORMATIONAL", 0),
        ({"HIGH": 0}, "HIGH", 0),
    ],
)
def test_a_gate_closes_at_its_severity_and_above(cloud: Shell, counts: dict[str, int], fail_on: str, code: int) -> None:
    """The findings are on stdout either way."""
    cloud.clients.ecr.scans["repository/dopi"] = [page(counts=counts)]
    told = cloud("images", "findings", "dopi", "--fail-on", fail_on, code=code)
    assert told.stdout.startswith("dopi: ")
    assert (told.stderr == "") is (code == 0)


def test_all_images_are_asked_for_where_none_is_named(cloud: Shell) -> None:
    """And one that is none of them is refused with their names."""
    assert [told["image"] for told in cloud.document("images", "findings")["images"]] == list(NAMES)
    assert "got 'numpy'; use one of: dopi, " in cloud("images", "findings", "numpy", code=2).stderr


def test_a_pinned_image_is_asked_for_by_its_digest(cloud: Shell) -> None:
    """What runs is what is told of, not what has the tag."""
    digest = FakeEcr.digest(tag_of(cloud, "dopi"))
    name_image(cloud.clients, "dopi", f"{REGISTRY}/repository/dopi@{digest}")
    (told,) = cloud.document("images", "findings", "dopi")["images"]
    assert told["imageDigest"] == digest
    assert cloud.clients.ecr.scanned[0]["imageId"] == {"imageDigest": digest}


def test_the_list_has_a_summary_of_each_scan(cloud: Shell) -> None:
    """By one call an image, which asks for a single finding."""
    cloud.clients.ecr.scans["repository/dopi"] = [page(counts={"HIGH": 2, "CRITICAL": 1}), page()]
    cloud.clients.ecr.tags["repository/mpi"] = set()
    lines = cloud("images", "list", "--root", "images").stdout.splitlines()
    assert lines[0].split() == ["image", "uri", "state", "findings"]
    by_name = {line.split()[0]: " ".join(line.split()) for line in lines[1:]}
    assert by_name["dopi"].endswith("pushed 1 critical, 2 high")
    assert by_name["mpi"].endswith("missing")
    assert by_name["standin"].endswith("pushed not scanned")
    assert [request["maxResults"] for request in cloud.clients.ecr.scanned] == [1] * (len(NAMES) - 1)
    listed = {image["image"]: image for image in cloud.document("images", "list", "--root", "images")["images"]}
    assert (listed["dopi"]["scanned"], listed["dopi"]["findings"]) == (True, {"CRITICAL": 1, "HIGH": 2})
    assert (listed["mpi"]["scanned"], listed["mpi"]["findings"]) == (False, None)


def test_findings_are_counted_where_the_answer_has_no_counts(cloud: Shell) -> None:
    """Page by page, for the summary as well."""
    pages = [page(findings=[basic("HIGH", f"CVE-{number}")]) for number in range(3)]
    cloud.clients.ecr.scans["repository/dopi"] = pages
    assert "pushed 3 high" in " ".join(cloud("images", "list", "--root", "images").stdout.split())


def test_who_may_not_see_scans_sees_the_list(cloud: Shell) -> None:
    """The right that is missing is named; any other error is an error."""
    cloud.clients.ecr.refuses_scans = "AccessDeniedException"
    shown = cloud("images", "list", "--root", "images").stdout
    assert "not allowed to see (ecr:DescribeImageScanFindings)" in shown
    cloud.clients.ecr.refuses_scans = "ServerException"
    assert "ServerException" in cloud("images", "list", "--root", "images", code=1).stderr


def test_digests_are_printed_as_the_setting_takes_them(cloud: Shell) -> None:
    """Each bound to the content that it was built from; of one container and of many nodes."""
    pins = cloud.document("images", "digests")["image_digests"]
    assert pins == {name: f"{tag_of(cloud, name)}@{FakeEcr.digest(tag_of(cloud, name))}" for name in NAMES}
    assert list(image_findings(ImageSettings(image_digests=pins), frozenset(NAMES))) == []
    text = cloud("images", "digests", "dopi", "mpi").stdout
    assert text == (f'image_digests={{\n    "dopi": "{pins["dopi"]}",\n    "mpi": "{pins["mpi"]}",\n}},\n')


def test_a_pinned_image_keeps_its_pin(cloud: Shell) -> None:
    """What runs now is what the definition names; a pin that the repository lacks is told, not repeated."""
    tag = tag_of(cloud, "dopi")
    name_image(cloud.clients, "dopi", f"{REGISTRY}/repository/dopi@{FakeEcr.digest(tag)}")
    assert cloud.document("images", "digests", "dopi")["image_digests"] == {"dopi": f"{tag}@{FakeEcr.digest(tag)}"}
    name_image(cloud.clients, "dopi", f"{REGISTRY}/repository/dopi@{FakeEcr.digest('another')}")
    assert "got none for dopi; push with: hpc images push" in cloud("images", "digests", code=1).stderr


def test_an_image_that_is_not_pushed_has_no_digest(cloud: Shell) -> None:
    """Half a mapping is none."""
    cloud.clients.ecr.tags["repository/mpi"] = set()
    failed = cloud("images", "digests", code=1)
    assert failed.stdout == ""
    assert "have the images that the deployment runs, got none for mpi; push with" in failed.stderr


def test_a_definition_that_is_gone_is_named(cloud: Shell) -> None:
    """Somebody deregistered it by hand."""
    cloud.clients.batch.definitions = [
        one for one in cloud.clients.batch.definitions if one["jobDefinitionName"] != "dopi"
    ]
    deployed = deployment.read(cloud.clients.cloudformation, "CloudHpc", is_local=False)
    with pytest.raises(HpcError, match="are those of its outputs, got none for dopi; deploy again"):
        running_images(cloud.clients.batch, deployed)


@pytest.mark.parametrize(("command", "said"), [("findings", "scans no image"), ("digests", "has no digests")])
def test_a_local_cloud_has_neither_scans_nor_digests(cloud: Shell, command: str, said: str) -> None:
    """Refused by name rather than answered from nothing."""
    cloud.clients.is_local = True
    assert (
        f"runs the images' folders themselves and {said}, got --local; leave it out"
        in cloud("images", command, "--local", code=2).stderr
    )


@pytest.mark.parametrize(
    ("architecture", "machine", "emulated"),
    [
        ("x86_64", "x86_64", False),
        ("x86_64", "AMD64", False),
        ("arm64", "aarch64", False),
        ("arm64", "arm64", False),
        ("arm64", "x86_64", True),
        ("x86_64", "arm64", True),
    ],
)
def test_a_build_for_another_architecture_says_what_it_needs(
    architecture: str, machine: str, *, emulated: bool
) -> None:
    """On a machine of its own it needs nothing."""
    said = image_push.explain_emulation(architecture, machine)
    assert (said is not None) is emulated
    assert said is None or "exec format error" in said


def test_images_are_built_for_the_architecture_of_the_deployment(cloud: Shell) -> None:
    """Graviton's, as the output says; the engine is told the platform."""
    values = dict(cloud.clients.cloudformation.outputs or {})
    values[deployment_outputs.CPU_ARCHITECTURE] = "arm64"
    cloud.clients.cloudformation = FakeCloudFormation(values)
    cloud.clients.ecr.tags = {}
    lines = cloud("images", "push", "--root", "images", "--dry-run").stdout.splitlines()
    builds = [line for line in lines if line.startswith("docker build ")]
    assert len(builds) == len(NAMES)
    assert all("--platform linux/arm64" in line for line in builds)
