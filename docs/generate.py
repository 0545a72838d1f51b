"""The reference pages that are made from the code, and the list of keys beside the schemas: run as
`python docs/generate.py`. tests/test_docs.py checks them."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

from mlctl import errors
from mlctl.cli import CLOSED_PIPE, INTERRUPTED
from mlctl.cli.groups import ENTRIES
from mlctl.cli.lazy import Group, build_root
from mlctl.settings import KEYS, Setting
from mlctl.spec.codes import Entry, entries
from mlctl.spec.kinds import KINDS
from mlctl.spec.schema import KEYS_FILE, load_schema, schemas_folder

REFERENCE = Path(__file__).parent / "reference"

_MADE = "<!-- Made from {source} by `python docs/generate.py`; change the code instead. -->\n"

_COMMANDS_INTRO = """\
# Commands

Every command has `--help`. Words are read as az reads them: any unambiguous beginning of a long option will do, lists
go on until the next option (`--set a=1 b=2`), `@file` stands for the text of a file, `-o=json` and `-ojson` are the
same as `-o json`.

stdout has the result and nothing else. Warnings, progress and hints go to stderr. How a command ends is told by its
[exit code](exit-codes.md).
"""

_EVERYWHERE_INTRO = """
## Options of every command

The first two are missing where a command has nothing to do with a workspace (`config`, `configure`, `version`,
`completion`); `workspace` commands have `-g` and no `-w`.

"""

_SETTINGS_INTRO = """\
# Settings

The first of these that has a value is used:

1. the option on the command line (`-w`, `-g`, `--subscription`, `-o`)
2. the environment variable, the variables of a row from left to right
3. the project's file: `.mlctl/config` in this folder or the nearest folder above it
4. the user's file: `config` in the folder `home`
5. the default

An empty value is the same as none. `mlctl config list` shows each value and where it came from. The files are INI
files: `core.output` is the key `output` in the section `[core]`. A relative path in a file is relative to the folder
of that file.

```
mlctl config set jobs.grace_period=10
mlctl config set --local defaults.workspace=demo
mlctl config get jobs.grace_period
mlctl config unset jobs.grace_period
```

A flag takes true, yes, on, 1 and their opposites. Pairs are written `name=value name=value`.

| key | kind | default | variables | meaning |
|---|---|---|---|---|
"""

_EXIT_CODES_INTRO = """\
# Exit codes

An error is written to stderr as `error[code]: what is wrong`, then `hint: what to do`. The bracketed code is stable;
match on it or on the exit code, never on the sentence.

| exit | code | when |
|---|---|---|
| 0 | | done; an empty list counts as done |
"""

_EXIT_CODES_END = """
- `job create --stream`, `job stream` and `job wait` end with the job: 0 when it completed, 10 when it failed or was
  cancelled. `job create` without `--stream` ends with 0 as soon as the job is queued.
- `job validate` ends with 0 and says `Failed` in its result, as az does; with `--strict` it ends with 5.
- `job show` of a name that does not exist ends with 3.
- `mlctl doctor` ends with 0 whatever it finds; with `--strict` it ends with 1 when a check failed.
- A question that nobody can answer (no terminal, no `--yes`) ends with 1 and the code `not_confirmed`, as az does.

More about each: [errors](errors.md).
"""


_RULES_INTRO = """\
# Codes of problems

Each problem of a spec has a number and a word: `error[MLC1101 unknown_key]`. Both are stable, and a number is never
given to another word. `mlctl explain MLC1101` prints what stands here.

| code | word | severity | |
|---|---|---|---|
"""

_RULES_END = """
A warning does not make a file wrong, unless `--warnings-as-errors` is given. What is incomplete lacks something that an
option of the command can supply; `--strict` makes it an error. Severities in the table are the usual ones: where Azure
ML drops a key without a word, `unknown_key` is a warning.
"""


def render_commands() -> str:
    """The page on commands: every option of every command, from the parser itself."""
    parts = [_MADE.format(source="the command table"), _COMMANDS_INTRO]
    shared: dict[str, str] = {}
    for name, built in commands():
        if built is None:
            parts.append(f"\n## {name.partition(' ')[0]}\n\n{_help_of(name)}\n")
            continue
        parser = built.make_context(name, [], resilient_parsing=True)
        own = [param for param in built.params if not getattr(param, "hidden", False)]
        shared.update({_spelling(param): _row(param, parser) for param in own if param.name.startswith("mlctl_")})
        rows = [_row(param, parser) for param in own if not param.name.startswith("mlctl_")]
        parts.append(f"\n{'###' if ' ' in name else '##'} mlctl {name}\n\n{_prose(built.help)}\n")
        if rows:
            parts.append("\n| option | value | |\n|---|---|---|\n" + "".join(rows))
        if built.epilog:
            parts.append(f"\n{_prose(built.epilog)}\n")
    parts.append(_EVERYWHERE_INTRO + "| option | value | |\n|---|---|---|\n" + "".join(_workspace_first(shared)))
    return "".join(parts)


def render_settings() -> str:
    """The page on settings."""
    rows = "".join(_setting_row(setting) for setting in KEYS.values())
    return _MADE.format(source="mlctl/settings/keys.py") + _SETTINGS_INTRO + rows


def render_exit_codes() -> str:
    """The page on exit codes."""
    rows = [
        f"| {kind.exit_code} | `{kind.code}` | {_first_line(kind)} |\n"
        for kind in sorted(error_kinds(), key=lambda kind: kind.exit_code)
    ]
    ends = [
        f"| {INTERRUPTED} | | Ctrl-C; a job that was being followed goes on |\n",
        f"| {CLOSED_PIPE} | | whoever read the output has gone (`mlctl … \\| head`) |\n",
    ]
    return _MADE.format(source="mlctl/errors.py") + _EXIT_CODES_INTRO + "".join([*rows, *ends]) + _EXIT_CODES_END


def render_rules() -> str:
    """The page on the codes of problems, with their examples."""
    known = entries()
    rows = [
        f"| [{entry.code}](#{_anchor(entry)}) | `{entry.name}` | {entry.severity} | {_cell(entry.title)} |\n"
        for entry in known
    ]
    parts = [_MADE.format(source="mlctl/spec/codes.yml"), _RULES_INTRO, *rows, _RULES_END]
    group = ""
    for entry in known:
        if entry.group != group:
            group = entry.group
            parts.append(f"\n## {group}\n")
        parts.append(_rule(entry))
    return "".join(parts)


PAGES = {
    "commands.md": render_commands,
    "settings.md": render_settings,
    "exit-codes.md": render_exit_codes,
    "rules.md": render_rules,
}
"""Name of each page below `docs/reference` and what renders it."""


def render_keys() -> str:
    """`schemas/keys.json`: a line for each kind, with the keys at the top of its documents."""
    lines = (f'  "{name}": {json.dumps(list(load_schema(name).get("properties", ())))}' for name in sorted(KINDS))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Each listed command with its words after `mlctl`. A group comes first, as its name and a blank, with None."""
    root = build_root()
    for entry in ENTRIES:
        if entry.hidden:
            continue
        found = root.get_command(None, entry.name)
        if not isinstance(found, Group):
            yield entry.name, found
            continue
        yield f"{entry.name} ", None
        for verb in found.summaries():
            yield f"{entry.name} {verb}", found.get_command(None, verb)


def error_kinds() -> list[type[errors.MlctlError]]:
    """The classes of `mlctl.errors`, each of which has an exit code of its own."""
    found = vars(errors).values()
    return [kind for kind in found if inspect.isclass(kind) and issubclass(kind, errors.MlctlError)]


def write_pages(folder: Path = REFERENCE) -> None:
    """Write every page into `folder`."""
    for name, render in PAGES.items():
        (folder / name).write_text(render(), encoding="utf-8")


def _help_of(group: str) -> str:
    return next(entry.help for entry in ENTRIES if entry.name == group.strip())


def _spelling(param: Any) -> str:
    if param.param_type_name == "argument":
        return str(param.metavar)
    return ", ".join(f"`{word}`" for word in (*param.opts, *param.secondary_opts))


def _row(param: Any, parser: Any) -> str:
    argument = param.param_type_name == "argument"
    flag = getattr(param, "is_flag", False)
    value = "" if argument or flag else f"`{_metavar(param, parser)}`"
    needed = " Required." if param.required else ""
    name = f"`{_spelling(param)}`" if argument else _spelling(param)
    return f"| {name} | {_cell(value)} | {_cell(param.help or '')}{needed} |\n"


def _metavar(param: Any, parser: Any) -> str:
    """What stands for the value; the parser's own words for types are not for users."""
    word = str(param.make_metavar(parser)).strip("<>")
    return {"str": "TEXT", "int range": "NUMBER"}.get(word, word)


def _workspace_first(shared: dict[str, str]) -> list[str]:
    scoped = [name for name in shared if "--workspace" in name or "--resource-group" in name]
    return [shared[name] for name in sorted(scoped, reverse=True)] + [
        row for name, row in shared.items() if name not in scoped
    ]


def _setting_row(setting: Setting) -> str:
    kind = ", ".join(setting.choices) if setting.choices else setting.kind
    default = f"`{setting.default}`" if setting.default else ""
    variables = ", ".join(f"`{name}`" for name in setting.variables)
    return f"| `{setting.key}` | {kind} | {default} | {variables} | {_cell(setting.description)} |\n"


def _first_line(kind: type[errors.MlctlError]) -> str:
    if kind is errors.MlctlError:
        return "a bug of mlctl, with the path of a crash report; or a question that nobody answered"
    text = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ").partition(". ")[0]
    return _cell(text[0].lower() + text[1:].rstrip("."))


def _rule(entry: Entry) -> str:
    parts = [
        f"\n### {entry.code} {entry.name}\n",
        f"{_paragraph(f'{entry.title}. {entry.meaning}')}\n",
        f"{_paragraph(entry.fix)}\n",
    ]
    if entry.bad:
        parts += [f"Wrong:\n\n{_block(entry.bad)}", f"Right:\n\n{_block(entry.good)}"]
    parts += [f"Beside it `{name}`:\n\n{_block(text, name)}" for name, text in entry.files.items()]
    return "\n".join([*parts, f"[More]({entry.page})\n"])


def _paragraph(text: str) -> str:
    """Lines of Markdown; the texts are for terminals, so what has a meaning there is escaped."""
    return fill(text.replace("<", "\\<").replace("*", "\\*"), 120, break_long_words=False, break_on_hyphens=False)


def _block(text: str, name: str = "spec.yml") -> str:
    """An example as a fenced block; control characters are shown as escapes."""
    shown = "".join(letter if letter == "\n" or letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
    language = "yaml" if name.endswith(".yml") else "python" if name.endswith(".py") else "text"
    return f"```{language}\n{shown.rstrip()}\n```\n"


def _anchor(entry: Entry) -> str:
    return f"{entry.code} {entry.name}".lower().replace(" ", "-")


def _prose(text: str) -> str:
    return "\n".join(line.strip() for line in inspect.cleandoc(text).splitlines())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]) if len(sys.argv) > 1 else REFERENCE)
    (schemas_folder() / KEYS_FILE).write_text(render_keys(), encoding="utf-8")
