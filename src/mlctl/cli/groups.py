"""The command table: what stands in `mlctl --help`, and the module behind each line. Pure data; imports nothing."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One word after `mlctl`.

    `module` holds the commands. With `function` the word is a command itself, else a group of the module's commands.
    `status` is ga or preview. A hidden entry works but is not listed.
    """

    name: str
    module: str
    help: str
    function: str = ""
    status: str = "ga"
    hidden: bool = False


ENTRIES: tuple[Entry, ...] = (
    Entry("job", "mlctl.cli.job", "Run jobs from YAML; follow, find, cancel and fetch them."),
    Entry("compute", "mlctl.cli.compute", "Places where jobs run: this machine, Docker engines."),
    Entry("workspace", "mlctl.cli.workspace", "Folders that hold jobs, computes and everything logged."),
    Entry("config", "mlctl.cli.config", "Settings, each with the place it comes from."),
    Entry("configure", "mlctl.cli.configure", "Set defaults, such as the workspace.", "configure"),
    Entry("doctor", "mlctl.cli.doctor", "What works on this machine, and what to do about the rest.", "doctor"),
    Entry("ui", "mlctl.cli.ui", "Open MLflow's own UI on the workspace.", "ui"),
    Entry("completion", "mlctl.cli.completion", "Make the shell complete commands, options and names.", "completion"),
    Entry("version", "mlctl.cli.doctor", "Versions of mlctl and Python.", "version"),
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
