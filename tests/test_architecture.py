"""The rules that keep the code readable, checked: arrows, sizes, names, help texts."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from mlctl.backends import KNOWN
from mlctl.cli.command import AzCommand
from mlctl.cli.groups import ENTRIES
from mlctl.cli.lazy import Group, build_root
from mlctl.output.views import VIEWS

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "mlctl").rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
"""Lines; the house rule is 350 and 40, with room for a docstring and a long signature."""

EMPTY_WORDS = {"utils", "util", "helpers", "helper", "common", "core", "manager", "managers", "misc"}


def commands() -> Iterator[tuple[str, AzCommand]]:
    """Every command with its full name."""
    root = build_root()
    for entry in ENTRIES:
        found = root.get_command(None, entry.name)
        if isinstance(found, Group):
            for verb in found.summaries():
                built = found.get_command(None, verb)
                assert isinstance(built, AzCommand)
                yield f"{entry.name} {verb}", built
        else:
            yield entry.name, found


def test_arrows_point_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--config", ROOT / "pyproject.toml", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short_and_explained(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    tree = ast.parse(text)
    if path.name != "__main__.py" or tree.body:
        assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


def test_no_module_has_an_empty_name() -> None:
    named = {path.stem for path in SOURCES} | {path.parent.name for path in SOURCES}
    assert not named & EMPTY_WORDS


def test_every_command_and_option_has_help() -> None:
    lacking = []
    for name, built in commands():
        if not built.help:
            lacking.append(name)
        lacking += [
            f"{name} {param.opts[0]}"
            for param in built.params
            if not getattr(param, "hidden", False) and not getattr(param, "help", None)
        ]
    assert not lacking


def test_every_line_of_the_help_leads_somewhere() -> None:
    for entry in ENTRIES:
        module = import_module(entry.module)
        assert not entry.function or callable(getattr(module, entry.function))
        assert entry.help.endswith(".")
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)


def test_every_spelling_of_an_option_is_used_once() -> None:
    for name, built in commands():
        spellings = [word for param in built.params for word in (*param.opts, *param.secondary_opts)]
        assert len(spellings) == len(set(spellings)), name


def test_every_view_belongs_to_a_command() -> None:
    assert set(VIEWS) <= {name for name, _ in commands()}


def test_every_known_back_end_is_there() -> None:
    for name, known in KNOWN.items():
        assert callable(import_module(known.module).connect), name
