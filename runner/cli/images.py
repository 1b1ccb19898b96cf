"""`hpc images`: what the deployment's job definitions need in ECR, and what is known of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from runner import deployment, image_push
from runner.cdk_app import CHECKOUT
from runner.cli.image_pushing import push
from runner.cli.options import Context, common_options, pass_context
from runner.cli.text_table import terminal_width, text_table
from runner.errors import HpcError, InputError
from runner.image_scans import SEVERITIES, ImageScan, image_scan, scan_summary
from runner.running_images import RunningImage, chosen, pins, running_images

if TYPE_CHECKING:
    from runner.aws import AwsClients

_WORST: Final = 5
"""Findings of an image that are shown where nothing else is said."""


@click.group()
@common_options
def images() -> None:
    """Container images that a deployment needs in ECR.

    Each is built from one folder, has one repository, and is tagged with the hash of the folder's content.
    """


@images.command("list")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=CHECKOUT / "containers",
    help="Folder of the image folders (default: containers/ of the checkout).",
)
@common_options
@pass_context
def list_(context: Context, *, root: Path) -> None:
    """Every image of the deployment, whether its repository has it, and how many findings its scan has."""
    clients = context.connect()
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
    found = image_push.images(clients.ecr, deployed.image_uris, root)
    scans: dict[str, ImageScan] = {}
    if not clients.is_local and any(image.is_pushed for image in found):
        running = {image.name: image for image in running_images(clients.batch, deployed)}
        scans = {image.name: scan_summary(clients.ecr, running[image.name]) for image in found if image.is_pushed}
    rows = [
        (
            image.name,
            image.uri,
            "not needed" if clients.is_local else image.state(),
            scans[image.name].summary() if image.name in scans else "",
        )
        for image in found
    ]
    context.emit(
        {"images": [_document(image, scans.get(image.name)) for image in found]},
        text=text_table(("image", "uri", "state", "findings"), rows),
    )
    if clients.is_local:
        context.say("a local cloud needs no images: it runs the folders themselves")


images.add_command(push)


@images.command()
@click.argument("images", metavar="[IMAGE]...", nargs=-1)
@click.option(
    "--fail-on",
    type=click.Choice([name for name in SEVERITIES if not name.startswith("UN")], case_sensitive=False),
    help="Exit code 1 where a finding is of this severity or a worse one, or an image's scan is not done.",
)
@click.option(
    "--worst",
    type=click.IntRange(min=0),
    default=_WORST,
    help=f"Findings shown of each image, worst first (default: {_WORST}); --json has all.",
)
@common_options
@pass_context
def findings(context: Context, *, images: tuple[str, ...], fail_on: str | None, worst: int) -> None:
    """What ECR's scans found in the images that the deployment runs: all of them, or each IMAGE.

    An image is named by its folder. Its worst findings are told with package, version, CVE and the version that has it
    fixed, where the scan tells that: enhanced scanning does, basic scanning does not.
    """
    clients = context.connect()
    asked = _asked(context, clients, images, "scans no image")
    scans = [(image, image_scan(clients.ecr, image)) for image in asked]
    context.emit(
        {"images": [_scan_document(image, scan) for image, scan in scans]},
        text="\n".join(_scan_text(image, scan, worst) for image, scan in scans),
    )
    failing = [f"{image.name} ({scan.summary()})" for image, scan in scans if fail_on and scan.reaches(fail_on)]
    if failing:
        raise HpcError(
            f"--fail-on {fail_on}: every scan is done and has no finding of {fail_on} or worse, got "
            f"{', '.join(failing)}; build on a newer base, or wait for the scan"
        )


@images.command()
@click.argument("images", metavar="[IMAGE]...", nargs=-1)
@common_options
@pass_context
def digests(context: Context, *, images: tuple[str, ...]) -> None:
    """The digests of the images that the deployment runs now, as the setting image_digests takes them.

    Of all images, or of each IMAGE, named by its folder. A pin is TAG@sha256:…, so that synth can tell when the folder
    was edited since.
    """
    clients = context.connect()
    found = pins(clients.ecr, _asked(context, clients, images, "has no digests"))
    lines = [f"    {json.dumps(name)}: {json.dumps(pin)}," for name, pin in found.items()]
    context.emit({"image_digests": found}, text="\n".join(["image_digests={", *lines, "},"]))


def _asked(context: Context, clients: AwsClients, names: tuple[str, ...], local_cloud: str) -> list[RunningImage]:
    if clients.is_local:
        raise InputError(
            f"--local: a local cloud runs the images' folders themselves and {local_cloud}, got --local; leave it out"
        )
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=False)
    return chosen(running_images(clients.batch, deployed), names)


def _document(image: image_push.Image, scan: ImageScan | None) -> dict[str, object]:
    return {
        "image": image.name,
        "uri": image.uri,
        "pushed": image.is_pushed,
        "folder": str(image.folder),
        "current": image.is_current,
        "scanned": scan.is_done if scan else False,
        "findings": dict(scan.counts) if scan and scan.is_done else None,
    }


def _scan_document(image: RunningImage, scan: ImageScan) -> dict[str, object]:
    return {
        "image": image.name,
        **image.image_id(),
        "scanned": scan.is_done,
        "state": scan.state,
        "counts": dict(scan.counts),
        "findings": [finding.document() for finding in scan.findings],
    }


def _scan_text(image: RunningImage, scan: ImageScan, worst: int) -> str:
    lines = [f"{image.name}: {scan.summary()}"]
    shown = scan.findings[:worst]
    if shown:
        rows = [(one.severity, one.name, one.package, one.version, one.fixed_in or "-", one.uri) for one in shown]
        table = text_table(("severity", "name", "package", "version", "fixed in", ""), rows, width=terminal_width())
        lines += [f"  {line}" for line in table.splitlines()]
    if len(scan.findings) > len(shown):
        lines.append(f"  and {len(scan.findings) - len(shown):,} more")
    return "\n".join(lines)
