"""What instances that run jobs do when they start: each shields its credentials, and does not join where it cannot."""

from __future__ import annotations

import email
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infra.synthesised import VARIANTS, Template, read_templates

RULE = "OUTPUT --destination 169.254.169.254 --match owner ! --uid-owner root --jump REJECT"

FAKE_IPTABLES = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  *--check*) exit "${RULE_IS_THERE:-1}" ;;
  *) exit "${FAILS:-0}" ;;
esac
"""
FAKE_SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >> "$CALLS"
"""


def rendered(value: Any) -> str:
    """A value with what is only known at deployment as its name; base64 within the document stays readable."""
    if not isinstance(value, dict):
        return str(value)
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return str(argument[0]).join(rendered(one) for one in argument[1])
    return rendered(argument) if function == "Fn::Base64" else f"<{argument}>"


def parts(template: dict[str, Any]) -> list[tuple[str, str]]:
    """Content type and text of each part of a launch template's user data."""
    document = email.message_from_string(rendered(template["Properties"]["LaunchTemplateData"]["UserData"]))
    assert document.is_multipart()
    assert document["MIME-Version"] == "1.0"
    return [(part.get_content_type(), str(part.get_payload())) for part in document.walk() if not part.is_multipart()]


def launch_templates(batch: Template) -> dict[str, dict[str, Any]]:
    """Those of compute environments, by what they are of."""
    return {
        body["Metadata"]["aws:cdk:path"].split("/")[-3]: body
        for body in batch.resources("AWS::EC2::LaunchTemplate").values()
        if "/HeadNode/" not in body["Metadata"]["aws:cdk:path"]
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_instance_shields_its_credentials_first(assemblies: Mapping[str, Path], variant: str) -> None:
    """At every boot, before Docker and the ECS agent; the job roles' credentials have another address."""
    batch = Template(read_templates(assemblies[variant])["CloudHpc-Batch"])
    found = launch_templates(batch)
    assert found.keys() >= {"Ec2", "Compute"}
    for body in found.values():
        kind, script = parts(body)[0]
        assert kind == "text/cloud-boothook"
        assert script.startswith("#!/bin/bash\n")
        assert "ECS_AWSVPC_BLOCK_IMDS=true >> /etc/ecs/ecs.config" in script
        assert f"--insert {RULE}" in script
        assert "169.254.170.2" not in script


def test_nodes_mount_lustre_after_that(assemblies: Mapping[str, Path]) -> None:
    """A part of its own, once in the life of an instance, and of MPI nodes alone."""
    batch = Template(read_templates(assemblies["rich"])["CloudHpc-Batch"])
    kinds = {name: [kind for kind, _ in parts(body)] for name, body in launch_templates(batch).items()}
    assert kinds.pop("Compute") == ["text/cloud-boothook", "text/x-shellscript"]
    assert set(map(tuple, kinds.values())) == {("text/cloud-boothook",)}


class Boot:
    """The boothook of the default profile on a machine whose firewall and services write down what they are told."""

    def __init__(self, script: str, folder: Path) -> None:
        self.config, self._calls, self._folder = folder / "ecs.config", folder / "calls", folder
        self._script = script.replace("/etc/ecs/ecs.config", str(self.config))
        for name, text in (("iptables", FAKE_IPTABLES), ("systemctl", FAKE_SYSTEMCTL)):
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o755)

    def run(self, **environment: str) -> list[str]:
        """What was called, in order."""
        script = self._folder / "boothook"
        script.write_text(self._script, encoding="utf-8")
        script.chmod(0o755)
        self._calls.write_text("", encoding="utf-8")
        self.code = subprocess.run(
            [script],
            env={"PATH": f"{self._folder}{os.pathsep}{os.defpath}", "CALLS": str(self._calls), **environment},
            check=False,
            timeout=30,
        ).returncode
        return self._calls.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def boot(batch: Template, tmp_path: Path) -> Boot:
    """As it says."""
    return Boot(parts(launch_templates(batch)["Ec2"])[0][1], tmp_path)


def test_a_first_boot_tells_the_agent_and_the_firewall(boot: Boot) -> None:
    """What Batch wrote into the agent's settings stays there."""
    boot.config.write_text("ECS_CLUSTER=of-batch\n", encoding="utf-8")
    assert boot.run() == [f"--wait --check {RULE}", f"--wait --insert {RULE}"]
    assert boot.config.read_text(encoding="utf-8") == "ECS_CLUSTER=of-batch\nECS_AWSVPC_BLOCK_IMDS=true\n"
    assert boot.code == 0


def test_a_later_boot_says_nothing_twice(boot: Boot) -> None:
    """A boothook runs at every boot; the agent's settings outlive it."""
    boot.run()
    assert boot.run(RULE_IS_THERE="0") == [f"--wait --check {RULE}"]
    assert boot.config.read_text(encoding="utf-8") == "ECS_AWSVPC_BLOCK_IMDS=true\n"
    assert boot.code == 0


def test_an_instance_that_cannot_shield_them_does_not_join(boot: Boot) -> None:
    """Batch then says that no instance joined, rather than that jobs have the instance's rights."""
    assert boot.run(FAILS="3")[-1] == "systemctl mask --now ecs"
    assert boot.code == 3
