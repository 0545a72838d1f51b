"""Online endpoints: making, showing, traffic, calling them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.entities.clock import Clock, creation_context
from mlctl.entities.endpoint import AAD, AUTH_MODES, KEY, ONLINE, TOKEN, Deployment, Endpoint
from mlctl.entities.tags import texts
from mlctl.errors import ConflictError, UnavailableError, UnsupportedError, UsageError
from mlctl.operations.answering import wait_until_it_answers, wait_until_it_is_routed

if TYPE_CHECKING:
    from mlctl.backends.base import Backend, Endpoints
    from mlctl.entities.lineage import Link
    from mlctl.settings import Settings
    from mlctl.store.workspaces import WorkspaceStore

FIRST_PORT = 5001
"""Ports of endpoints are given out from here: Azure ML's own port of a scoring server."""

UPDATABLE = ("description", "tags", "properties", "traffic", "mirror_traffic", "auth_mode")


@dataclass(frozen=True, slots=True)
class EndpointDesk:
    """What operations on endpoints need. `user`: who is at work, for the history."""

    store: WorkspaceStore
    settings: Settings
    clock: Clock
    connect: Callable[[str], Backend]
    user: str = ""

    def endpoints(self, backend: str = "local") -> Endpoints:
        """The endpoints of a back end. Raises UnsupportedError when it has none."""
        found = self.connect(backend).endpoints
        if found is None:
            raise UnsupportedError(f"the back end '{backend}' has no online endpoints", hint="local and docker have")
        return found

    def keep(
        self, deployment: Deployment, plan: dict[str, Any], what: str, links: Iterable[Link] | None = None
    ) -> Deployment:
        """Keep a new deployment or generation with its plan, both without the secrets in their texts.

        Returns it as it is kept. Raises as `EndpointTable.put_deployment`.
        """
        from mlctl.storage.hidden_texts import conceal

        texts = ("document", "description", "tags", "properties")
        told = replace(deployment, **{name: conceal(getattr(deployment, name), self.store.secrets) for name in texts})
        kept = conceal(plan, self.store.secrets)
        self.store.endpoints.put_deployment(told, kept, what, by=self.user, at=told.modified_at, links=links)
        return told

    def plan(self, endpoint: str, deployment: str, generation: int) -> dict[str, Any]:
        """The plan of a generation, whole. Raises NotFoundError."""
        from mlctl.storage.hidden_texts import reveal

        return dict(reveal(self.store.endpoints.plan(endpoint, deployment, generation), self.store.secrets))


def create(
    desk: EndpointDesk,
    path: Path | None,
    *,
    overrides: Sequence[str] = (),
    fields: Mapping[str, Any] | None = None,
    host: str | None = None,
    port: int | None = None,
) -> tuple[Endpoint, tuple[str, ...]]:
    """Make an endpoint from a file, from options, or from both; it answers 503 until a deployment is ready.

    Raises InvalidSpecError, ConflictError when the name or the port is taken, UsageError without a name.
    """
    from mlctl.spec.asset import load_asset
    from mlctl.storage.hidden_texts import with_hidden_labels

    spec = load_asset("online-endpoint", path, overrides=overrides, fields=fields)
    data = with_hidden_labels(spec.data, desk.store.secrets)
    if not data.get("name"):
        raise UsageError("an endpoint needs a name", hint="add 'name: …' to the file, or give --name")
    warnings = [f"{problem.location}: {problem.message}" for problem in spec.problems]
    now = desk.clock.now()
    endpoint = Endpoint(
        name=str(data["name"]).lower(),
        auth_mode=_auth_mode(data.get("auth_mode"), warnings),
        host=host or "127.0.0.1",
        port=port or 0,
        description=data.get("description"),
        tags=texts(data.get("tags")),
        properties=texts(data.get("properties")),
        traffic={},
        created_at=now,
        created_by=desk.user,
        modified_at=now,
        document={key: data[key] for key in ("identity", "public_network_access", "compute") if key in data},
    )
    # one that an endpoint has is told by its name when the row is written
    if port is not None and port not in desk.store.endpoints.ports() and not _is_free(endpoint.host, port):
        raise ConflictError(f"port {port} of {endpoint.host} is taken", hint="take another, or leave --port out")
    if data.get("traffic") and any(data["traffic"].values()):
        warnings.append("traffic is left at 0: the endpoint has no deployments yet; set it with online-endpoint update")
    endpoint = _insert(desk, endpoint)
    _make_keys(desk, endpoint.name)
    desk.endpoints().look_after(endpoint.name)
    return endpoint, tuple(warnings)


def settle(desk: EndpointDesk, endpoint: Endpoint, *, attempts: int = 5) -> Endpoint:
    """Wait until a new endpoint answers; on another port when somebody else took the one it was given meanwhile.

    Raises UnavailableError, as `wait_until_it_answers`.
    """
    for _ in range(attempts):
        try:
            wait_until_it_answers(desk, endpoint)
        except UnavailableError:
            if _is_free(endpoint.host, endpoint.port):
                raise  # it is something else
        else:
            return endpoint
        endpoint = desk.store.endpoints.update(
            endpoint, "another port", by=desk.user, at=desk.clock.now(), port=_free_port(desk)
        )
        desk.endpoints().look_after(endpoint.name)
    wait_until_it_answers(desk, endpoint)
    return endpoint


def describe(desk: EndpointDesk, endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint in the words of `az ml online-endpoint show`."""
    address = f"http://{_shown_host(endpoint.host)}:{endpoint.port}"
    served = desk.endpoints()
    state = endpoint.provisioning_state
    return {
        **endpoint.document,
        "name": endpoint.name,
        "id": f"azureml://locations/local/workspaces/{desk.store.name}/onlineEndpoints/{endpoint.name}",
        "kind": "Local",
        "location": "local",
        "auth_mode": endpoint.auth_mode,
        "description": endpoint.description,
        "tags": endpoint.tags,
        "properties": endpoint.properties,
        "traffic": endpoint.traffic,
        "mirror_traffic": endpoint.mirror_traffic,
        "provisioning_state": state,
        "scoring_uri": f"{address}/score",
        "openapi_uri": f"{address}/swagger.json",
        "state": "Stopped" if endpoint.stopped else "Running" if served.is_kept(endpoint.name) else "NotRunning",
        "folder": str(served.folder(endpoint.name)),
        "creation_context": creation_context(endpoint.created_at, endpoint.created_by, endpoint.modified_at),
    }


def show(desk: EndpointDesk, name: str) -> dict[str, Any]:
    """One endpoint. Raises NotFoundError."""
    return describe(desk, desk.store.endpoints.get(ONLINE, name))


def list_endpoints(desk: EndpointDesk) -> list[dict[str, Any]]:
    """All online endpoints, by name."""
    return [describe(desk, endpoint) for endpoint in desk.store.endpoints.list(ONLINE)]


def update(
    desk: EndpointDesk,
    name: str,
    changes: Mapping[str, Any],
    *,
    what: str = "update",
    wait: bool = True,
) -> dict[str, Any]:
    """Change description, tags, properties, auth_mode, traffic or mirror traffic; with `wait`, requests follow it then.

    Raises NotFoundError for a deployment that is not there, ConflictError for one that never answered, UsageError for
    percents that make no sense.
    """
    endpoint = desk.store.endpoints.get(ONLINE, name)
    refused = sorted(key for key in changes if key not in UPDATABLE)
    if refused:
        raise UsageError(f"online-endpoint update cannot change {', '.join(refused)}", hint=", ".join(UPDATABLE))
    from mlctl.storage.hidden_texts import with_hidden_labels

    given = with_hidden_labels(changes, desk.store.secrets)
    for key in ("traffic", "mirror_traffic"):
        if key in given:
            given[key] = _checked_traffic(desk, endpoint, given[key] or {}, mirror=key == "mirror_traffic")
    if "auth_mode" in given:
        given["auth_mode"] = _auth_mode(given["auth_mode"], [])
    if "traffic" in given or "mirror_traffic" in given:
        _refuse_both(given.get("traffic", endpoint.traffic), given.get("mirror_traffic", endpoint.mirror_traffic))
    changed = desk.store.endpoints.update(endpoint, what, by=desk.user, at=desk.clock.now(), **given)
    if not changed.stopped:
        desk.endpoints().look_after(name)
        if wait:
            wait_until_it_is_routed(desk, changed)
    return describe(desk, changed)


def start(desk: EndpointDesk, name: str, *, wait: bool = True) -> dict[str, Any]:
    """Start an endpoint with its deployments again, after a stop or a reboot. Raises NotFoundError."""
    endpoint = desk.store.endpoints.get(ONLINE, name)
    if endpoint.stopped:
        endpoint = desk.store.endpoints.update(endpoint, "start", by=desk.user, at=desk.clock.now(), stopped=False)
    _make_keys(desk, name)
    desk.endpoints().look_after(name)
    if wait:
        wait_until_it_answers(desk, endpoint)
    return describe(desk, endpoint)


def stop(desk: EndpointDesk, name: str) -> dict[str, Any]:
    """Stop router and replicas; what is wanted is kept. Raises NotFoundError, UnavailableError."""
    endpoint = desk.store.endpoints.get(ONLINE, name)
    endpoint = desk.store.endpoints.update(endpoint, "stop", by=desk.user, at=desk.clock.now(), stopped=True)
    desk.endpoints().stop(name)
    return describe(desk, endpoint)


def delete(desk: EndpointDesk, name: str) -> None:
    """Stop an endpoint and forget it with its deployments, keys and history. Raises NotFoundError, UnavailableError."""
    endpoint = desk.store.endpoints.get(ONLINE, name)
    served = desk.endpoints()
    desk.store.endpoints.update(endpoint, "delete", by=desk.user, at=desk.clock.now(), stopped=True)
    served.stop(name)
    # the row last: whoever is interrupted here can delete it again
    served.remove(name)
    desk.store.endpoints.delete(ONLINE, name)


def credentials(desk: EndpointDesk, name: str) -> dict[str, Any]:
    """The keys of an endpoint, or a fresh token, in the words of `az ml online-endpoint get-credentials`."""
    from mlctl.serving.keys import issue_token, load_keys

    endpoint = desk.store.endpoints.get(ONLINE, name)
    keys = load_keys(desk.endpoints().folder(name))
    if endpoint.auth_mode == KEY:
        return {"primaryKey": keys.primary, "secondaryKey": keys.secondary}
    token = issue_token(keys, now=desk.clock.now())
    return {
        "accessToken": token.access_token,
        "expiryTimeUtc": token.expires,
        "refreshAfterTimeUtc": token.refresh_after,
        "tokenType": "Bearer",
    }


def regenerate(desk: EndpointDesk, name: str, key_type: str) -> dict[str, Any]:
    """A new primary or secondary key; the old one stops working at once. Raises UsageError with token auth."""
    from mlctl.serving.keys import load_keys, renewed, save_keys

    endpoint = desk.store.endpoints.get(ONLINE, name)
    if endpoint.auth_mode != KEY:
        raise UsageError(f"endpoint '{name}' has auth_mode {endpoint.auth_mode}, which has no keys")
    if key_type.lower() not in ("primary", "secondary"):
        raise UsageError(f"--key-type cannot be {key_type!r}", hint="primary or secondary")
    folder = desk.endpoints().folder(name)
    save_keys(folder, renewed(load_keys(folder), key_type.lower()))
    return credentials(desk, name)


def _insert(desk: EndpointDesk, endpoint: Endpoint) -> Endpoint:
    """Keep a new endpoint, with a port of its own when it has none yet."""
    if endpoint.port:
        desk.store.endpoints.insert(endpoint)
        return endpoint
    while True:
        candidate = replace(endpoint, port=_free_port(desk))
        try:
            desk.store.endpoints.insert(candidate)
        except ConflictError as error:
            # somebody who makes another endpoint now was given the same port
            if "port" not in error.details:
                raise
        else:
            return candidate


def _make_keys(desk: EndpointDesk, name: str) -> None:
    """Keys, unless there are some: whoever made the endpoint may have been killed before it had them."""
    from mlctl.serving.keys import FILE, new_keys, save_keys

    folder = desk.endpoints().folder(name)
    if not (folder / FILE).exists():
        save_keys(folder, new_keys())


def _checked_traffic(
    desk: EndpointDesk, endpoint: Endpoint, given: Mapping[str, Any], *, mirror: bool
) -> dict[str, int]:
    word = "mirror traffic" if mirror else "traffic"
    traffic = {}
    for name, percent in given.items():
        text = str(percent)
        if not text.isascii() or not text.isdigit() or int(text) > (50 if mirror else 100):
            hint = "a whole number of percent from 0 to 50" if mirror else "a whole number of percent from 0 to 100"
            raise UsageError(f"{word} of '{name}' cannot be {percent!r}", hint=hint)
        found = desk.store.endpoints.deployment(endpoint.name, name)
        if int(text) and not found.active:
            raise ConflictError(
                f"deployment '{name}' has never answered (it is {found.provisioning_state}): traffic stays as it was",
                hint=f"mlctl online-deployment get-logs -n {name} -e {endpoint.name}",
            )
        traffic[name] = int(text)
    if mirror and len([one for one in traffic.values() if one]) > 1:
        raise UsageError("only one deployment can have mirror traffic", hint="set the other to 0")
    if not mirror and sum(traffic.values()) not in (0, 100):
        raise UsageError(f"traffic adds up to {sum(traffic.values())}, not to 100", hint='--traffic "blue=90 green=10"')
    return {name: percent for name, percent in traffic.items() if percent or not mirror}


def _refuse_both(traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
    both = sorted(name for name, percent in mirror.items() if percent and traffic.get(name))
    if both:
        raise UsageError(f"deployment '{both[0]}' has traffic and mirror traffic", hint="a mirror gets no live traffic")


def _auth_mode(given: str | None, warnings: list[str]) -> str:
    mode = (given or KEY).lower()
    if mode not in AUTH_MODES:
        raise UsageError(f"auth_mode cannot be {given!r}", hint=f"one of: {', '.join(AUTH_MODES)}")
    if mode == AAD:
        warnings.append("auth_mode aad_token needs Microsoft Entra: this endpoint gives out its own tokens (aml_token)")
        return TOKEN
    return mode


def _free_port(desk: EndpointDesk) -> int:
    taken = desk.store.endpoints.ports()
    for port in range(FIRST_PORT, 65000):
        if port not in taken and _is_free("127.0.0.1", port):
            return port
    raise UnavailableError("no port of this machine is free")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _shown_host(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "") else host
