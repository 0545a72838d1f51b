"""Datastores: places for files, with the way to their credentials. Field names are those of the YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BUILT_IN = ("workspaceblobstore", "workspacefilestore", "workspaceartifactstore", "workspaceworkingdirectory")
"""The datastores that every workspace has, as in Azure ML; here they are folders of the workspace."""

LOCAL_FOLDER = "local_folder"
"""mlctl's own type: a folder of this machine, such as a mounted NFS or SMB share."""

S3 = "s3"
"""mlctl's own type: a bucket of S3 or of what speaks like it (MinIO)."""


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore. `created_at` is seconds since the epoch (UTC).

    `type`: azure_blob, azure_file, azure_data_lake_gen2, one_lake …, and mlctl's own local_folder and s3. `settings`:
    the type's own keys (account_name, container_name, endpoint, …). `credentials`: which kind, and where each secret is
    found (a variable, a file, the keyring); never the secret itself.
    """

    name: str
    type: str
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    credentials: dict[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
