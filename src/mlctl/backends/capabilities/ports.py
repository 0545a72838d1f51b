"""Rows of inputs and outputs."""

from __future__ import annotations

from mlctl.backends.capabilities import Row, approximated, ignored, refused, row, rows

_ASSET_IN_WORKSPACE = approximated("read from the assets of the mlctl workspace that submits, not from Azure ML's")
_NOT_READABLE = refused(
    "cannot be read on this machine: copy the data here and name the path, or give an https address of a file"
)
_EVALUATED = refused(
    "evaluating a table before the start is done on Azure ML only: use ro_mount or download, and mltable"
)
_UNPACKED = refused("a folder cannot be read over the web: name one file with type uri_file, or copy the folder first")
_POD_IDENTITY = approximated("downloaded with the pod's own identity, not with yours")
_YOUR_IDENTITY = approximated("downloaded with the credentials of a datastore of it, else with your identity")
_WORKSPACE_DATASTORE = approximated(
    "datastore '{datastore}' has to be one of this workspace: register it with mlctl datastore create"
)

PORTS: tuple[Row, ...] = (
    *rows("inputs.* inputs.*.type inputs.*.value inputs.*.optional inputs.*.default inputs.*.description"),
    *rows("inputs.*.min inputs.*.max inputs.*.enum"),
    row("inputs.*.path", "<expression>"),
    row(
        "inputs.*.path",
        "<local, direct>",
        docker=approximated("passed as text: the container does not see '{value}'"),
        kubernetes=approximated("passed as text: the pod does not see '{value}'"),
    ),
    row("inputs.*.path", "<asset>", here=_ASSET_IN_WORKSPACE, kubernetes=_ASSET_IN_WORKSPACE),
    row("inputs.*.path", "<direct>"),
    row(
        "inputs.*.path",
        "<registry>",
        here=approximated("registry '{value}' has to be one that mlctl knows: mlctl registry list"),
        kubernetes=refused("registries are Azure ML's: copy the data first"),
    ),
    row("inputs.*.path", "<web folder>", here=_UNPACKED, kubernetes=_UNPACKED),
    row("inputs.*.path", "<blob folder>", here=_YOUR_IDENTITY, kubernetes=_POD_IDENTITY),
    row(
        "inputs.*.path",
        "<blob>",
        here=approximated("downloaded without signing in, but from a registered datastore with its credentials"),
        kubernetes=_POD_IDENTITY,
    ),
    row(
        "inputs.*.path",
        "<datastore>",
        here=_WORKSPACE_DATASTORE,
        kubernetes=approximated(
            "datastore '{datastore}' has to be one of the mlctl workspace; mounted where the cluster has a volume for "
            "it, else downloaded"
        ),
    ),
    row(
        "inputs.*.path",
        "<job output>",
        here=approximated("job '{job}' has to be one of this workspace"),
        kubernetes=approximated("job '{job}' has to be one of this workspace"),
    ),
    *(
        row(
            "inputs.*.path",
            form,
            here=here,
            kubernetes=approximated("read with a secret or identity of the cluster"),
            azureml=refused("Azure ML reads local paths, https, wasbs, abfss and azureml: addresses"),
        )
        for form, here in (("<aws bucket>", _YOUR_IDENTITY), ("<bucket>", _NOT_READABLE))
    ),
    row(
        "inputs.*.path",
        "<run>",
        here=approximated("the run has to be one that a job of this workspace made"),
        kubernetes=refused("pods cannot read it: register the model first"),
    ),
    row(
        "inputs.*.path",
        "<elsewhere>",
        here=_NOT_READABLE,
        kubernetes=refused("pods cannot read it: copy the data first"),
    ),
    row("inputs.*.mode", "eval_mount|eval_download", here=_EVALUATED, kubernetes=_EVALUATED),
    row("inputs.*.mode"),
    row(
        "inputs.*.path_on_compute",
        local=refused("a place in a container: use --backend docker, or ${{{{inputs.{input}}}}} in the command"),
    ),
    row(
        "inputs.*.datastore",
        here=ignored("the data is read where it is"),
        kubernetes=ignored("local data is uploaded to the workspace's own artifact store"),
    ),
    row("outputs.*", "<taken name>", here=refused("the default output has this name already: give it another name")),
    *rows("outputs.* outputs.*.type outputs.*.description outputs.*.is_control outputs.*.early_available"),
    row(
        "outputs.*.mode",
        "rw_mount|mount",
        kubernetes=approximated(
            "written in the pod and uploaded at the end, except where the cluster has a volume for the datastore"
        ),
    ),
    row("outputs.*.mode"),
    row("outputs.*.path", "<job output>|<expression>"),
    row(
        "outputs.*.path",
        "<datastore>",
        here=approximated("datastore '{datastore}' has to be one of this workspace; written there when the job ends"),
        kubernetes=approximated("datastore '{datastore}' has to be one of the mlctl workspace"),
    ),
    row(
        "outputs.*.path",
        here=refused("outputs are written to azureml://datastores/<datastore>/paths/…: leave path out, or write that"),
        kubernetes=refused(
            "outputs are written to azureml://datastores/<datastore>/paths/…: leave path out, or write that"
        ),
        azureml=refused(
            "outputs are written to azureml://datastores/<datastore>/paths/…: leave path out, or write that"
        ),
    ),
    row(
        "outputs.*.name",
        here=approximated("registered in the mlctl workspace, not in Azure ML"),
        kubernetes=approximated("registered in the mlctl workspace, not in Azure ML"),
    ),
    row(
        "outputs.*.version",
        here=approximated("registered in the mlctl workspace, not in Azure ML"),
        kubernetes=approximated("registered in the mlctl workspace, not in Azure ML"),
    ),
)
"""Inputs and outputs, as a job gives them and as a component declares them."""
