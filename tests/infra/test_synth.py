"""Synth: repeatable, offline, quiet, and refusing what it should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner import cdk_app
from tests.infra.synthesised import CHECKOUT, Synthesise, read_templates

ON_A_DEVELOPERS_MACHINE = {
    "AWS_PROFILE": "no-such-profile",
    "AWS_REGION": "eu-central-2",
    "AWS_DEFAULT_REGION": "eu-central-2",
    "CDK_DEFAULT_ACCOUNT": "210987654321",
    "CDK_DEFAULT_REGION": "eu-central-2",
    "PYTHONHASHSEED": "7",
    "TZ": "Pacific/Chatham",
}

OPEN_DOOR = """
import sys
from aws_cdk import aws_ec2 as ec2
sys.path.insert(0, {checkout!r})
import app

def add_stacks_and_a_door(cdk_app, *arguments):
    add_stacks(cdk_app, *arguments)
    network = cdk_app.node.find_child("CloudHpc-Network").network
    network.job_security_group.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(22))

add_stacks, app.add_stacks = app.add_stacks, add_stacks_and_a_door
sys.exit(app.main())
"""


def test_the_same_sources_give_the_same_bytes_on_another_machine(
    synthesise: Synthesise, assembly: Path, tmp_path: Path
) -> None:
    """A fresh process with another region, account, profile, hash seed and time zone writes identical templates."""
    completed = synthesise(tmp_path / "again", extra=ON_A_DEVELOPERS_MACHINE)
    assert completed.returncode == 0, completed.stderr
    assert read_templates(tmp_path / "again") == read_templates(assembly)


def test_synth_needs_no_network(synthesise: Synthesise, assembly: Path, tmp_path: Path) -> None:
    """In a network namespace with nothing in it, not even loopback, the templates are the same."""
    isolated = ["unshare", "--user", "--map-root-user", "--net"]
    try:
        subprocess.run([*isolated, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("unshare cannot make a network namespace here")
    completed = synthesise(tmp_path / "offline", command=[*isolated, sys.executable, "app.py"])
    assert completed.returncode == 0, completed.stderr
    assert read_templates(tmp_path / "offline") == read_templates(assembly)


def test_the_cdk_command_writes_the_same_templates(synthesise: Synthesise, assembly: Path, tmp_path: Path) -> None:
    """What `cdk deploy` would deploy is what the other tests look at."""
    completed = synthesise(
        tmp_path / "home", command=["cdk", "synth", "--quiet", "--output", str(tmp_path / "cdk.out")]
    )
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout == ""
    assert read_templates(tmp_path / "cdk.out") == read_templates(assembly)


def test_no_template_is_bound_to_an_account_or_region(assembly: Path) -> None:
    """One assembly deploys anywhere, and nothing about this machine is in it."""
    manifest = json.loads((assembly / "manifest.json").read_text(encoding="utf-8"))
    environments = {
        artifact["environment"]
        for artifact in manifest["artifacts"].values()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert environments == {"aws://unknown-account/unknown-region"}
    assert "missing" not in manifest
    for text in read_templates(assembly).values():
        assert str(CHECKOUT) not in text
        assert "CDKMetadata" not in text


def test_a_finding_fails_the_app_and_the_command(synthesise: Synthesise, tmp_path: Path) -> None:
    """A security group that is opened without a word fails synth, naming rule and construct, not with a traceback."""
    script = tmp_path / "open_door.py"
    script.write_text(OPEN_DOOR.format(checkout=str(CHECKOUT)), encoding="utf-8")
    for command in (
        [sys.executable, str(script)],
        ["cdk", "synth", "--quiet", "--output", str(tmp_path / "cdk.out"), "--app", f"{sys.executable} {script}"],
    ):
        completed = synthesise(tmp_path / "out", command=command)
        assert completed.returncode == 1
        assert "AwsSolutions-EC23" in completed.stderr
        assert "CloudHpc-Network/Network/JobSecurityGroup" in completed.stderr
        assert "Traceback" not in completed.stderr


def test_all_checks_are_three_packs(synthesise: Synthesise, tmp_path: Path) -> None:
    """With `-c checks=all` NIST's and HIPAA's rules find the open port, too; without it AwsSolutions alone does."""
    script = tmp_path / "open_door.py"
    script.write_text(OPEN_DOOR.format(checkout=str(CHECKOUT)), encoding="utf-8")
    command = [sys.executable, str(script)]
    few = synthesise(tmp_path / "few", command=command)
    every = synthesise(tmp_path / "every", command=command, extra={"CDK_CONTEXT_JSON": '{"checks": "all"}'})
    for pack in ("NIST.800.53.R5-", "HIPAA.Security-"):
        assert f"{pack}EC2RestrictedSSH" in every.stderr
        assert pack not in few.stderr
    assert "AwsSolutions-EC23" in every.stderr
    assert every.returncode == 1


def test_an_unknown_profile_is_one_clear_error(synthesise: Synthesise, tmp_path: Path) -> None:
    """A profile that does not exist ends with exit code 2 and the profiles that do."""
    completed = synthesise(tmp_path, extra={"CDK_CONTEXT_JSON": '{"profile": "big"}'})
    assert completed.returncode == 2
    assert completed.stderr == (
        "error: -c profile: names a profile of settings.py, got 'big'; use one of: default, private, production\n"
    )
    assert completed.stdout == ""


def test_two_deployments_share_no_stack_and_no_export(synthesise: Synthesise, assembly: Path, tmp_path: Path) -> None:
    """`-c deployment=` gives other stack names and other export names, so that both fit into one account and region."""
    completed = synthesise(tmp_path, extra={"CDK_CONTEXT_JSON": '{"deployment": "Second"}'})
    assert completed.returncode == 0, completed.stderr
    second = read_templates(tmp_path)
    assert sorted(second) == ["Second-Batch", "Second-Network", "Second-Storage"]
    assert all("CloudHpc" not in text for text in second.values())


def test_the_cdk_command_pins_its_python_and_node() -> None:
    """cdk.json uses the interpreter and the Node that set-up made, whatever is active or first on the PATH."""
    configuration = json.loads((CHECKOUT / "cdk.json").read_text(encoding="utf-8"))
    assert configuration["app"] == "JSII_NODE=.venv/bin/node .venv/bin/python app.py"
    assert configuration["versionReporting"] is False


def test_an_edit_of_anything_that_the_app_reads_is_synthesised_again() -> None:
    """Each module of ours that it imports, and each folder that constructs read, is among the inputs of an assembly."""
    source = "import sys, app; print(*(getattr(module, '__file__', None) or '' for module in sys.modules.values()))"
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=120
    )
    imported = {Path(name).relative_to(CHECKOUT).parts[0] for name in done.stdout.split() if _is_ours(Path(name))}
    assert {"settings.py", "setting_groups", "stacks", "constructs_lib"} <= imported
    assert imported | {"containers", "functions"} <= set(cdk_app._INPUTS)


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(CHECKOUT) and not path.is_relative_to(CHECKOUT / ".venv")


@pytest.mark.timeout(120)
def test_what_the_cdk_command_wrote_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Or `hpc destroy` would delete the deployment that somebody looked at with `npx cdk diff` before."""
    app = cdk_app.CdkApp(
        assembly=tmp_path / "cdk.out", environment={}, context={"deployment": "Mine"}, log=tmp_path / "cdk.log"
    )
    assert app.synth()
    assert not app.synth()
    options = ("--quiet", "--output", str(app.assembly), "--context", "deployment=Other")
    subprocess.run(
        [str(CHECKOUT / "node_modules/.bin/cdk"), "synth", *options],
        cwd=CHECKOUT,
        env=cdk_app.cdk_environment({}),
        check=True,
        capture_output=True,
    )
    assert app.stack_names()[0].startswith("Other")
    assert app.synth()
    assert app.stack_names()[0].startswith("Mine")
