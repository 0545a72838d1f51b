"""A key that another kind of the same family has: the hint of "unknown key" says which one."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck

_KUBERNETES_ONLY = "is for type: kubernetes; a managed deployment has what its instance_type has"
_MANAGED_ONLY = "is for type: managed; remove it, or write 'type: managed'"

_ELSEWHERE: dict[str, dict[str, str]] = {
    "managedOnlineDeployment": {
        "resources": _KUBERNETES_ONLY,
        "compute": "stands in a Kubernetes endpoint; managed deployments choose machines with 'instance_type'",
    },
    "kubernetesOnlineDeployment": {
        "egress_public_network_access": _MANAGED_ONLY,
        "private_network_connection": _MANAGED_ONLY,
    },
    "managedOnlineEndpoint": {"defaults": "is for batch endpoints; here 'traffic' says who serves"},
    "kubernetesOnlineEndpoint": {
        "public_network_access": "is for managed endpoints; remove it, or remove 'compute'",
        "defaults": "is for batch endpoints; here 'traffic' says who serves",
    },
    "batchEndpoint": {
        "traffic": "is for online endpoints; here 'defaults: {deployment_name: …}' says who serves",
        "mirror_traffic": "is for online endpoints",
        "compute": "stands in the batch deployment",
    },
    "modelBatchDeployment": {
        "instance_type": "is for online deployments; here 'compute' has the machines",
        "instance_count": "stands under 'resources'",
        "component": "is for type: pipeline",
        "job_definition": "is for type: pipeline",
    },
    "batchDeployment": {
        "settings": "needs 'type: model' or 'type: pipeline'",
        "instance_type": "is for online deployments; here 'compute' has the machines",
        "instance_count": "stands under 'resources'",
    },
    "pipelineComponentBatchDeployment": {
        "model": "is for type: model; a pipeline has its models inside",
        "compute": "stands as 'default_compute' under 'settings'",
        "code_configuration": "is for type: model",
        "environment": "is for type: model",
    },
}
"""Kind -> key that it does not have -> where the key belongs, after the key itself."""


def check_misplaced(spec: SpecCheck) -> None:
    """Put the place where a key belongs into the hint of the problem that refuses it."""
    elsewhere = _ELSEWHERE.get(spec.kind.name, {})
    for index, found in enumerate(spec.problems):
        if found.code == "unknown_key" and found.path in elsewhere and found.source == spec.document.source:
            spec.problems[index] = found._replace(hint=f"'{found.path}' {elsewhere[found.path]}")
