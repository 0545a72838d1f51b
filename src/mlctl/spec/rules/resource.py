"""Ids of Azure resources: `/subscriptions/<id>/resourceGroups/<group>/providers/<provider>/<type>/<name>`."""

from __future__ import annotations

import re

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.parts import is_placeholder, text

_ID = r"(?i)(?:azureml:)?/?subscriptions/[^/]+/resourcegroups/[^/]+/providers/([^/]+(?:/[^/]+)+)/?"


def check_resource_id(spec: SpecCheck, path: KeyPath, *types: str, fill: bool = True) -> None:
    """A key holds the id of an Azure resource, of one of these types (`Microsoft.Compute/virtualMachines`).

    `fill`: an id with a `<placeholder>` in it is a warning.
    """
    given = text(spec, *path)
    if given is None or "${{" in given:
        return
    found = re.fullmatch(_ID, given)
    wanted = types[0] if types else "<provider>/<type>"
    hint = f"write /subscriptions/<id>/resourceGroups/<group>/providers/{wanted}/<name>"
    if found is None:
        message = f"'{dotted(path)}' is not the id of an Azure resource: '{given}'"
        spec.error("invalid_reference", path, message, value=given, hint=hint)
    elif types and _type_of(found[1]).lower() not in {name.lower() for name in types}:
        listed = " or ".join(types)
        message = f"'{dotted(path)}' names a {_type_of(found[1])}, {listed} is expected"
        spec.error("invalid_reference", path, message, value=given, hint=hint)
    elif fill and is_placeholder(given):
        message = f"'{dotted(path)}' is still to be filled in: '{given}'"
        spec.warn("placeholder", path, message, value=given, hint="write the values in place of <…>")


def _type_of(provider: str) -> str:
    """`Microsoft.Synapse/workspaces/w/bigDataPools/p` is a `Microsoft.Synapse/workspaces/bigDataPools`."""
    namespace, *rest = provider.split("/")
    return "/".join([namespace, *rest[::2]])
