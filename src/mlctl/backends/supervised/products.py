"""Outputs that a completed job asked to have registered become assets, with the job as their origin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlctl.assets.places import output_places
from mlctl.assets.registration import Registrar
from mlctl.assets.resolver import Resolver
from mlctl.entities.asset import DATA, MODEL, MODEL_TYPES, Asset
from mlctl.entities.clock import Clock
from mlctl.errors import MlctlError, NotFoundError
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
        try:
            place = output_places(job, store)[data["name"]]
            if not place.exists():
                raise NotFoundError(f"the job did not write it ({place})")
            with store.content.adding():
                registered.append(registrar.keep(registrar.from_place(asset, place, job=job, output=data["name"])))
        except MlctlError as error:
            error.message = f"outputs.{data['name']} was not registered as {kind} '{wanted['name']}': {error.message}"
            raise
    return registered
