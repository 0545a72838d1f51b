"""`mlctl environment …`: images and packages under a name and a version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli import environment_images
from mlctl.cli.assets import (
    Datastore,
    NewVersion,
    RegistryName,
    archive_verb,
    created,
    label_verb,
    list_verb,
    show_verb,
    update_verb,
)
from mlctl.cli.command import command
from mlctl.cli.lineage import used_by_verb, why_verb
from mlctl.cli.options import POLICY, Description, NewName, NoWait, OptionalFile, SetValues, Tags, parse_tags
from mlctl.cli.sharing import share_verb
from mlctl.context import Context
from mlctl.entities.asset import ENVIRONMENT


@command(accepted=POLICY)
def create(
    context: Context,
    *,
    file: OptionalFile = None,
    name: NewName = None,
    version: NewVersion = None,
    image: Annotated[str | None, typer.Option("--image", "-i", metavar="IMAGE", help="The image.")] = None,
    conda_file: Annotated[
        Path | None, typer.Option("--conda-file", "-c", metavar="FILE", help="Packages that are put on the image.")
    ] = None,
    build_context: Annotated[
        Path | None, typer.Option("--build-context", "-b", metavar="FOLDER", help="Folder with a Dockerfile.")
    ] = None,
    dockerfile_path: Annotated[
        str | None, typer.Option("--dockerfile-path", "-d", metavar="FILE", help="The Dockerfile in that folder.")
    ] = None,
    os_type: Annotated[str | None, typer.Option("--os-type", metavar="linux|windows", help="Operating system.")] = None,
    description: Description = None,
    tags: Tags = None,
    datastore: Datastore = None,
    set_: SetValues = None,
    registry_name: RegistryName = None,
    no_wait: NoWait = False,
) -> dict[str, Any]:
    """Create a version of an environment from a YAML file or from options.

    The conda file and the build context become a part of it. The same version with other content is refused (exit 6).
    """
    del no_wait
    fields: dict[str, Any] = {
        "name": name,
        "version": version,
        "image": image,
        "conda_file": None if conda_file is None else str(conda_file.absolute()),
        "build.path": None if build_context is None else str(build_context.absolute()),
        "build.dockerfile_path": dockerfile_path,
        "os_type": os_type,
        "description": description,
        "tags": parse_tags(tags),
        "datastore": datastore,
    }
    return created(context, ENVIRONMENT, file, set_, fields, registry=registry_name)


show = show_verb(ENVIRONMENT)
list_ = list_verb(ENVIRONMENT)
update = update_verb(ENVIRONMENT)
archive = archive_verb(ENVIRONMENT, archived=True)
restore = archive_verb(ENVIRONMENT, archived=False)
label = label_verb(ENVIRONMENT)
share = share_verb(ENVIRONMENT)
why = why_verb(ENVIRONMENT)
used_by = used_by_verb(ENVIRONMENT)
build = environment_images.build
list_images = environment_images.list_images
