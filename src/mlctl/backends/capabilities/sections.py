"""The sections of the table by name."""

from __future__ import annotations

from mlctl.backends.capabilities import Row, assets, command, environment, flows, ports, serving

SECTIONS: dict[str, tuple[Row, ...]] = {
    "base": command.BASE,
    "ports": ports.PORTS,
    "command": command.COMMAND,
    "environment": environment.ENVIRONMENT,
    "declared": flows.DECLARED,
    "step": flows.STEP,
    "pipeline": flows.PIPELINE,
    "control step": flows.CONTROL_STEP,
    "service step": flows.SERVICE_STEP,
    "spark": flows.SPARK,
    "sweep": flows.SWEEP,
    "parallel": flows.PARALLEL,
    "schedule": flows.SCHEDULE,
    "scheduled job": flows.SCHEDULED_JOB,
    "endpoint": serving.ENDPOINT,
    "batch endpoint": serving.BATCH_ENDPOINT,
    "deployment": serving.DEPLOYMENT,
    "batch deployment": serving.BATCH_DEPLOYMENT,
    "package": serving.PACKAGE,
    "serving environment": serving.SERVING_ENVIRONMENT,
    "asset": assets.ASSET,
    "asset path": assets.ASSET_PATH,
    "datastore": assets.DATASTORE,
    "own datastore": assets.OWN_DATASTORE,
    "kubernetes compute": assets.KUBERNETES_COMPUTE,
    "own compute": assets.OWN_COMPUTE,
    "workspace": assets.WORKSPACE,
    "azure": assets.AZURE_ONLY,
}
