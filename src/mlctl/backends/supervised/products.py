"""What a completed job made becomes assets, with the job as their origin: outputs that ask for it, MLflow's models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mlctl.assets.mlflow_runs import RegisteredModel, registered_by_job
from mlctl.assets.places import output_places
from mlctl.assets.registration import Registrar
from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import DATA, MODEL, MODEL_TYPES, Asset
from mlctl.entities.clock import Clock
from mlctl.errors import ConflictError, NotFoundError, located
from mlctl.store.workspaces import WorkspaceStore


def register_outputs(job: str, outputs: Iterable[dict[str, Any]], store: WorkspaceStore) -> list[Asset]:
    """Register each planned output that has an `asset` ({"name", "version"}), in order.

    Raises ConflictError when somebody took the version meanwhile, NotFoundError for an output that was not written.
    """
    registrar = Registrar(store, Clock(), Resolver(store))
    registered = []
    for data in outputs:
        wanted = data.get("asset")
        if not wanted:
            continue
        kind = MODEL if data["type"] in MODEL_TYPES else DATA
        asset = Asset(kind=kind, name=wanted["name"], version=wanted["version"] or "", type=data["type"])
        with located(f"outputs.{data['name']} was not registered as {kind} '{wanted['name']}': "):
            place = output_places(job, store)[data["name"]]
            if not place.exists():
                raise NotFoundError(f"the job did not write it ({place})")
            with store.content.adding():
                registered.append(registrar.keep(registrar.from_place(asset, place, job=job, output=data["name"])))
    return registered


def register_logged(job: str, store: WorkspaceStore) -> list[Asset]:
    """Register each version that the job's processes registered in MLflow's own registry as a model of the workspace.

    The version is MLflow's number, or the next one when another model has that.
    """
    registrar = Registrar(store, Clock(), Resolver(store))
    return [_keep_logged(registrar, job, found) for found in registered_by_job(store, job)]


def _keep_logged(registrar: Registrar, job: str, found: RegisteredModel) -> Asset:
    asset = Asset(
        kind=MODEL,
        name=_NOT_IN_NAMES.sub("-", found.name),
        version=found.version,
        description=found.description,
        tags=found.tags,
        properties={"mlflow.name": found.name, "mlflow.version": found.version},
    )
    with registrar.store.content.adding():
        try:
            return registrar.keep(registrar.from_place(asset, found.place, job=job, output="artifacts"))
        except ConflictError:
            free = replace(asset, version="")
            return registrar.keep(registrar.from_place(free, found.place, job=job, output="artifacts"))


_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
"""MLflow allows more in the name of a model than Azure ML does."""
