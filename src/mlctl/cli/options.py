"""Options that several commands share, each declared once: `name: Name`, `tags: Tags = None`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from mlctl.cli.command import Accepted
from mlctl.cli.names import complete_computes, complete_jobs, complete_workspaces
from mlctl.cli.words import FLAG


class Operation(NamedTuple):
    """One step of az's generic update: `action` is set, add or remove, `words` what followed it."""

    action: str
    words: tuple[str, ...]


def parse_operation(text: str) -> Operation:
    """An operation as `words.py` spells it: a JSON list of action and words."""
    action, *words = json.loads(text)
    return Operation(action, tuple(words))


def parse_tags(tags: Sequence[str] | None) -> dict[str, str] | None:
    """`["a=1", "b"]` as {"a": "1", "b": ""}, as az reads tags; an empty word alone clears them; None stays None."""
    if tags is None:
        return None
    pairs = (word.partition("=") for word in tags if word)
    return {name: value for name, _, value in pairs}


Name = Annotated[
    str, typer.Option("--name", "-n", metavar="JOB", autocompletion=complete_jobs, help="Name of the job.")
]
NewName = Annotated[str | None, typer.Option("--name", "-n", metavar="TEXT", help="Name; wins over the YAML.")]
ComputeName = Annotated[
    str, typer.Option("--name", "-n", metavar="COMPUTE", autocompletion=complete_computes, help="Name of the compute.")
]
WorkspaceName = Annotated[
    str,
    typer.Option(
        "--name", "-n", metavar="WORKSPACE", autocompletion=complete_workspaces, help="Name of the workspace."
    ),
]
DefaultWorkspaceName = Annotated[
    str | None,
    typer.Option(
        "--name",
        "-n",
        metavar="WORKSPACE",
        autocompletion=complete_workspaces,
        help="Name of the workspace; the default one without.",
    ),
]
File = Annotated[Path, typer.Option("--file", "-f", metavar="FILE", help="The YAML file.")]
OptionalFile = Annotated[Path | None, typer.Option("--file", "-f", metavar="FILE", help="A YAML file.")]
SetValues = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE…", help="Values put over those of the YAML, such as inputs.lr=0.1."),
]
Operations = Annotated[
    list[Operation] | None,
    typer.Option(
        "--set",
        "--add",
        "--remove",
        parser=parse_operation,
        metavar="WORDS…",
        help="Change what is stored: --set a.b=v, --add list v, --remove a.b; done in the order given.",
    ),
]
ForceString = Annotated[bool, typer.Option("--force-string", help="With --set and --add: take every value as text.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is for.")]
DisplayName = Annotated[str | None, typer.Option("--display-name", metavar="TEXT", help="A name for people.")]
Tags = Annotated[list[str] | None, typer.Option("--tags", metavar="KEY=VALUE…", help="Tags; they replace the YAML's.")]
WriteContext = Annotated[
    Path | None,
    typer.Option("--write-context", metavar="FOLDER", help="Only write Dockerfile and files; no engine is used."),
]
PushTarget = Annotated[
    str | None, typer.Option("--push", metavar="REGISTRY/REPOSITORY[:TAG]", help="Push the image there.")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Build anew although the image is there.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Taken as in az; on this machine it is done at once.")]
MaxResults = Annotated[
    int | None, typer.Option("--max-results", "-r", min=1, metavar="NUMBER", help="How many results at most.")
]
IncludeArchived = Annotated[bool, typer.Option("--include-archived", help="Archived ones too.")]
ArchivedOnly = Annotated[bool, typer.Option("--archived-only", help="Only archived ones.")]

POLICY = (Accepted(("--acquire-policy-token",), FLAG), Accepted(("--change-reference",)))
"""What az's core adds to every command that changes something."""


def lower_case(name: str | None) -> str | None:
    """Names of endpoints are in lower case, however they are written, as in az."""
    return name.lower() if name else name
