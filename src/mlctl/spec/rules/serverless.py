"""Serverless endpoints and subscriptions to models of the catalogue."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.references import ASSET, RESOURCE, parse
from mlctl.spec.rules.names import SERVERLESS, check_name
from mlctl.spec.rules.parts import is_placeholder, text


def check_serverless(spec: SpecCheck) -> None:
    """A model of the catalogue, by its long address."""
    check_name(spec, ("name",), SERVERLESS)
    model = text(spec, "model_id")
    if model is None or is_placeholder(model):
        return
    reference = parse(model)
    if reference.kind == RESOURCE or (reference.kind == ASSET and reference.asset_type in (None, "models")):
        return
    message = f"'model_id': '{model}' does not name a model"
    hint = "write azureml://registries/<registry>/models/<name>"
    spec.error("invalid_reference", ("model_id",), message, value=model, hint=hint)
