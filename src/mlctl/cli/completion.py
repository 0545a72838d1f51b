"""`mlctl completion`, and the hidden `mlctl __complete` that the shells call at each Tab."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperOption

from mlctl.cli.command import NOWHERE, AzCommand, Result, command
from mlctl.cli.groups import ENTRIES, Entry, find_entry
from mlctl.cli.shells import SHELLS, Shell, find_shell
from mlctl.cli.words import FLAG, VALUE, Option, find_long
from mlctl.context import Context
from mlctl.errors import MlctlError, UsageError


@command(scope=NOWHERE)
def completion(
    context: Context,
    *,
    shell: Annotated[
        str | None, typer.Option("--shell", metavar="|".join(SHELLS), help="Which shell; yours, from $SHELL, without.")
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Write the script where the shell reads it; else it is shown.")
    ] = False,
) -> Result | dict[str, Any]:
    """Make the shell complete commands, options, and names of jobs, computes and workspaces.

    Without --install the script is shown, for eval "$(mlctl completion --shell bash)".
    """
    chosen = find_shell(shell or Path(context.settings.environ.get("SHELL") or "").name)
    if not install:
        return Result(log=[chosen.script.encode()])
    home = context.settings.environ.get("HOME")
    if not home:
        raise UsageError("HOME is not set", hint="show the script without --install and put it where it belongs")
    return _install(chosen, Path(home), context.settings.home / "completion")


@command(scope=NOWHERE)
def complete(
    context: Context,
    *,
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS…", help="What stands after mlctl.")] = None,
    descriptions: Annotated[bool, typer.Option("--descriptions", help="Add a tab and what it is.")] = False,
    new_word: Annotated[
        bool, typer.Option("--new-word", help="A further word, still empty, is being written.")
    ] = False,
) -> Result:
    """Show the candidates for the last word, one a line; nothing when there are none or anything is wrong."""
    given = [*(words or ()), *([""] if new_word else ())]
    try:
        found = candidates(given, context)
    except Exception:  # a Tab must never show an error
        found = []
    lines = (f"{value}\t{note}" if descriptions and note else value for value, note in found)
    return Result(log=["".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")])


def candidates(words: Sequence[str], context: Context) -> list[tuple[str, str]]:
    """Candidates for the last of the words after `mlctl`, each with a short description (may be empty)."""
    *before, word = _join_equals(list(words) or [""])
    if not before:
        visible = [(entry.name, entry.help) for entry in ENTRIES if not entry.hidden]
        return _beginning(word, [*visible, ("--version", ""), ("--help", "")] if word.startswith("-") else visible)
    entry = find_entry(before[0])
    if entry is None:
        return []
    built, rest = _command_of(entry, before[1:])
    if built is None:
        return _beginning(word, list(_verbs(entry))) if not rest else []
    return _within(built, rest, word, context)


def _install(shell: Shell, home: Path, folder: Path) -> dict[str, Any]:
    script = home / shell.script_place if shell.script_place else folder / f"mlctl.{shell.name}"
    try:
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(shell.script, encoding="utf-8")
        start_file = home / shell.start_file if shell.start_file else None
        line = shell.source_line.format(script=script)
        if start_file is not None:
            text = start_file.read_text(encoding="utf-8", errors="surrogateescape") if start_file.exists() else ""
            if line not in text.splitlines():
                start_file.parent.mkdir(parents=True, exist_ok=True)
                with start_file.open("a", encoding="utf-8") as file:
                    file.write(("" if text.endswith("\n") or not text else "\n") + line + "\n")
    except OSError as error:
        raise MlctlError(f"completion was not installed: {error}", hint="show the script without --install") from error
    return {"shell": shell.name, "script": str(script), "start_file": str(start_file) if start_file else None}


def _join_equals(words: list[str]) -> list[str]:
    """bash cuts words at `=`: `--output = ta` is the option and its value, `--output =` one with an empty value."""
    joined: list[str] = []
    for index, word in enumerate(words):
        if word == "=" and joined and joined[-1].startswith("--"):
            if index == len(words) - 1:
                joined.append("")
            continue
        joined.append(word)
    return joined


def _command_of(entry: Entry, rest: list[str]) -> tuple[AzCommand | None, list[str]]:
    """The command that the words name, and the words after it; None while the verb is being written."""
    from mlctl.cli.lazy import build_root

    root = build_root()
    found = root.get_command(None, entry.name)
    if not entry.function:
        if not rest:
            return None, []
        found, rest = found.get_command(None, rest[0]), rest[1:]
    return (found, rest) if isinstance(found, AzCommand) else (None, ["unknown"])


def _verbs(entry: Entry) -> Iterable[tuple[str, str]]:
    from mlctl.cli.lazy import Group

    return Group(entry).summaries().items()


def _within(built: AzCommand, before: list[str], word: str, context: Context) -> list[tuple[str, str]]:
    parser = built.make_context(built.name, [], obj=context, resilient_parsing=True, help_option_names=["--help", "-h"])
    options = built.shapes(parser)
    _use_workspace(before, context)
    name, equals, value = word.partition("=")
    if equals and name.startswith("--"):
        return [(f"{name}={found}", note) for found, note in _values(built, parser, find_long(name, options), value)]
    option = _open_option(before, options)
    if option is not None and not word.startswith("-"):
        return _values(built, parser, option, word)
    if not word.startswith("-"):
        return _argument(built, parser, _positions(before, options), word)
    given = {given.partition("=")[0] for given in before}
    params = [param for param in built.get_params(parser) if isinstance(param, TyperOption) and not param.hidden]
    helps = {name: param.help or "" for param in params for name in param.opts}
    fresh = [
        (name, helps[name])
        for option in options
        for name in option.names[:1]
        if name in helps and not (given & set(option.names) and option.kind in (FLAG, VALUE))
    ]
    return _beginning(word, fresh)


def _open_option(before: list[str], options: Sequence[Option]) -> Option | None:
    """The option that waits for a value after these words: the last one, or one that takes a list."""
    for index, word in enumerate(reversed(before)):
        if not word.startswith("-") or word == "-":
            continue
        if "=" in word:
            return None
        found = find_long(word, options) if word.startswith("--") else _find_short(word, options)
        if found is None or found.kind == FLAG:
            return None
        return found if index == 0 or found.kind != VALUE else None
    return None


def _positions(before: list[str], options: Sequence[Option]) -> int:
    """How many of the words are no options and no values of options."""
    return sum(
        1
        for index, word in enumerate(before)
        if (word == "-" or not word.startswith("-")) and _open_option(before[:index], options) is None
    )


def _argument(built: AzCommand, parser: Any, position: int, word: str) -> list[tuple[str, str]]:
    """Values of the argument that stands at a position; the last one may take many."""
    arguments = [param for param in built.get_params(parser) if isinstance(param, TyperArgument)]
    if position >= len(arguments) and not (arguments and arguments[-1].nargs < 0):
        return []
    return _offered(arguments[min(position, len(arguments) - 1)], parser, word)


def _find_short(word: str, options: Sequence[Option]) -> Option | None:
    return next((option for option in options if word in option.names), None)


def _values(built: AzCommand, parser: Any, option: Option, word: str) -> list[tuple[str, str]]:
    for param in built.get_params(parser):
        if set(option.names) & set(param.opts):
            return _offered(param, parser, word)
    return []


def _offered(param: Any, parser: Any, word: str) -> list[tuple[str, str]]:
    # files are the shell's own business; it is asked when nothing comes from here
    return [(item.value, item.help or "") for item in param.shell_complete(parser, word) if item.type == "plain"]


def _use_workspace(words: list[str], context: Context) -> None:
    for name, value in pairwise(words):
        if name in ("-w", "--workspace-name", "--workspace") and value:
            context.override({"defaults.workspace": value}, name)


def _beginning(word: str, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(value, note) for value, note in found if value.startswith(word)]
