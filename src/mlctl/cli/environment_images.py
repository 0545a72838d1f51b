"""`mlctl environment build` and `list-images`: environments as container images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from mlctl.cli.assets import Label, ListedName, RegistryName, Version, desk_of, one_of
from mlctl.cli.command import command
from mlctl.cli.names import complete_assets, complete_computes
from mlctl.cli.options import MaxResults, NoCache, OptionalFile, PushTarget, SetValues, WriteContext
from mlctl.context import Context
from mlctl.errors import MlctlError, UsageError
from mlctl.output.streams import Level

if TYPE_CHECKING:
    from mlctl.entities.environment import Environment
    from mlctl.operations.images import ImageDesk

_TAIL_BYTES = 4096


@command
def build(
    context: Context,
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", metavar="NAME", autocompletion=complete_assets, help="A registered environment."),
    ] = None,
    version: Version = None,
    label: Label = None,
    registry_name: RegistryName = None,
    file: OptionalFile = None,
    set_: SetValues = None,
    push: PushTarget = None,
    platform: Annotated[str | None, typer.Option("--platform", metavar="OS/ARCH", help="Such as linux/arm64.")] = None,
    no_cache: NoCache = False,
    compute: Annotated[
        str | None,
        typer.Option(
            "--compute", metavar="COMPUTE", autocompletion=complete_computes, help="Build on this compute's engine."
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Build on the engine at this address.")
    ] = None,
    write_context: WriteContext = None,
) -> dict[str, Any]:
    """Build the image of an environment, unless it is there, and push it.

    Image and digest are printed, the build's log goes to stderr. Jobs of the docker back end use the same image.
    """
    from mlctl.backends.base import ImageOrder
    from mlctl.operations import images

    environment = _environment(
        context, name=name, version=version, label=label, registry=registry_name, file=file, set_=set_
    )
    if write_context is not None:
        for option, given in (("--push", push), ("--compute", compute), ("--host", host)):
            if given:
                raise UsageError(f"{option} needs the image, and --write-context builds none")
        return images.write_context(environment, context.settings, write_context, platform=platform)
    desk, order = image_desk(context), ImageOrder(host=host, platform=platform, no_cache=no_cache)
    with shown_log(context) as log:
        image = images.build(desk, environment, order, log, compute=compute)
        if push is not None:
            image = images.push(desk, image, push, log, compute=compute)
    return {**images.describe(image), "built": image.fresh}


@command(name="list-images", view="environment list-images")
def list_images(
    context: Context, *, name: ListedName = None, version: Version = None, max_results: MaxResults = None
) -> list[dict[str, Any]]:
    """List the images that were made of environments, newest first, and where they were pushed to."""
    from mlctl.operations import images

    if version is not None and name is None:
        raise UsageError("--version needs the environment's name", hint="give --name too")
    return images.list_images(context.store, name, version, max_results)


def _environment(
    context: Context,
    *,
    name: str | None,
    version: str | None,
    label: str | None,
    registry: str | None,
    file: Path | None,
    set_: Any,
) -> Environment:
    from mlctl.operations.images import environment_in, registered_environment

    one_of(version, label)
    if (name is None) == (file is None):
        raise UsageError(
            "build needs either a registered environment or a file",
            hint="mlctl environment build --name NAME, or --file environment.yml",
        )
    if file is None and name is not None:
        if set_:
            raise UsageError("--set changes a file, and a registered version never changes", hint="give --file")
        return registered_environment(desk_of(context, registry), name, version=version, label=label)
    assert file is not None
    if version or label or registry:
        raise UsageError(
            "--version, --label and --registry-name belong to a registered environment", hint="give --name"
        )
    environment, warnings = environment_in(file, set_ or ())
    context.say.warnings(warnings)
    return environment


def image_desk(context: Context) -> ImageDesk:
    from mlctl.operations.images import ImageDesk

    return ImageDesk(context.store, context.settings, context.backend)


@contextmanager
def shown_log(context: Context) -> Iterator[BinaryIO]:
    """A log that goes to stderr; with --only-show-errors only its end, and only when something went wrong."""
    log = _Log(context)
    try:
        yield cast("BinaryIO", log)
    except MlctlError:
        context.streams.write_log(bytes(log.kept[-_TAIL_BYTES:]))
        raise


class _Log(io.RawIOBase):
    def __init__(self, context: Context) -> None:
        self._context = context
        self._shows = context.say.level > Level.ERROR
        self.kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self._shows:
            self._context.streams.write_log(bytes(data))
        else:
            self.kept = (self.kept + data)[-2 * _TAIL_BYTES :]
        return len(data)
