"""An online deployment whose spec passed every check and whose references were looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mlctl.entities.environment import Environment


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The model of a deployment. `content`: digest of its files; `base`: the file's or folder's own name, which a
    scoring script joins to AZUREML_MODEL_DIR; `reference`: azureml:name:version for a registered one."""

    name: str
    version: str
    content: str
    base: str
    type: str = "custom_model"
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """How a replica is watched; seconds and counts. Defaults are Azure ML's."""

    initial_delay: int = 10
    period: int = 10
    timeout: int = 2
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """Limits of requests, in milliseconds and counts. Defaults are Azure ML's."""

    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1
    max_queue_wait_ms: int = 500


@dataclass(frozen=True, slots=True)
class Route:
    """A port and a path of a custom container."""

    path: str
    port: int


@dataclass(frozen=True, slots=True)
class OnlineDeployment:
    """What is to be served. `code`: digest of the scoring code; `script`: the entry script in it.

    `environment` None: the model is an MLflow model and brings its own. `routes`: scoring, liveness and readiness of a
    custom container, empty for Azure ML's own server. `source` and `lines` as of a job, for messages.
    """

    endpoint: str
    name: str
    model: ModelFiles | None
    code: str | None
    script: str | None
    environment: Environment
    no_code: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    instances: int = 1
    instance_type: str | None = None
    liveness: Probe = field(default_factory=Probe)
    readiness: Probe = field(default_factory=Probe)
    requests: RequestSettings = field(default_factory=RequestSettings)
    routes: dict[str, Route] = field(default_factory=dict)
    model_mount_path: str | None = None
    collector: dict[str, Any] | None = None
    document: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    lines: dict[str, int] = field(default_factory=dict)

    def where(self, key: str) -> str:
        """`file:line: ` of a dotted key, or of its nearest parent; empty when the file is not known."""
        while key and key not in self.lines:
            key = key.rpartition(".")[0]
        if not self.source:
            return ""
        line = self.lines.get(key)
        return f"{self.source}:{line}: " if line else f"{self.source}: "
