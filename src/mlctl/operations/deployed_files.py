"""Model and scoring code of a deployment, online or batch: from its spec into the content store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlctl.assets.places import local_place
from mlctl.assets.registration import keep_files
from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import ENVIRONMENT, MODEL, Asset
from mlctl.entities.endpoint import Deployment
from mlctl.entities.lineage import CODE, Link, Node, node_of_deployment
from mlctl.entities.online_deployment import ModelFiles
from mlctl.errors import InvalidSpecError, NotFoundError, UnsupportedError
from mlctl.spec.check import SpecCheck
from mlctl.spec.paths import absolute
from mlctl.spec.references import ASSET, DATASTORE, FILE, JOB_OUTPUT, LOCAL, RUN, parse
from mlctl.store.workspaces import WorkspaceStore


def model_of(store: WorkspaceStore, spec: SpecCheck, resolver: Resolver) -> ModelFiles | None:
    """The model, registered or in place; its files are in the content store afterwards."""
    given = spec.data.get("model")
    if given is None:
        return None
    if isinstance(given, str):
        reference = parse(given)
        if reference.kind == ASSET:
            return model_files(store, resolver.get(given, MODEL))
        given = {"path": given}
    path = str(given.get("path") or "")
    if not path:
        raise InvalidSpecError("the model has no path", hint="add 'path: …', or name a registered model")
    reference = parse(path)
    kinds = (JOB_OUTPUT, RUN, DATASTORE)
    if reference.kind == ASSET:
        return model_files(store, resolver.get(path, MODEL))
    is_elsewhere = reference.kind in kinds
    place = local_place(path, store) if is_elsewhere else Path(absolute(spec.document, reference.path or ""))
    if reference.kind not in (LOCAL, FILE, *kinds):
        raise NotFoundError(f"'{path}' cannot be read on this machine", hint="register the model first")
    kept = keep_files(store, place, may_leave=reference.kind != JOB_OUTPUT)
    kind = given.get("type") or ("mlflow_model" if (place / "MLmodel").is_file() else "custom_model")
    return ModelFiles(
        str(given.get("name") or spec.data["name"]), str(given.get("version") or "1"), kept.content, place.name, kind
    )


def code_of(store: WorkspaceStore, spec: SpecCheck, given: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """Digest of the scoring code that a `code_configuration` names, and the entry script in it.

    Raises UnsupportedError for code that is not on this machine.
    """
    if not given or not given.get("code"):
        return None, None
    reference = parse(str(given["code"]))
    if reference.kind not in (LOCAL, FILE):
        raise UnsupportedError(
            f"code_configuration.code: '{given['code']}' is no folder of this machine", hint="name a local folder"
        )
    folder = Path(absolute(spec.document, reference.path or ""))
    return store.content.add_folder(folder).digest, given["scoring_script"]


def model_files(store: WorkspaceStore, asset: Asset) -> ModelFiles:
    """A registered model as a deployment uses it; its files are in the content store afterwards."""
    content = asset.content or keep_files(store, local_place(asset.path or "", store)).content
    base = (asset.path or "").rstrip("/").rpartition("/")[2]
    return ModelFiles(asset.name, asset.version, content, base, asset.type, asset.reference)


def links_of(
    deployment: Deployment, *, model: ModelFiles | None, code: str | None, environment: str | None
) -> list[Link]:
    """What a deployment was made from. `code`: a digest, `environment`: the pinned reference of a registered one."""
    made = node_of_deployment(deployment.endpoint, deployment.name)
    found = []
    if model is not None and model.reference is not None:
        found.append(Link(Node(MODEL, model.name, model.version), made, "model"))
    if code is not None:
        found.append(Link(Node(CODE, code), made, "code"))
    reference = parse(environment) if environment else None
    if reference is not None and reference.kind == ASSET and reference.registry is None:
        found.append(Link(Node(ENVIRONMENT, reference.name or "", reference.version), made, "environment"))
    return found
