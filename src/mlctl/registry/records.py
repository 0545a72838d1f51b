"""Versions of assets as plain data, the same in a registry and in the file that carries one to another place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlctl.entities.asset import ASSET_KINDS, Asset, can_be_named
from mlctl.registry.content import is_digest
from mlctl.spec.references import ASSET, FILE, GIT, LOCAL, REMOTE, RUN, parse

_TEXTS = ("name", "version", "type", "fingerprint", "created_by")
_OPTIONAL_TEXTS = ("path", "content", "stage", "description")
_MAPS = ("tags", "properties", "document")
_NUMBERS = ("created_at", "modified_at")
_FIELDS = ("kind", *_TEXTS, *_OPTIONAL_TEXTS, *_MAPS, *_NUMBERS, "anonymous")


class PrivateAddressError(ValueError):
    """A record that names what each machine or workspace has its own of; see `private_address`."""


def record_of_asset(asset: Asset, root: str) -> dict[str, Any]:
    """A version as data. `root`: the name of the file or (with `/` at its end) folder that its content is.

    An asset whose content goes along has no path: that was the place it came from.
    """
    facts = asdict(asset)
    return {**{field: facts[field] for field in _FIELDS}, "path": None if asset.content else asset.path, "root": root}


def asset_from_record(record: Mapping[str, Any]) -> tuple[Asset, str]:
    """The asset and the root. Raises KeyError, TypeError or ValueError for data that nobody of us wrote."""
    asset = Asset(**{field: record[field] for field in _FIELDS})
    root = record["root"]
    plain = root.removesuffix("/")
    sound = (
        asset.kind in ASSET_KINDS
        and all(isinstance(record[field], str) for field in _TEXTS)
        and all(isinstance(record[field], (str, type(None))) for field in _OPTIONAL_TEXTS)
        and all(isinstance(record[field], dict) for field in _MAPS)
        and all(isinstance(record[field], (int, float)) for field in _NUMBERS)
        and all(isinstance(value, str) for field in ("tags", "properties") for value in record[field].values())
        and isinstance(record["anonymous"], bool)
        and can_be_named(asset.name)
        and can_be_named(asset.version)
        and (asset.content is None or is_digest(asset.content))
        and plain not in (".", "..")
        and not any(sign in plain for sign in "/\0")
    )
    if not sound:
        raise ValueError(f"{asset.kind} {asset.name} {asset.version}")
    if private := private_address(asset):
        raise PrivateAddressError(
            f"{asset.kind} {asset.name}:{asset.version} names {private!r} of its reader's machine"
        )
    return asset, root


def private_address(asset: Asset) -> str | None:
    """What a version names that each machine or workspace has its own of: a local path, a datastore, a job's output.

    Nobody may have such a thing read by others: it would bring them a file of their own machine. None when all that
    it names is the same for everybody.
    """
    build = asset.document.get("build")
    places = [asset.document.get("code"), build.get("path") if isinstance(build, dict) else None]
    if asset.content is None and asset.path is not None and not _is_the_same_everywhere(asset.path):
        return asset.path
    for place in places:
        if place is not None and (not isinstance(place, str) or _is_of_the_machine(place)):
            return str(place)
    return None


def _is_the_same_everywhere(path: str) -> bool:
    reference = parse(path)
    return reference.kind == REMOTE or (reference.kind == ASSET and reference.registry is not None)


def _is_of_the_machine(place: str) -> bool:
    """Whether code or a build context is read from a path. What only a workspace has cannot be reached, at worst."""
    reference = parse(place)
    if reference.kind == GIT:
        return not (reference.path or "").startswith(("https://", "http://", "ssh://", "git@"))
    return reference.kind in (LOCAL, FILE, RUN)
