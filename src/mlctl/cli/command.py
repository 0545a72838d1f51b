"""`@command`: a plain function becomes a command.

The function takes a `Context` first and keyword-only options after it, and returns a value, or a `Result` around it.
It stays the plain function it was: a test calls it. On the command line it also has the global options, and, where it
works in a workspace, `-w` and `-g`, which land in the context's settings.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, overload

import typer
from typer.core import TyperCommand, TyperOption

from mlctl.cli.names import complete_workspaces
from mlctl.cli.words import FLAG, LIST, UPDATE, VALUE, Option, rewrite
from mlctl.context import Context
from mlctl.errors import UsageError
from mlctl.output.streams import Level

Function = TypeVar("Function", bound=Callable[..., Any])

WORKSPACE, GROUP, NOWHERE = "workspace", "group", "nowhere"
"""Scopes: `-w` and `-g`; only `-g` (the command is about workspaces); neither."""


class Result(NamedTuple):
    """What a command returns when the bare value is not enough.

    `value`: dataclass or plain data; None prints nothing. `view`: columns of a table, a key of `output/views.py`.
    `exit_code`: for a command that worked and has bad news. `log`: bytes that go to stdout as they come, before the
    value; an error raised by the iterator ends the command as any other error does.
    """

    value: Any = None
    view: str | None = None
    exit_code: int = 0
    log: Iterable[bytes] = ()


class Accepted(NamedTuple):
    """An option of az that means nothing here: taken, and answered with a warning. `kind`: flag, value or list."""

    names: tuple[str, ...]
    kind: str = VALUE


class Verb(NamedTuple):
    """What `@command` knows about a function.

    `accepted`: options of az that are taken with a warning. `formats`: further values of `-o`, which the command itself
    makes of what it found (`context.report_format`).
    """

    name: str
    function: Callable[..., Any]
    help: str
    view: str | None
    scope: str
    accepted: tuple[Accepted, ...] = ()
    formats: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """First sentence of the help."""
        return self.help.split("\n\n")[0].replace("\n", " ").strip()


@overload
def command(function: Function, /) -> Function: ...


@overload
def command(
    *,
    name: str | None = None,
    view: str | None = None,
    scope: str = WORKSPACE,
    accepted: Sequence[Accepted] = (),
    formats: Sequence[str] = (),
) -> Callable[[Function], Function]: ...


def command(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    view: str | None = None,
    scope: str = WORKSPACE,
    accepted: Sequence[Accepted] = (),
    formats: Sequence[str] = (),
) -> Function | Callable[[Function], Function]:
    """Mark a function of a group's module as a command.

    The verb is the function's name with `_` as `-` (a trailing `_` falls away), the help its docstring. `view` names
    the columns of the table, `scope` whether `-w` and `-g` belong to it.
    """

    def mark(marked: Function) -> Function:
        verb = name or marked.__name__.rstrip("_").replace("_", "-")
        text = inspect.cleandoc(marked.__doc__ or "")
        setattr(marked, _MARK, Verb(verb, marked, text, view, scope, tuple(accepted), tuple(formats)))
        return marked

    return mark if function is None else mark(function)


def verbs_of(module: Any) -> dict[str, Verb]:
    """The commands of a module by verb, in the order they stand there."""
    verbs = (getattr(value, _MARK, None) for value in vars(module).values() if callable(value))
    return {verb.name: verb for verb in verbs if isinstance(verb, Verb)}


def verb_of(function: Callable[..., Any]) -> Verb:
    """What `@command` noted about a function."""
    verb: Verb = getattr(function, _MARK)
    return verb


def build(verb: Verb) -> TyperCommand:
    """The parser's command for a verb. Costs a few milliseconds, so it is done for the verb that is called only."""

    def adapter(parser: typer.Context, **values: Any) -> Result:
        return _call(verb, parser.obj, values)

    adapter.__signature__ = _signature(verb)  # type: ignore[attr-defined]  # how typer reads the options
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.command(verb.name, cls=AzCommand, help=verb.help, epilog=_epilog(verb))(adapter)
    built = typer.main.get_command(app)
    assert isinstance(built, TyperCommand)
    return built


class AzCommand(TyperCommand):
    """A command that reads its words the way az does (see `words.py`)."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Rewrite the words, then parse. A wrong word ends as a usage error of the parser, with its usage line."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        try:
            args = rewrite(args, self.shapes(ctx))
        except UsageError as error:
            error.details["usage"] = ctx.get_usage()
            raise
        return super().parse_args(ctx, args)

    def shapes(self, ctx: Any) -> list[Option]:
        """The command's options as `words.py` wants them."""
        return [_shape(param) for param in self.get_params(ctx) if isinstance(param, TyperOption)]


_MARK = "__mlctl_command__"

OutputFormat = Literal["json", "jsonc", "none", "table", "tsv", "yaml", "yamlc"]

_GLOBAL: dict[str, Any] = {
    "output": Annotated[
        OutputFormat | None,
        typer.Option(
            "--output", "-o", "--out", case_sensitive=False, help="Output format; json when not set otherwise."
        ),
    ],
    "query": Annotated[str | None, typer.Option("--query", metavar="JMESPATH", help="What to pick from the result.")],
    "subscription": Annotated[
        str | None, typer.Option("--subscription", metavar="TEXT", help="Subscription; only Azure ML looks at it.")
    ],
    "only_show_errors": Annotated[bool, typer.Option("--only-show-errors", help="Hide warnings.")],
    "verbose": Annotated[bool, typer.Option("--verbose", help="Say what is being done, on stderr.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Say everything, on stderr; may show secrets.")],
}
_SCOPED: dict[str, Any] = {
    "workspace": Annotated[
        str | None,
        typer.Option(
            "--workspace-name",
            "-w",
            "--workspace",
            metavar="WORKSPACE",
            autocompletion=complete_workspaces,
            help="Name, or path of a workspace folder.",
        ),
    ],
    "resource_group": Annotated[
        str | None,
        typer.Option("--resource-group", "-g", metavar="TEXT", help="Resource group; only Azure ML looks at it."),
    ],
}
_SETTINGS = {
    "output": ("core.output", "--output"),
    "subscription": ("defaults.subscription", "--subscription"),
    "workspace": ("defaults.workspace", "--workspace-name"),
    "resource_group": ("defaults.group", "--resource-group"),
}
_SCOPES = {WORKSPACE: ("workspace", "resource_group"), GROUP: ("resource_group",), NOWHERE: ()}


def _signature(verb: Verb) -> inspect.Signature:
    own = list(inspect.signature(verb.function, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(_PREFIX + name, keyword, default=False if name in _FLAGS else None, annotation=annotation)
        for name, annotation in (*((name, _SCOPED[name]) for name in _SCOPES[verb.scope]), *_GLOBAL.items())
    ]
    taken = [_accepted_parameter(number, option) for number, option in enumerate(verb.accepted)]
    if verb.formats:
        added = [
            param.replace(annotation=_with_formats(verb.formats)) if param.name == f"{_PREFIX}output" else param
            for param in added
        ]
    first = inspect.Parameter("parser", inspect.Parameter.POSITIONAL_ONLY, annotation=typer.Context)
    return inspect.Signature([first, *(param.replace(kind=keyword) for param in own), *added, *taken])


def _with_formats(formats: tuple[str, ...]) -> Any:
    """`-o` with further formats of the command."""
    choices: Any = Literal.__getitem__((*get_args(OutputFormat), *formats))
    option = typer.Option(
        "--output", "-o", "--out", case_sensitive=False, help="Output format; text for people when not given."
    )
    return Annotated[choices | None, option]


_PREFIX = "mlctl_"
_ACCEPTED = "accepted_"
_NAMING = (
    "name",
    "version",
    "label",
    "registry_name",
    "share_with_name",
    "share_with_version",
    "endpoint_name",
    "deployment_name",
    "job_name",
    "output_name",
    "datastore",
    "path",
    "compute",
)
"""Parameters whose value names something; of no meaning when it is empty."""

_FLAGS = ("only_show_errors", "verbose", "debug")


def _accepted_parameter(number: int, option: Accepted) -> inspect.Parameter:
    kind: Any = {FLAG: bool, LIST: list[str] | None}.get(option.kind, str | None)
    annotation = Annotated[kind, typer.Option(*option.names, hidden=True)]
    default = False if option.kind == FLAG else None
    return inspect.Parameter(
        f"{_ACCEPTED}{number}", inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _epilog(verb: Verb) -> str | None:
    if not verb.accepted:
        return None
    names = ", ".join(option.names[0] for option in verb.accepted)
    return f"Options of az that mean nothing on this machine, taken with a warning: {names}."


def _shape(param: TyperOption) -> Option:
    kind = FLAG if param.is_flag else LIST if param.multiple else VALUE
    if kind == LIST and param.type.name == "parse_operation":
        kind = UPDATE
    reads_files = kind == UPDATE or (kind != FLAG and param.type.name in ("str", "text"))
    return Option((*param.opts, *param.secondary_opts), kind, reads_files)


def _call(verb: Verb, context: Context, values: dict[str, Any]) -> Result:
    given = {name.removeprefix(_PREFIX): values.pop(name) for name in list(values) if name.startswith(_PREFIX)}
    taken = [values.pop(name) for name in list(values) if name.startswith(_ACCEPTED)]
    _refuse_empty(verb, values)
    if verb.formats:
        context.report_format = given["output"] or ""
        if given["output"] in verb.formats:
            given["output"] = None
    _apply(context, given)
    for option, value in zip(verb.accepted, taken, strict=True):
        if value not in (None, False):
            context.say.warning(f"{option.names[0]} means nothing on this machine and is left out")
    value = verb.function(context, **values)
    if isinstance(value, Result):
        return value if value.view else Result(value.value, verb.view, value.exit_code, value.log)
    return Result(value, verb.view)


def _refuse_empty(verb: Verb, values: dict[str, Any]) -> None:
    """An option that says which one must not count as left out because a variable of a script was empty."""
    for name in _NAMING:
        if values.get(name) == "":
            parameter = inspect.signature(verb.function, eval_str=True).parameters[name]
            spelled = parameter.annotation.__metadata__[0]
            # typer takes the first spelling for a default value at first
            names = [str(text) for text in (spelled.default, *(spelled.param_decls or ()))]
            option = next((text for text in names if text.startswith("--")), name.upper())
            raise UsageError(f"{option} is empty", hint="give it a value, or leave the option out")


def _apply(context: Context, given: dict[str, Any]) -> None:
    """Put the global options where they belong; the level first, so that reading the settings talks accordingly."""
    if given["debug"]:
        context.say.level = Level.DEBUG
    elif given["verbose"]:
        context.say.level = Level.INFO
    elif given["only_show_errors"] or context.settings.flag("core.only_show_errors"):
        context.say.level = Level.ERROR
    if given.get("workspace") == "":
        raise UsageError("--workspace-name is empty", hint="give it a value, or leave the option out")
    for name, (key, source) in _SETTINGS.items():
        if given.get(name):
            context.override({key: given[name]}, source)
    context.output_given = bool(given["output"] or given["query"])
    context.settings.text("core.output")  # a wrong format or query must not be found out after the work is done
    if given["query"]:
        from mlctl.output.query import check_query

        context.query = check_query(given["query"])
