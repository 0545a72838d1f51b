"""What a JSON Schema cannot say, kind by kind: names, references, local paths, expressions, graphs.

Each module has rules, functions of a `SpecCheck` that tell problems. The table below says which rules a kind has; rules
of a family come after those of every kind. Modules are imported when a kind needs them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from mlctl.spec.kinds import Kind

if TYPE_CHECKING:
    from mlctl.spec.check import SpecCheck

Rule = Callable[["SpecCheck"], None]

_EVERY = ("annotated.check_annotated", "document.check_document_kind")
_FAMILIES: dict[str, tuple[str, ...]] = {
    "online-endpoint": ("endpoint.check_endpoint",),
    "batch-endpoint": ("endpoint.check_batch_endpoint",),
    "online-deployment": ("deployment.check_online_deployment",),
    "batch-deployment": ("deployment.check_batch_deployment",),
    "schedule": ("schedule.check_schedule",),
    "compute": ("compute.check_compute",),
    "environment": ("asset.check_asset",),
    "model": ("asset.check_asset",),
    "data": ("asset.check_asset",),
    "index": ("asset.check_asset",),
    "datastore": ("datastore.check_datastore",),
    "connection": ("connection.check_connection",),
    "workspace": ("workspace.check_workspace",),
    "registry": ("workspace.check_registry",),
    "feature-set": ("feature.check_feature_set",),
    "feature-store": ("workspace.check_workspace",),
    "feature-store-entity": ("feature.check_entity",),
    "serverless-endpoint": ("serverless.check_serverless",),
    "deployment-template": ("deployment.check_template",),
    "component": ("component.check_component",),
    "job": ("job.check_job",),
}
_KINDS: dict[str, tuple[str, ...]] = {
    "commandJob": ("command.check_command_job",),
    "sweepJob": ("sweep.check_sweep_job",),
    "sparkJob": ("spark.check_spark",),
    "automlJob": ("automl.check_automl",),
    "pipelineJob": ("pipeline.check_pipeline",),
    "pipelineComponent": ("pipeline.check_pipeline",),
    "modelPackage": ("scoring.check_package",),
}


@functools.cache
def rules_of(kind: Kind, *, secrets: bool = False) -> tuple[Rule, ...]:
    """The rules of a kind, in the order in which they are asked; `secrets`: those about secrets, too."""
    names = [*_EVERY, *_FAMILIES.get(kind.family, ()), *_KINDS.get(kind.name, ())]
    if secrets:
        names.append("secrets.check_secrets")
    return tuple(_load(name) for name in names)


def _load(name: str) -> Rule:
    module, _, function = name.partition(".")
    rule: Rule = getattr(import_module(f"mlctl.spec.rules.{module}"), function)
    return rule
