"""Workspaces, hubs, projects, feature stores and registries: names, resource ids, networks, regions."""

from __future__ import annotations

import ipaddress

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.identity import check_identity
from mlctl.spec.rules.names import REGISTRY, WORKSPACE, check_name
from mlctl.spec.rules.parts import maps_in, part, raw, require, text
from mlctl.spec.rules.resource import check_resource_id

_RESOURCES = {
    "storage_account": "Microsoft.Storage/storageAccounts",
    "container_registry": "Microsoft.ContainerRegistry/registries",
    "key_vault": "Microsoft.KeyVault/vaults",
    "application_insights": "Microsoft.Insights/components",
    "workspace_hub": "Microsoft.MachineLearningServices/workspaces",
    "hub_id": "Microsoft.MachineLearningServices/workspaces",
}


def check_workspace(spec: SpecCheck) -> None:
    """A workspace, a hub, a project or a feature store."""
    check_name(spec, ("name",), WORKSPACE)
    check_identity(spec)
    for key, kind in _RESOURCES.items():
        check_resource_id(spec, (key,), kind)
    _check_network_access(spec)
    _check_managed_network(spec)


def check_registry(spec: SpecCheck) -> None:
    """A registry: the regions that it covers, its own among them."""
    check_name(spec, ("name",), REGISTRY)
    regions: KeyPath = ("replication_locations",)
    hint = "add 'replication_locations:' with '- location: <region>', its own region first"
    if not require(spec, regions, hint=hint):
        return
    listed = part(spec, *regions)
    if listed == []:
        spec.error("empty_value", regions, "'replication_locations' is empty", hint="add '- location: <region>'")
    covered = set()
    for path, _ in maps_in(spec, *regions):
        require(spec, (*path, "location"), hint="add 'location: <region>'")
        location = _region(text(spec, *path, "location"))
        if location and location in covered:
            message = f"'{dotted((*path, 'location'))}': {text(spec, *path, 'location')} is listed twice"
            spec.error("conflict", (*path, "location"), message, value=location, hint="list each region once")
        covered.add(location)
        _check_storage(spec, (*path, "storage_config"))
    home = text(spec, "location")
    if home and listed and _region(home) not in covered:
        message = f"'replication_locations' does not list '{home}', the registry's own region"
        spec.warn("missing_key", regions, message, hint=f"add '- location: {home}'")


def _check_storage(spec: SpecCheck, path: KeyPath) -> None:
    accounts = part(spec, *path)
    if isinstance(accounts, list):
        for index in range(len(accounts)):
            check_resource_id(spec, (*path, index), "Microsoft.Storage/storageAccounts")


def _check_network_access(spec: SpecCheck) -> None:
    """Who is not denied, when all others are."""
    acls: KeyPath = ("network_acls",)
    if text(spec, *acls, "default_action") == "Deny" and not part(spec, *acls, "ip_rules"):
        message = "'network_acls' denies everyone: there are no ip_rules"
        hint = "add 'ip_rules:' with '- value: 203.0.113.0/24', or write 'default_action: Allow'"
        require(spec, (*acls, "ip_rules"), hint=hint, message=message)
    for path, _ in maps_in(spec, *acls, "ip_rules"):
        address = text(spec, *path, "value")
        if address is not None and not _is_address(address):
            key = (*path, "value")
            message = f"'{dotted(key)}': '{address}' is no address and no range"
            spec.error("invalid_value", key, message, value=address, hint="such as 203.0.113.7 or 203.0.113.0/24")


def _check_managed_network(spec: SpecCheck) -> None:
    """Outbound rules have one name each, and count where traffic is held back."""
    network: KeyPath = ("managed_network",)
    if not isinstance(raw(spec, *network), dict):
        return
    mode = text(spec, *network, "isolation_mode")
    require(spec, (*network, "isolation_mode"), hint="add 'isolation_mode: allow_internet_outbound'")
    rules: KeyPath = (*network, "outbound_rules")
    if mode == "disabled" and part(spec, *rules):
        message = f"'{dotted(rules)}' counts for nothing with isolation_mode: disabled"
        spec.warn("ignored", rules, message, hint="write 'isolation_mode: allow_only_approved_outbound'")
    names: set[str] = set()
    for path, rule in maps_in(spec, *rules):
        name = rule.get("name")
        if isinstance(name, str) and name in names:
            key = (*path, "name")
            message = f"'{dotted(key)}': there is another rule '{name}'"
            spec.error("conflict", key, message, value=name, hint="give each rule its own name")
        elif isinstance(name, str):
            names.add(name)


def _region(name: str | None) -> str:
    """`East US` and `eastus` are one region."""
    return (name or "").replace(" ", "").lower()


def _is_address(written: str) -> bool:
    try:
        ipaddress.ip_network(written, strict=False)
    except ValueError:
        return False
    return True
