"""`hpc images push`: images built here by a container engine, or in the cloud by the deployment's build project."""

from __future__ import annotations

import platform
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner import deployment, image_push
from runner.cdk_app import CHECKOUT
from runner.cli.options import Context, common_options, pass_context
from runner.errors import HpcError, InputError
from runner.image_archive import pack
from runner.image_build import BuildPlace, ImageBuild

if TYPE_CHECKING:
    from runner.aws import AwsClients


@click.command()
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=CHECKOUT / "containers",
    help="Folder of the image folders (default: containers/ of the checkout).",
)
@click.option("--engine", type=click.Choice(image_push.ENGINES), help="Container engine (default: the first there is).")
@click.option("--in-cloud", is_flag=True, help="Have the deployment's CodeBuild project build and push.")
@click.option("--dry-run", is_flag=True, help="Show the commands, or the build's request; run none.")
@common_options
@pass_context
def push(context: Context, *, root: Path, engine: str | None, in_cloud: bool, dry_run: bool) -> None:
    """Build and push what the deployment's repositories lack; what is there already is left alone.

    Needs docker, podman or buildah; with --in-cloud none. Images are built for the CPU architecture of the deployment's
    job definitions. A local cloud needs no images: it runs the folders themselves.
    """
    if in_cloud and engine:
        raise InputError(f"--engine: is for builds here, got {engine!r} with --in-cloud; leave one of them out")
    clients = context.connect()
    if in_cloud and clients.is_local:
        raise InputError(
            "--in-cloud: a local cloud has no build service and needs no images, for it runs the folders themselves, "
            "got --local; leave one of them out"
        )
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
    wanted = image_push.missing(image_push.images(clients.ecr, deployed.image_uris, root))
    if in_cloud:
        _push_in_cloud(context, clients, deployed, wanted, root, dry_run=dry_run)
    else:
        _push_from_here(context, clients, deployed, wanted, engine, dry_run=dry_run)


def _push_from_here(
    context: Context,
    clients: AwsClients,
    deployed: deployment.Deployment,
    wanted: list[image_push.Image],
    engine: str | None,
    *,
    dry_run: bool,
) -> None:
    pushed = [image.uri for image in wanted]
    architecture = deployed.cpu_architecture
    if dry_run:
        shown = engine or image_push.ENGINES[0]
        lines = [shlex.join(command) for image in wanted for command in image_push.commands(image, shown, architecture)]
        context.emit({"missing": pushed, "commands": lines}, text="\n".join(lines))
        return
    if clients.is_local:
        # The repositories' names are AWS's: an engine would take the images to a registry of a real account.
        context.emit({"pushed": []}, text="")
        context.say("a local cloud needs no images: it runs the folders themselves")
        return
    if wanted:
        emulation = image_push.explain_emulation(architecture, platform.machine())
        if emulation:
            context.say(emulation)
        image_push.push(clients.ecr, wanted, engine or image_push.find_engine(), architecture, image_push.run_command)
    _told(context, pushed)


def _push_in_cloud(
    context: Context,
    clients: AwsClients,
    deployed: deployment.Deployment,
    wanted: list[image_push.Image],
    root: Path,
    *,
    dry_run: bool,
) -> None:
    if deployed.image_build_project is None:
        raise InputError(
            f"--in-cloud: needs the image builder of the stacks, got deployment {deployed.name} without one; deploy "
            "with the setting has_image_builder, or push with a container engine"
        )
    place = BuildPlace(
        project=deployed.image_build_project, bucket=deployed.bucket, builds_prefix=deployed.builds_prefix
    )
    pushed = [image.uri for image in wanted]
    if not wanted:
        _told(context, pushed, **({"missing": []} if dry_run else {}))
        return
    archive = pack(wanted, CHECKOUT / "containers" / "builder")
    if dry_run:
        request = place.request(archive, None)
        text = "\n".join(
            [*pushed, f"s3://{place.source(archive)} ({len(archive.content):,} bytes)", shlex.join(_shown(request))]
        )
        context.emit({"missing": pushed, "source": place.source(archive), "request": request}, text=text)
        return
    build = ImageBuild(
        place, codebuild=clients.codebuild, s3=clients.s3, logs=clients.logs, say=context.say, sleep=time.sleep
    )
    build_id = build.run(archive)
    uris = {image.name: image.uri for image in wanted}
    absent = [image.name for image in image_push.images(clients.ecr, uris, root) if not image.is_pushed]
    if absent:
        raise HpcError(
            f"build {build_id}: has pushed what it was sent, got none of {', '.join(absent)} in the repositories "
            "though it succeeded; see its log"
        )
    _told(context, pushed, build=build_id)


def _shown(request: dict[str, str]) -> list[str]:
    """As the AWS command line would be told it."""
    names = {"projectName": "--project-name", "sourceTypeOverride": "--source-type-override"}
    names["sourceLocationOverride"] = "--source-location-override"
    return [
        "aws",
        "codebuild",
        "start-build",
        *(part for key, value in request.items() for part in (names[key], value)),
    ]


def _told(context: Context, pushed: list[str], **more: object) -> None:
    context.emit({"pushed": pushed, **more}, text="\n".join(pushed))
    if not pushed:
        context.say("every image is there already")
