"""Rows of an environment that stands in a document, or in a file that a document names."""

from __future__ import annotations

from mlctl.backends.capabilities import Row, approximated, ignored, refused, row, rows

_NOT_BUILT_IN_CLUSTER = approximated(
    "the cluster builds no images: the image is built where mlctl runs and pushed to a registry that the cluster reads"
)
_NO_BUILD = refused("no image is built for processes: use --backend docker, or give the packages as conda_file")
_INLINE = ignored("an environment inside a document is not registered")
_NO_ROUTES = ignored("a job has no routes: it is for endpoints")
_NOT_AN_IMAGE = "image '{value}' is not used: the job gets an environment of its own with {python}"

ENVIRONMENT: tuple[Row, ...] = (
    *rows("$schema id version description tags"),
    row("name", here=_INLINE, kubernetes=_INLINE, azureml=_INLINE),
    row("image", "<curated>", local=approximated(_NOT_AN_IMAGE + " and the packages of the curated environment")),
    row("image", "<with conda_file>", local=approximated(_NOT_AN_IMAGE + " and the packages of conda_file")),
    row("image", local=approximated(_NOT_AN_IMAGE + " and no packages: name them with conda_file")),
    row(
        "build",
        local=_NO_BUILD,
        kubernetes=_NOT_BUILT_IN_CLUSTER,
    ),
    row(
        "build.path",
        "<not a folder>",
        local=_NO_BUILD,
        docker=refused("the context is a folder of this machine: fetch '{value}' first and name the folder"),
        kubernetes=_NOT_BUILT_IN_CLUSTER,
    ),
    row("build.path", local=_NO_BUILD, kubernetes=_NOT_BUILT_IN_CLUSTER),
    row("build.dockerfile_path", local=_NO_BUILD, kubernetes=_NOT_BUILT_IN_CLUSTER),
    row(
        "conda_file",
        local=approximated(
            "its packages are installed from the package index, not by conda; what only conda has is refused"
        ),
        kubernetes=_NOT_BUILT_IN_CLUSTER,
    ),
    row("inference_config", here=_NO_ROUTES, kubernetes=_NO_ROUTES, azureml=_NO_ROUTES),
    row(
        "os_type",
        "windows",
        here=refused("this machine's back ends run Linux programs"),
        kubernetes=refused("pods run Linux containers"),
    ),
    row("os_type"),
    row("datastore", here=ignored("nothing is uploaded"), kubernetes=ignored("nothing is uploaded")),
    row(
        "auto_delete_setting",
        here=ignored("an environment inside a job is not registered"),
        kubernetes=ignored("an environment inside a job is not registered"),
    ),
)
"""An environment that stands in a document, or in a file that a document names."""
