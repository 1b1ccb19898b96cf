"""Images in the container engine, built from the folders that their tags name."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections import defaultdict
from pathlib import Path

from image_tags import image_files
from local_batch.executors.build_output import BuildError
from local_batch.executors.container_engine import ContainerEngine, EngineImage
from local_batch.executors.docker_api import DockerApiError
from local_batch.executors.errors import CannotCreateContainerError, CannotPullContainerError
from local_batch.executors.image_store import ImageStore

BASE_IMAGE_ARGUMENT = "BASE_IMAGE"
"""The build argument of a Dockerfile that names its base: `ARG BASE_IMAGE=…` before `FROM ${BASE_IMAGE}`."""

BASE_LABEL = "local-batch.base-image"
"""The base image that was asked for; empty: the Dockerfile's own."""

BUILDER_LABEL = "local-batch.built-by"
"""The token of the local cloud's state directory (marker.py)."""

BUILDS_AT_ONCE = 2


class ContainerImages:
    """Builds an image when it is first needed, and not again as long as the engine has it."""

    def __init__(self, folders: ImageStore, *, token: str, base_image: str | None) -> None:
        """`base_image` replaces the base of every Dockerfile that lets it be named."""
        self._folders = folders
        self._token = token
        self._base_image = base_image
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._builds = asyncio.Semaphore(BUILDS_AT_ONCE)

    async def ensure(self, reference: str, engine: ContainerEngine) -> EngineImage:
        """The engine's image `repository:tag`, built where the engine does not have it.

        Raises CannotPullContainerError where no folder has that tag or its base is not to be had,
        CannotCreateContainerError where the build fails; the engine's own errors pass through.
        """
        # By the tag alone: whatever repository it is said to be of, the folder is the same.
        async with self._locks[reference.rpartition(":")[2]]:
            image = await engine.image(reference)
            if image is not None and self._is_right(image):
                return image
            await self._build(reference, engine)
            image = await engine.image(reference)
        if image is None:
            raise CannotPullContainerError(f"{reference}: it was removed from the engine as soon as it was built")
        return image

    def _is_right(self, image: EngineImage) -> bool:
        """One that was built elsewhere, from the same folder on the Dockerfile's own base, is."""
        return image.labels.get(BASE_LABEL, "") == (self._base_image or "")

    async def _build(self, reference: str, engine: ContainerEngine) -> None:
        folder = await asyncio.to_thread(self._folders.folder, reference)
        context = await asyncio.to_thread(_archive, folder)
        arguments = {} if self._base_image is None else {BASE_IMAGE_ARGUMENT: self._base_image}
        labels = {BASE_LABEL: self._base_image or "", BUILDER_LABEL: self._token}
        try:
            async with self._builds:
                await engine.build(reference, context, arguments=arguments, labels=labels)
        except BuildError as error:
            if error.lacks_base:
                raise CannotPullContainerError(
                    f"{reference}: its base image is not to be had:\n{error}\nname one that is, with --base-image"
                ) from error
            raise CannotCreateContainerError(f"{reference}: its build failed:\n{error}") from error
        except DockerApiError as error:
            raise CannotCreateContainerError(f"{reference}: its build failed:\n{error}") from error


def _archive(folder: Path) -> bytes:
    """The build's context. What .dockerignore leaves out, the engine leaves out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for relative in image_files(folder):
            archive.add(folder / relative, arcname=relative.as_posix(), filter=_as_root)
    return buffer.getvalue()


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
