"""The command table: what stands in `mlctl --help`, and the module behind each line. Pure data; imports nothing."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One word after `mlctl`.

    `module` holds the commands. With `function` the word is a command itself, else a group of the module's commands.
    `status` is ga or preview. A hidden entry works but is not listed. `family`: the group of az whose specs `validate`
    checks; such a group has that verb.
    """

    name: str
    module: str
    help: str
    function: str = ""
    status: str = "ga"
    hidden: bool = False
    family: str = ""


_SPECS = (
    ("schedule", "schedules and monitors"),
    ("feature-set", "feature sets"),
    ("feature-store", "feature stores"),
    ("feature-store-entity", "feature store entities"),
    ("serverless-endpoint", "serverless endpoints"),
    ("marketplace-subscription", "marketplace subscriptions"),
    ("index", "indexes"),
    ("capability-host", "capability hosts"),
    ("deployment-template", "deployment templates"),
)
"""Groups of az whose specs can be checked, and that have no other verb yet."""

ENTRIES: tuple[Entry, ...] = (
    Entry("job", "mlctl.cli.job", "Run jobs from YAML; follow, find, cancel and fetch them.", family="job"),
    Entry("compute", "mlctl.cli.compute", "Places where jobs run: this machine, Docker engines.", family="compute"),
    Entry("data", "mlctl.cli.data", "Data assets: files and folders with versions.", family="data"),
    Entry("model", "mlctl.cli.model", "Models: register, find, label and fetch them.", family="model"),
    Entry(
        "environment", "mlctl.cli.environment", "Environments: images and packages with versions.", family="environment"
    ),
    Entry("component", "mlctl.cli.component", "Components: steps of pipelines with versions.", family="component"),
    Entry(
        "online-endpoint",
        "mlctl.cli.online_endpoint",
        "Addresses with keys, in front of deployments.",
        family="online-endpoint",
    ),
    Entry(
        "online-deployment",
        "mlctl.cli.online_deployment",
        "Models that answer behind an endpoint.",
        family="online-deployment",
    ),
    Entry("batch-endpoint", "mlctl.cli.batch_endpoint", "Names under which files are scored.", family="batch-endpoint"),
    Entry(
        "batch-deployment",
        "mlctl.cli.batch_deployment",
        "Models that score files in jobs.",
        family="batch-deployment",
    ),
    Entry(
        "datastore", "mlctl.cli.datastore", "Storage under a name: blob, data lake, S3, folders.", family="datastore"
    ),
    Entry(
        "connection",
        "mlctl.cli.connection",
        "How services outside are reached, their keys by reference.",
        status="preview",
        family="connection",
    ),
    Entry("validate", "mlctl.cli.validate", "Check specs of any kind offline, with line and fix.", "validate"),
    Entry("lint", "mlctl.cli.lint", "What each back end honours, approximates or refuses.", "lint"),
    Entry("explain", "mlctl.cli.explain", "What a problem's code means, with an example.", "explain"),
    Entry("schema", "mlctl.cli.schema", "The JSON Schemas of all specs, for editors and other tools."),
    Entry(
        "workspace",
        "mlctl.cli.workspace",
        "Folders that hold jobs, computes and everything logged.",
        family="workspace",
    ),
    Entry("gc", "mlctl.cli.cleaning", "Make room: remove what nothing refers to.", "gc"),
    Entry("registry", "mlctl.cli.registry", "Assets that several workspaces share.", family="registry"),
    Entry("config", "mlctl.cli.config", "Settings, each with the place it comes from."),
    Entry("configure", "mlctl.cli.configure", "Set defaults, such as the workspace.", "configure"),
    Entry("doctor", "mlctl.cli.doctor", "What works on this machine, and what to do about the rest.", "doctor"),
    Entry("ui", "mlctl.cli.ui", "Open MLflow's own UI on the workspace.", "ui"),
    Entry("completion", "mlctl.cli.completion", "Make the shell complete commands, options and names.", "completion"),
    Entry("version", "mlctl.cli.doctor", "Versions of mlctl and Python.", "version"),
    *(Entry(family, "mlctl.cli.specs", f"Specs of {words}.", family=family) for family, words in _SPECS),
    Entry(
        "__complete",
        "mlctl.cli.completion",
        "Candidates for the last word; called by the shell.",
        "complete",
        hidden=True,
    ),
)
"""All words, in the order of `mlctl --help`."""


def find_entry(name: str) -> Entry | None:
    """The entry called `name`, or None."""
    return next((entry for entry in ENTRIES if entry.name == name), None)
