"""Versions of assets as plain data, the same in a registry and in the file that carries one to another place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mlctl.entities.asset import ASSET_KINDS, Asset, can_be_named
from mlctl.registry.content import is_digest

_TEXTS = ("name", "version", "type", "fingerprint", "created_by")
_OPTIONAL_TEXTS = ("path", "content", "stage", "description")
_MAPS = ("tags", "properties", "document")
_NUMBERS = ("created_at", "modified_at")
_FIELDS = ("kind", *_TEXTS, *_OPTIONAL_TEXTS, *_MAPS, *_NUMBERS, "anonymous")


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
    return asset, root
