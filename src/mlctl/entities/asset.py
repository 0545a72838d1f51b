"""Assets: data, models, environments and components, each a name with versions that never change.

Field names are those of `az ml data|model|environment|component show`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DATA, MODEL, ENVIRONMENT, COMPONENT = "data", "model", "environment", "component"

ASSET_KINDS = (DATA, MODEL, ENVIRONMENT, COMPONENT)
"""The kinds, as the groups of az are called."""

AREAS = {DATA: "data", MODEL: "models", ENVIRONMENT: "environments", COMPONENT: "components"}
"""Kind -> its word in long addresses (azureml://registries/<r>/models/…)."""

ANONYMOUS_ENVIRONMENT = "CliV2AnonymousEnvironment"
"""Azure ML's name for environments that a job holds inside; the version is the digest of what it is made of."""

LATEST = "latest"
"""The label of the newest version that is not archived."""

DATA_TYPES = ("uri_file", "uri_folder", "mltable")
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")


UPDATABLE = ("description", "tags", "properties", "stage")
"""What may change in a version; it keeps everything else."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One version of an asset. Times are seconds since the epoch (UTC).

    `type`: uri_file, custom_model, command …; empty for an environment. `path`: the address of its files, None when it
    has none. `content`: the digest of its files in the content store, None when only the address is kept.
    `document`: the other fields of the spec as az shows them. `fingerprint`: changes when, and only when, something
    changes that a version must keep. `properties["azureml…"]` are facts that Azure ML or mlctl noted. `registry`: the
    shared registry that it is in, empty for an asset of the workspace.
    """

    kind: str
    name: str
    version: str
    type: str = ""
    path: str | None = None
    content: str | None = None
    fingerprint: str = ""
    stage: str | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    archived: bool = False
    anonymous: bool = False
    created_at: float = 0.0
    created_by: str = ""
    modified_at: float = 0.0
    document: dict[str, Any] = field(default_factory=dict)
    sequence: int = 0
    registry: str = ""

    @property
    def reference(self) -> str:
        """How a spec of this workspace names it."""
        if self.registry:
            return f"azureml://registries/{self.registry}/{AREAS[self.kind]}/{self.name}/versions/{self.version}"
        return f"azureml:{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class AssetName:
    """All versions of one name. `latest_version` is None when every version is archived."""

    kind: str
    name: str
    latest_version: str | None
    next_version: str
    archived: bool = False
    created_at: float = 0.0


# a tag as JSON has it
_ESCAPED_TAG = re.compile(r"\\u2026[0-9a-f]{8}")


def fingerprint_of(asset: Asset) -> str:
    """SHA-256 of what a version must keep: kind, type, its files (or their address) and the fields of the spec.

    A new signature in an address is no other address.
    """
    return hashlib.sha256(_comparable(kept_fields(asset)).encode()).hexdigest()


def _comparable(value: Any) -> str:
    return _ESCAPED_TAG.sub(r"\\u2026", json.dumps(value, sort_keys=True))


def kept_fields(asset: Asset) -> dict[str, Any]:
    """The fields of an asset that its version must keep, by name."""
    # files are known by their content, wherever they came from
    files = {"content": asset.content} if asset.content else {"path": asset.path}
    return {"kind": asset.kind, "type": asset.type, **files, **asset.document}


def differences(before: Asset, after: Asset) -> dict[str, tuple[Any, Any]]:
    """Field -> (before, after) of what two assets must keep and do not share."""
    old, new = kept_fields(before), kept_fields(after)
    keys = sorted({*old, *new})
    return {key: (old.get(key), new.get(key)) for key in keys if _comparable(old.get(key)) != _comparable(new.get(key))}


def next_number(versions: Mapping[str, Any] | list[str]) -> int:
    """One more than the highest of the versions that are numbers."""
    return max((number_of(version) or 0 for version in versions), default=0) + 1


def can_be_named(text: str) -> bool:
    """Whether a text can be the name, the version or the label of an asset: what others wrote becomes a path here."""
    return (
        text not in ("", ".", "..")
        and text.isprintable()
        and not any(sign in text for sign in "/\\")
        and len(text.encode()) <= 255
    )


def number_of(version: str) -> int | None:
    """The number that a version is; None for a word, and for more digits than a counter has (of 64 bits)."""
    return int(version) if version.isascii() and version.isdigit() and len(version) <= 18 else None
