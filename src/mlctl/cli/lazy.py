"""The root and its groups: help from the command table, modules imported and commands built only when called."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from typer.core import TyperCommand, TyperGroup, TyperOption

from mlctl.cli.groups import ENTRIES, Entry, find_entry
from mlctl.errors import UsageError


class LazyGroup(TyperGroup):
    """A group whose commands have a name and a one-line help before they exist."""

    def __init__(self, name: str, *, help: str, params: Sequence[Any] = ()) -> None:  # noqa: A002 - typer's own word
        super().__init__(
            name=name, help=help, params=list(params), rich_markup_mode=None, subcommand_metavar="COMMAND …"
        )

    def summaries(self) -> dict[str, str]:
        """Listed commands with their one-line help, in order."""
        raise NotImplementedError

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the listed commands."""
        del ctx
        return list(self.summaries())

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands in the help, without building any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries().items()))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first word names. Raises UsageError with the nearest names."""
        found = self.get_command(ctx, args[0])
        if found is None:
            if args[0].startswith("-"):
                _fail(
                    ctx, f"no such option: {args[0]}", f"options come after the command; see {ctx.command_path} --help"
                )
            _fail(ctx, f"no such command: {ctx.command_path} {args[0]}", _suggestion(args[0], self.list_commands(ctx)))
        return args[0], found, args[1:]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As the parser does, but a missing command lists what there is."""
        if not args and not ctx.resilient_parsing:
            _fail(ctx, f"{ctx.command_path} needs a command", "one of " + ", ".join(self.list_commands(ctx)))
        return super().parse_args(ctx, args)


class Root(LazyGroup):
    """`mlctl` itself."""

    def summaries(self) -> dict[str, str]:
        """The lines of the command table."""
        return {entry.name: _line(entry) for entry in ENTRIES if not entry.hidden}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The group or command of that name, its module imported now."""
        del ctx
        entry = find_entry(cmd_name)
        if entry is None:
            return None
        if entry.function:
            from mlctl.cli.command import build, verb_of

            return build(verb_of(getattr(import_module(entry.module), entry.function)))
        return Group(entry)


class Group(LazyGroup):
    """A group of the table: `mlctl job`."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.name, help=entry.help)
        self._module = entry.module
        self._family = entry.family

    def summaries(self) -> dict[str, str]:
        """Verbs of the module with the first sentence of each help."""
        return {name: verb.summary for name, verb in self._verbs().items()}

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """The verb as a command, built now."""
        del ctx
        from mlctl.cli.command import build

        verb = self._verbs().get(cmd_name)
        return build(verb) if verb else None

    def _verbs(self) -> dict[str, Any]:
        from mlctl.cli.command import verbs_of

        verbs = verbs_of(import_module(self._module))
        if self._family:
            from mlctl.cli.specs import validate_verb

            verbs = {**verbs, "validate": validate_verb(self._family)}
        return verbs


def build_root() -> Root:
    """The whole command line, nothing of it imported yet."""
    version = TyperOption(
        param_decls=["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="Show the version and exit.",
    )
    return Root("mlctl", help=_HELP, params=[version])


_HELP = """az ml, everywhere: the YAML, commands and output of the Azure ML CLI, on this machine, without an account.

    mlctl job create -f job.yml --stream

Each command has --help. Results are JSON on stdout; everything else goes to stderr."""


def _line(entry: Entry) -> str:
    return entry.help if entry.status == "ga" else f"[{entry.status}] {entry.help}"


def _show_version(ctx: Any, param: Any, value: bool) -> None:
    del param
    if value and not ctx.resilient_parsing:
        import typer

        from mlctl import __version__

        typer.echo(f"mlctl {__version__}")
        raise typer.Exit


def _suggestion(word: str, names: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, names, n=2)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "commands: " + ", ".join(names)


def _fail(ctx: Any, message: str, hint: str) -> NoReturn:
    raise UsageError(message, hint=hint, details={"usage": ctx.get_usage()})
