"""Rows of assets, datastores, computes and workspaces."""

from __future__ import annotations

from mlctl.backends.capabilities import Row, approximated, ignored, refused, row, rows

_NO_USE = ignored("about Azure resources: a workspace on this machine does not use it")
_VOLUME = approximated("mounted where the cluster's administrator has declared a volume for it; else it cannot be read")

ASSET: tuple[Row, ...] = (
    *rows("$schema type name version description tags properties id stage flavors system_metadata inference_config"),
    row("auto_delete_setting", kubernetes=ignored("assets of the mlctl workspace do not expire")),
    row("datastore", kubernetes=ignored("local data is uploaded to the workspace's own artifact store")),
    row("default_deployment_template", kubernetes=ignored("deployment templates are Azure ML's")),
    row("allowed_deployment_templates", kubernetes=ignored("deployment templates are Azure ML's")),
)
"""What data, models and environments have as assets."""

ASSET_PATH: tuple[Row, ...] = (
    row("path", "<local>|<web>|<web folder>"),
    row("path", "<datastore>", kubernetes=approximated("datastore '{datastore}' has to be one of the mlctl workspace")),
    row("path", "<job output>", kubernetes=approximated("job '{job}' has to be one of the mlctl workspace")),
    row("path", "<blob>|<blob folder>", kubernetes=approximated("read with the pod's own identity, not with yours")),
    row(
        "path",
        "<bucket>",
        kubernetes=approximated("read with a secret or identity of the cluster"),
        azureml=refused("Azure ML reads local paths, https, wasbs, abfss and azureml: addresses"),
    ),
    row("path", "<registry>|<asset>|<elsewhere>", kubernetes=refused("cannot be read from a cluster: copy it first")),
    row("path"),
)

DATASTORE: tuple[Row, ...] = (
    *rows("$schema type name description tags account_name endpoint protocol container_name filesystem"),
    row("file_share_name", kubernetes=_VOLUME),
    row(
        "credentials",
        kubernetes=approximated("kept as a secret of the namespace; without credentials, the pod's identity"),
    ),
)

OWN_DATASTORE: tuple[Row, ...] = (row("**"),)
"""Datastores of which every key is honoured where the kind is."""

KUBERNETES_COMPUTE: tuple[Row, ...] = (
    *rows("$schema type name description tags namespace"),
    row("resource_id", kubernetes=ignored("the id is Azure's: the cluster is the one of the kubeconfig")),
    row("location", kubernetes=ignored("the cluster is where it is")),
    row("identity", kubernetes=ignored("jobs use a service account of the namespace")),
    row("properties", kubernetes=approximated("instance types are read; what is about the Azure extension is not")),
)

OWN_COMPUTE: tuple[Row, ...] = (row("**"),)
"""local and docker: mlctl's own kinds."""

WORKSPACE: tuple[Row, ...] = (
    *rows("$schema name display_name description location tags kind"),
    row("**", here=_NO_USE, kubernetes=_NO_USE),
)

AZURE_ONLY: tuple[Row, ...] = (row("**"),)
