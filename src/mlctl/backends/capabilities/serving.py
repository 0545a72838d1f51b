"""Rows of endpoints and deployments."""

from __future__ import annotations

from mlctl.backends.capabilities import Row, approximated, ignored, refused, row, rows

_IN_WORKSPACE = approximated("'{value}' has to be known in the mlctl workspace: Azure ML's own are not looked up")
_REGISTRY = refused("registries are Azure ML's: download '{value}' and name the folder")
_SPLIT = approximated(
    "percentages need the Gateway API in the cluster; without it a deployment has all the traffic or none"
)
_LATER = approximated("is set with online-endpoint update, once the deployments answer")
_COUNT = ignored("instance_count replicas run, no more and no fewer")
_ONE_SIZE = ignored("a replica may use what this machine has")

ENDPOINT: tuple[Row, ...] = (
    *rows("$schema name description tags properties id provisioning_state scoring_uri location openapi_uri"),
    row("auth_mode", "aml_token", kubernetes=approximated("tokens are the scoring server's own, not Azure ML's")),
    row(
        "auth_mode",
        "aad_token",
        here=approximated("the endpoint gives out tokens of its own, as with aml_token"),
        kubernetes=refused("signing in with Microsoft Entra is done by Azure: use key"),
    ),
    row("auth_mode"),
    row(
        "identity",
        here=ignored("replicas run as you"),
        kubernetes=approximated("the pods' service account stands for it, where the cluster has workload identity"),
    ),
    row("traffic", "<split>", here=_LATER, kubernetes=_SPLIT),
    row("traffic", here=_LATER),
    row(
        "mirror_traffic",
        here=_LATER,
        kubernetes=approximated("needs the Gateway API in the cluster; without it, it is refused"),
    ),
    row(
        "public_network_access",
        here=ignored("it listens on loopback unless --host says otherwise"),
        kubernetes=ignored("who can reach the endpoint is decided by the cluster's gateway"),
    ),
)

BATCH_ENDPOINT: tuple[Row, ...] = (
    row(
        "auth_mode",
        here=ignored("whoever may use the workspace may invoke it"),
        kubernetes=approximated("who may invoke it is decided by the cluster's rights"),
    ),
    *rows("defaults defaults.deployment_name"),
)

_MODEL_ROWS = (
    row("model", "<file>|<map>|<local>"),
    row("model", "<registry>", kubernetes=_REGISTRY),
    row("model", kubernetes=_IN_WORKSPACE),
    row("environment", "<file>|<map>|<curated>"),
    row("environment", "<registry>", kubernetes=refused("registries are Azure ML's: name the image")),
    row("environment", kubernetes=_IN_WORKSPACE),
)

DEPLOYMENT: tuple[Row, ...] = (
    *rows("$schema type name description tags properties endpoint_name id provisioning_state"),
    *_MODEL_ROWS,
    *rows("code_configuration environment_variables environment_variables.* instance_count"),
    row("model_mount_path", local=ignored("a process has no mounts: AZUREML_MODEL_DIR names the folder")),
    row("resources", here=_ONE_SIZE),
    *rows("request_settings liveness_probe readiness_probe scale_settings"),
    row("scale_settings.min_instances", here=_COUNT),
    row("scale_settings.max_instances", here=_COUNT),
    row(
        "app_insights_enabled",
        here=ignored("nothing is sent to Application Insights: the router has /metrics"),
        kubernetes=ignored("nothing is sent to Application Insights: use the cluster's monitoring"),
    ),
    row(
        "scale_settings.type",
        "target_utilization",
        here=_COUNT,
        kubernetes=approximated("a HorizontalPodAutoscaler on the pods' CPU"),
    ),
    row("scale_settings.type"),
    row(
        "scale_settings.target_utilization_percentage",
        here=_COUNT,
        kubernetes=approximated("of the pods' CPU, not of busy workers"),
    ),
    row(
        "scale_settings.polling_interval",
        here=_COUNT,
        kubernetes=ignored("the cluster's autoscaler has its own interval"),
    ),
    row(
        "instance_type",
        "<vm size>",
        here=_ONE_SIZE,
        kubernetes=approximated(
            "'{value}' has to be defined as an instance type of the cluster: pods know no sizes of Azure's machines"
        ),
    ),
    row("instance_type", here=_ONE_SIZE),
    row(
        "data_collector",
        here=approximated("request and response are kept as JSON lines in the endpoint's folder; the rest is not"),
        kubernetes=ignored("requests and answers are not collected"),
    ),
    row(
        "egress_public_network_access",
        here=ignored("replicas have this machine's network"),
        kubernetes=ignored("the cluster's network policies decide"),
    ),
    row(
        "private_network_connection",
        here=ignored("there is no private network to connect to"),
        kubernetes=ignored("the cluster's network policies decide"),
    ),
)

BATCH_DEPLOYMENT: tuple[Row, ...] = (
    *_MODEL_ROWS,
    *rows("code_configuration endpoint_name output_action output_file_name settings job_definition"),
    *rows("settings.environment_variables settings.instance_count"),
    row(
        "settings.retry_settings",
        kubernetes=approximated(
            "for each mini-batch where the cluster counts failures by index (1.29 and later), else for the job"
        ),
    ),
    row("settings.*"),
)

PACKAGE: tuple[Row, ...] = (
    *rows("$schema target_environment base_environment_source tags environment_variables model_configuration"),
    row("model_configuration.mode", "download", here=refused("elsewhere no workspace has the model: use mode: copy")),
    row("model_configuration.*"),
    row(
        "inferencing_server.type",
        "azureml_batch",
        here=refused("a package answers requests; files are scored by a batch endpoint"),
    ),
    row("inferencing_server.type"),
    row(
        "inferencing_server.inference_configuration.entry_script",
        here=refused("the image of a custom server starts itself"),
    ),
    row("inferencing_server.inference_configuration.*"),
    row("inferencing_server.*"),
    row("inputs"),
    row("inputs.[].path.url", here=refused("register it as data, and name that")),
    row("inputs.[].path.*"),
    row("inputs.[].*"),
)
"""A model package."""

SERVING_ENVIRONMENT: tuple[Row, ...] = (
    row("inference_config", local=refused("a container of your own is no process: use --backend docker")),
)
"""What an environment may say when it serves."""
