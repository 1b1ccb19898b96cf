"""`hpc images`: what the deployment's job definitions need in ECR."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from runner import deployment, image_push
from runner.cdk_app import CHECKOUT
from runner.cli.options import Context, common_options, pass_context

_root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=CHECKOUT / "containers",
    help="Folder of the image folders (default: containers/ of the checkout).",
)


@click.group()
@common_options
def images() -> None:
    """Container images that a deployment needs in ECR.

    Each is built from one folder, has one repository, and is tagged with the hash of the folder's content.
    """


@images.command("list")
@_root_option
@common_options
@pass_context
def list_(context: Context, *, root: Path) -> None:
    """Every image of the deployment, and whether its repository has it."""
    clients = context.connect()
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
    found = image_push.images(clients.ecr, deployed.image_uris, root)
    context.emit(
        {"images": [_document(image) for image in found]},
        text="\n".join(f"{image.name}  {image.uri}  {image.state()}" for image in found),
    )


@images.command()
@_root_option
@click.option("--engine", type=click.Choice(image_push.ENGINES), help="Container engine (default: the first there is).")
@click.option("--dry-run", is_flag=True, help="Show the commands; run none.")
@common_options
@pass_context
def push(context: Context, *, root: Path, engine: str | None, dry_run: bool) -> None:
    """Build and push what the deployment's repositories lack; what is there already is left alone.

    Needs docker, podman or buildah. A local cloud needs no images: it runs the folders themselves.
    """
    clients = context.connect()
    deployed = deployment.read(clients.cloudformation, context.deployment, is_local=clients.is_local)
    wanted = image_push.missing(image_push.images(clients.ecr, deployed.image_uris, root))
    pushed = [image.uri for image in wanted]
    if dry_run:
        chosen = engine or image_push.ENGINES[0]
        lines = [shlex.join(command) for image in wanted for command in image_push.commands(image, chosen)]
        context.emit({"missing": pushed, "commands": lines}, text="\n".join(lines))
        return
    if clients.is_local:
        # The repositories' names are AWS's: an engine would take the images to a registry of a real account.
        context.emit({"pushed": []}, text="")
        context.say("a local cloud needs no images: it runs the folders themselves")
        return
    if wanted:
        image_push.push(clients.ecr, wanted, engine or image_push.find_engine(), image_push.run_command)
    context.emit({"pushed": pushed}, text="\n".join(pushed))
    if not wanted:
        context.say("every image is there already")


def _document(image: image_push.Image) -> dict[str, object]:
    return {
        "image": image.name,
        "uri": image.uri,
        "pushed": image.is_pushed,
        "folder": str(image.folder),
        "current": image.is_current,
    }
