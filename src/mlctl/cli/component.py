"""`mlctl component …`: steps of pipelines under a name and a version."""

from __future__ import annotations

from typing import Any

from mlctl.cli.assets import (
    NewVersion,
    RegistryName,
    archive_verb,
    created,
    label_verb,
    list_verb,
    show_verb,
    update_verb,
)
from mlctl.cli.command import Accepted, command
from mlctl.cli.lineage import used_by_verb, why_verb
from mlctl.cli.options import POLICY, File, NewName, SetValues
from mlctl.cli.sharing import share_verb
from mlctl.cli.words import FLAG
from mlctl.context import Context
from mlctl.entities.asset import COMPONENT


@command(accepted=(*POLICY, Accepted(("--skip-validation",), FLAG)))
def create(
    context: Context,
    *,
    file: File,
    name: NewName = None,
    version: NewVersion = None,
    set_: SetValues = None,
    registry_name: RegistryName = None,
) -> dict[str, Any]:
    """Create a version of a component from a YAML file; its code folder is stored with it.

    Without a version it gets the next number. The same version with other content is refused (exit 6).
    """
    return created(context, COMPONENT, file, set_, {"name": name, "version": version}, registry=registry_name)


show = show_verb(COMPONENT)
list_ = list_verb(COMPONENT)
update = update_verb(COMPONENT)
archive = archive_verb(COMPONENT, archived=True)
restore = archive_verb(COMPONENT, archived=False)
label = label_verb(COMPONENT)
share = share_verb(COMPONENT)
why = why_verb(COMPONENT)
used_by = used_by_verb(COMPONENT)


@command(accepted=(*POLICY, Accepted(("--registry-name",))))
def prepare_for_sign(context: Context, *, file: File) -> None:
    """Write the catalog of a component's code folder (catalog.json, catalog.json.sig), ready to be signed."""
    from mlctl.operations.signing import prepare_for_sign as write_catalog

    for path in write_catalog(file):
        context.say.info(f"wrote {path}")
