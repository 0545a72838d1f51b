"""Endpoints and deployments as a workspace keeps them. Field names are those of `az ml online-endpoint show`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ONLINE, BATCH = "online", "batch"

CREATING, UPDATING, DELETING = "Creating", "Updating", "Deleting"
SUCCEEDED, FAILED = "Succeeded", "Failed"
"""Provisioning states, in Azure's words."""

KEY, TOKEN, AAD = "key", "aml_token", "aad_token"
AUTH_MODES = (KEY, TOKEN, AAD)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint. `host` and `port`: where it listens. `traffic`, `mirror_traffic`: deployment -> percent.

    `stopped`: the user stopped it; it is started again by the user only. Times are seconds since the epoch (UTC).
    """

    name: str
    kind: str = ONLINE
    auth_mode: str = KEY
    host: str = "127.0.0.1"
    port: int = 0
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    mirror_traffic: dict[str, int] = field(default_factory=dict)
    provisioning_state: str = SUCCEEDED
    stopped: bool = False
    created_at: float = 0.0
    created_by: str = ""
    modified_at: float = 0.0
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment of an endpoint. `document` holds the fields of the spec as az shows them.

    `generation` grows with each change that needs new processes; `active` is the one that answers, 0 for none yet.
    `error` is {"code", "message", "hint"?} when the wanted generation could not be started.
    """

    endpoint: str
    name: str
    backend: str
    generation: int = 1
    active: int = 0
    provisioning_state: str = CREATING
    error: dict[str, Any] | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    created_by: str = ""
    modified_at: float = 0.0
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """One entry of an endpoint's history: the weights and the deployments after it."""

    sequence: int
    endpoint: str
    at: float
    by: str
    what: str
    traffic: dict[str, int]
    mirror_traffic: dict[str, int]
    deployments: dict[str, Any]
