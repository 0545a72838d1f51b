"""The kinds of Azure ML specs: one row for each schema of a document. Pure data.

`family` is the group of `az ml` that takes the file. Names of schemas are those that Azure ML publishes, so that a
file's own `$schema` leads to its kind; `ALIASES` has the older and the shared ones.
"""

from __future__ import annotations

from typing import NamedTuple

DOCS = "https://learn.microsoft.com/azure/machine-learning/"


class Kind(NamedTuple):
    """One kind of document. `page`: its page in Azure ML's documentation, the last part of the address."""

    name: str
    title: str
    family: str
    page: str = "reference-yaml-overview"

    @property
    def address(self) -> str:
        """Where Azure ML documents the keys."""
        return DOCS + self.page


_JOB = "reference-yaml-job-"
_COMPONENT = "reference-yaml-component-"
_DATASTORE = "reference-yaml-datastore-"
_COMPUTE = "reference-yaml-compute-"
_DEPLOYMENT = "reference-yaml-deployment-"
_CONNECTION = "reference-yaml-connection-"

_ROWS = (
    ("commandJob", "command job", "job", _JOB + "command"),
    ("sweepJob", "sweep job", "job", _JOB + "sweep"),
    ("pipelineJob", "pipeline job", "job", _JOB + "pipeline"),
    ("sparkJob", "spark job", "job", _JOB + "spark"),
    ("automlJob", "automl job", "job", "how-to-configure-auto-train"),
    ("importJob", "import job", "job"),
    ("finetuningJob", "finetuning job", "job"),
    ("distillationJob", "distillation job", "job"),
    ("commandComponent", "command component", "component", _COMPONENT + "command"),
    ("pipelineComponent", "pipeline component", "component", _COMPONENT + "pipeline"),
    ("parallelComponent", "parallel component", "component", _JOB + "parallel"),
    ("sparkComponent", "spark component", "component", _COMPONENT + "spark"),
    ("importComponent", "import component", "component"),
    ("automlComponent", "automl component", "component"),
    ("dataTransferComponent", "data transfer component", "component"),
    ("flowComponent", "flow component", "component"),
    ("environment", "environment", "environment", "reference-yaml-environment"),
    ("model", "model", "model", "reference-yaml-model"),
    ("modelPackage", "model package", "model"),
    ("data", "data asset", "data", "reference-yaml-data"),
    ("dataImport", "data import", "data"),
    ("index", "index", "index"),
    ("azureBlobDatastore", "azure_blob datastore", "datastore", _DATASTORE + "blob"),
    ("azureFileDatastore", "azure_file datastore", "datastore", _DATASTORE + "files"),
    ("azureDataLakeGen1Datastore", "azure_data_lake_gen1 datastore", "datastore", _DATASTORE + "data-lake-gen1"),
    ("azureDataLakeGen2Datastore", "azure_data_lake_gen2 datastore", "datastore", _DATASTORE + "data-lake-gen2"),
    ("oneLakeDatastore", "one_lake datastore", "datastore", _DATASTORE + "onelake"),
    ("localFolderDatastore", "local_folder datastore", "datastore"),
    ("s3Datastore", "s3 datastore", "datastore"),
    ("amlCompute", "compute cluster", "compute", _COMPUTE + "aml"),
    ("computeInstance", "compute instance", "compute", _COMPUTE + "instance"),
    ("kubernetesCompute", "kubernetes compute", "compute", _COMPUTE + "kubernetes"),
    ("virtualMachineCompute", "virtual machine compute", "compute", _COMPUTE + "vm"),
    ("synapseSparkCompute", "synapse spark compute", "compute"),
    ("attachedCompute", "attached compute", "compute"),
    ("localCompute", "local compute", "compute"),
    ("dockerCompute", "docker compute", "compute"),
    ("managedOnlineEndpoint", "managed online endpoint", "online-endpoint", "reference-yaml-endpoint-online"),
    ("kubernetesOnlineEndpoint", "kubernetes online endpoint", "online-endpoint", "reference-yaml-endpoint-online"),
    ("batchEndpoint", "batch endpoint", "batch-endpoint", "reference-yaml-endpoint-batch"),
    (
        "managedOnlineDeployment",
        "managed online deployment",
        "online-deployment",
        _DEPLOYMENT + "managed-online",
    ),
    (
        "kubernetesOnlineDeployment",
        "kubernetes online deployment",
        "online-deployment",
        _DEPLOYMENT + "kubernetes-online",
    ),
    ("modelBatchDeployment", "batch deployment of a model", "batch-deployment", _DEPLOYMENT + "batch"),
    (
        "pipelineComponentBatchDeployment",
        "batch deployment of a pipeline",
        "batch-deployment",
        _DEPLOYMENT + "batch",
    ),
    ("batchDeployment", "batch deployment", "batch-deployment", _DEPLOYMENT + "batch"),
    ("deploymentTemplate", "deployment template", "deployment-template"),
    ("jobSchedule", "job schedule", "schedule", "reference-yaml-schedule"),
    ("importSchedule", "data import schedule", "schedule", "reference-yaml-schedule-data-import"),
    ("monitorSchedule", "monitor schedule", "schedule", "reference-yaml-monitor"),
    ("workspace", "workspace", "workspace", "reference-yaml-workspace"),
    ("hub", "hub", "workspace", "reference-yaml-hub"),
    ("project", "project", "workspace", "reference-yaml-project"),
    ("registry", "registry", "registry", "reference-yaml-registry"),
    ("capabilityHost", "capability host", "capability-host"),
    ("azureBlobConnection", "azure_blob connection", "connection", _CONNECTION + "blob"),
    ("oneLakeConnection", "azure_one_lake connection", "connection", _CONNECTION + "onelake"),
    ("azureOpenAIConnection", "azure_open_ai connection", "connection", _CONNECTION + "azure-openai"),
    ("azureAIServicesConnection", "azure_ai_services connection", "connection", _CONNECTION + "ai-services"),
    ("azureAISearchConnection", "azure_ai_search connection", "connection", _CONNECTION + "ai-search"),
    ("azureContentSafetyConnection", "content safety connection", "connection", _CONNECTION + "ai-content-safety"),
    ("azureSpeechServicesConnection", "speech services connection", "connection", _CONNECTION + "ai-speech"),
    ("apiKeyConnection", "api_key connection", "connection", _CONNECTION + "api-key"),
    ("openAIConnection", "open_ai connection", "connection", _CONNECTION + "openai"),
    ("serpConnection", "serp connection", "connection", _CONNECTION + "serp"),
    ("serverlessConnection", "serverless connection", "connection", _CONNECTION + "serverless"),
    ("genericConnection", "connection", "connection", "reference-yaml-connection"),
    ("featureSet", "feature set", "feature-set", "reference-yaml-feature-set"),
    ("featureSetSpecification", "feature set specification", "feature-set", "reference-yaml-featureset-spec"),
    ("featureSetBackfill", "feature set backfill", "feature-set", "reference-yaml-feature-set"),
    ("featureStore", "feature store", "feature-store", "reference-yaml-feature-store"),
    ("featureStoreEntity", "feature store entity", "feature-store-entity", "reference-yaml-feature-entity"),
    ("serverlessEndpoint", "serverless endpoint", "serverless-endpoint", "reference-yaml-endpoint-serverless"),
    ("marketplaceSubscription", "marketplace subscription", "marketplace-subscription"),
)

KINDS: dict[str, Kind] = {row[0]: Kind(*row) for row in _ROWS}
"""Kinds by name of their schema."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(kind.family for kind in KINDS.values()))

TYPES: dict[str, dict[str, str]] = {
    "job": {
        "command": "commandJob",
        "sweep": "sweepJob",
        "pipeline": "pipelineJob",
        "spark": "sparkJob",
        "automl": "automlJob",
        "import": "importJob",
        "finetuning": "finetuningJob",
        "distillation": "distillationJob",
    },
    "component": {
        "command": "commandComponent",
        "pipeline": "pipelineComponent",
        "parallel": "parallelComponent",
        "spark": "sparkComponent",
        "import": "importComponent",
        "automl": "automlComponent",
        "data_transfer": "dataTransferComponent",
        "promptflow_parallel": "flowComponent",
    },
    "datastore": {
        "azure_blob": "azureBlobDatastore",
        "azure_file": "azureFileDatastore",
        "azure_data_lake_gen1": "azureDataLakeGen1Datastore",
        "azure_data_lake_gen2": "azureDataLakeGen2Datastore",
        "one_lake": "oneLakeDatastore",
        "local_folder": "localFolderDatastore",
        "s3": "s3Datastore",
    },
    "compute": {
        "amlcompute": "amlCompute",
        "computeinstance": "computeInstance",
        "kubernetes": "kubernetesCompute",
        "virtualmachine": "virtualMachineCompute",
        "synapsespark": "synapseSparkCompute",
        "local": "localCompute",
        "docker": "dockerCompute",
    },
    "online-deployment": {"managed": "managedOnlineDeployment", "kubernetes": "kubernetesOnlineDeployment"},
    "batch-deployment": {"model": "modelBatchDeployment", "pipeline": "pipelineComponentBatchDeployment"},
    "connection": {
        "azure_blob": "azureBlobConnection",
        "azure_one_lake": "oneLakeConnection",
        "azure_open_ai": "azureOpenAIConnection",
        "azure_ai_services": "azureAIServicesConnection",
        "azure_ai_search": "azureAISearchConnection",
        "azure_content_safety": "azureContentSafetyConnection",
        "azure_speech_services": "azureSpeechServicesConnection",
        "api_key": "apiKeyConnection",
        "open_ai": "openAIConnection",
        "serp": "serpConnection",
        "serverless": "serverlessConnection",
    },
    "workspace": {"hub": "hub", "project": "project"},
}
"""Family -> value of `type` (`kind` for a workspace) -> kind."""

CASE_COUNTS = ("job", "datastore")
"""Families where az takes `type` in lower case only."""

DEFAULTS: dict[str, str] = {
    "job": "commandJob",
    "component": "commandComponent",
    "compute": "amlCompute",
    "datastore": "azureBlobDatastore",
    "online-deployment": "managedOnlineDeployment",
    "online-endpoint": "managedOnlineEndpoint",
    "batch-endpoint": "batchEndpoint",
    "batch-deployment": "batchDeployment",
    "environment": "environment",
    "model": "model",
    "data": "data",
    "index": "index",
    "schedule": "jobSchedule",
    "workspace": "workspace",
    "registry": "registry",
    "capability-host": "capabilityHost",
    "connection": "genericConnection",
    "feature-set": "featureSet",
    "feature-store": "featureStore",
    "feature-store-entity": "featureStoreEntity",
    "serverless-endpoint": "serverlessEndpoint",
    "marketplace-subscription": "marketplaceSubscription",
    "deployment-template": "deploymentTemplate",
}
"""Kind of a family when there is no `type`, or one that is not known."""

ALIASES: dict[str, str] = {
    "autoMLJob": "automlJob",
    "azureBlob": "azureBlobDatastore",
    "azureFile": "azureFileDatastore",
    "azureDataLakeGen1": "azureDataLakeGen1Datastore",
    "azureDataLakeGen2": "azureDataLakeGen2Datastore",
    "oneLake": "oneLakeDatastore",
    "vmCompute": "virtualMachineCompute",
    "component": "commandComponent",
    "job": "commandJob",
    "onlineEndpoint": "managedOnlineEndpoint",
    "onlineDeployment": "managedOnlineDeployment",
    "k8sOnlineEndpoint": "kubernetesOnlineEndpoint",
    "schedule": "jobSchedule",
    "monitorSchedule": "monitorSchedule",
    "asset": "data",
    "dataset": "data",
    "connection": "genericConnection",
    "workspaceConnection": "genericConnection",
    "modelVersionPackage": "modelPackage",
    "featuresetSpec": "featureSetSpecification",
    "featureSetSpec": "featureSetSpecification",
    "featureEntity": "featureStoreEntity",
}
"""Names of published schemas, without case, that stand for a kind of another name."""


def kind_named(name: str) -> Kind | None:
    """The kind with that name of schema, alias or family; case, `-`, `_` and `.schema.json` do not count."""
    folded = _folded(name.removesuffix(".schema.json"))
    return _BY_NAME.get(folded)


def kind_of_type(family: str, value: str) -> Kind | None:
    """The kind that `type: <value>` means in a family; None when it means none."""
    types = TYPES.get(family, {})
    name = types.get(value if family in CASE_COUNTS else value.lower())
    return KINDS[name] if name else None


def default_kind(family: str) -> Kind | None:
    """The kind that a document of a family is taken for when its `type` does not say; None for no family."""
    name = DEFAULTS.get(family)
    return KINDS[name] if name else None


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


_BY_NAME: dict[str, Kind] = {
    **{_folded(family): KINDS[name] for family, name in DEFAULTS.items() if family not in ("compute", "datastore")},
    **{_folded(alias): KINDS[name] for alias, name in ALIASES.items()},
    **{_folded(name): kind for name, kind in KINDS.items()},
}
