"""The documents against the code: made pages are fresh, what exists is documented, what is written is true."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlctl.cli.lazy import Group, build_root
from mlctl.context import Context
from mlctl.settings import KEYS
from mlctl.spec.codes import NUMBERS, code_of

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
REFERENCE = ROOT / "docs" / "reference"

_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(mlctl [^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[\s(\"]|bin/)mlctl (?P<words>.*)")
_INSTALL = (
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/mlctl job create -f examples/iris/job.yml --stream"
)
_TEST = ".venv/bin/pip install -e '.[dev]' && .venv/bin/python -m pytest"


def _load_generator() -> ModuleType:
    found = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


generate = _load_generator()


@pytest.mark.parametrize("name", sorted(generate.PAGES))
def test_pages_made_from_the_code_are_fresh(name: str) -> None:
    expected = generate.PAGES[name]()
    assert (REFERENCE / name).read_text(encoding="utf-8") == expected, "run python docs/generate.py"


def test_the_list_of_keys_beside_the_schemas_is_fresh() -> None:
    assert (ROOT / "schemas" / "keys.json").read_text(encoding="utf-8") == generate.render_keys(), (
        "run python docs/generate.py"
    )


def test_every_command_and_option_stands_in_the_reference() -> None:
    sections = _sections((REFERENCE / "commands.md").read_text(encoding="utf-8"))
    shared = sections["Options of every command"]
    for name, built in generate.commands():
        if built is None:
            continue
        text = sections[f"mlctl {name}"]
        for param in built.params:
            words = param.opts if param.param_type_name == "option" else [param.metavar]
            missing = [word for word in words if word not in text + shared]
            assert not missing, f"mlctl {name}"


def test_every_setting_and_its_variables_stand_in_the_reference() -> None:
    text = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    for setting in KEYS.values():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{setting.key}` |")), "")
        assert setting.description.replace("|", "\\|") in row, setting.key
        assert all(f"`{name}`" in row for name in setting.variables), setting.key


@pytest.mark.parametrize("page", ["README.md", "docs/reference/exit-codes.md"])
def test_every_exit_code_stands_in_the_tables(page: str) -> None:
    found = re.findall(r"^\| (\d+) \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    codes = {kind.exit_code for kind in generate.error_kinds()} | {0, generate.INTERRUPTED, generate.CLOSED_PIPE}
    assert [int(code) for code in found] == sorted(codes)


def test_every_code_of_a_problem_is_explained() -> None:
    text = (REFERENCE / "rules.md").read_text(encoding="utf-8")
    assert len(NUMBERS) > 40
    assert not [word for word in NUMBERS if f"`{word}`" not in text or code_of(word) not in text]


def test_every_error_of_a_job_is_explained() -> None:
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    folder = ROOT / "src/mlctl/backends"
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")))
    named = set(re.findall(r"\"code\": (?:\w+\.\w+ or )?\"([A-Z]\w+)\"", source))
    given = set(re.findall(r"\bExit\(\s*[\w.]+,\s*\w+,\s*\"([A-Z]\w+)\"", source))
    assert {"CommandFailed", "TimeoutExceeded", "SupervisorLost", "OutOfMemory", "EngineLost"} <= named | given
    assert not sorted(code for code in named | given if f"`{code}`" not in text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in _anchors(target.read_text(encoding="utf-8")), f"{page.name}: {link}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in _LINK.findall(page.read_text(encoding="utf-8")))
        waiting += [(page.parent / link).resolve() for link in links if link.endswith(".md") and "://" not in link]
    assert not {page.resolve() for page in PAGES} - reached


@pytest.mark.parametrize("command", [_INSTALL, _TEST], ids=["install-and-run", "tests"])
def test_the_readme_has_its_two_commands_as_one_line_each(command: str) -> None:
    blocks = [text.strip() for _, text in _FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))]
    assert command in blocks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_is_understood(page: Path) -> None:
    """By the real parser; nothing is run."""
    for line, whole in _command_lines(page.read_text(encoding="utf-8")):
        _parse(shlex.split(line, comments=True), whole=whole)


def test_the_pages_do_have_command_lines() -> None:
    counted = {page.name: len(list(_command_lines(page.read_text(encoding="utf-8")))) for page in PAGES}
    assert counted["README.md"] > 20
    assert counted["tutorial.md"] > 10
    assert sum(counted.values()) > 80


def test_a_wrong_command_line_is_noticed() -> None:
    with pytest.raises(Exception, match="no such option: --strem"):
        _parse(["job", "create", "-f", "job.yml", "--strem"], whole=True)
    with pytest.raises(Exception, match="no such command"):
        _parse(["job", "crate"], whole=True)
    with pytest.raises(Exception, match="Missing parameter: file"):
        _parse(["job", "create"], whole=True)


def _command_lines(text: str) -> Iterator[tuple[str, bool]]:
    """What follows `mlctl` in the shell blocks of a page and in its inline code, up to the end of that command.

    With each whether it is a whole command line: prose may speak of a verb or an option and leave the rest out.
    """
    for language, block in _FENCE.findall(text):
        if language in ("", "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                found = _COMMAND.search(line.partition(" # ")[0])
                if found and not line.startswith(("#", "hint:", "error", "warning", " ")):
                    yield _cut(found["words"]), True
    for inline in _INLINE.findall(_FENCE.sub("", text)):
        words = _cut(inline.removeprefix("mlctl "))
        # prose names groups (`mlctl job`) and leaves words out (`mlctl config set …`)
        if "…" not in words and not words.startswith("__"):
            yield words, False


def _cut(words: str) -> str:
    """The words up to the end of the command: `)`, `|`, `;`, `&&` outside quotes."""
    quote, kept = "", ""
    for place, letter in enumerate(words):
        if not quote and (letter in ")|;" or words[place : place + 2] in ("&&", "||")):
            break
        if letter in "\"'":
            quote = "" if quote == letter else quote or letter
            if letter == '"' and words[:place].count('"') % 2 == 0 and '"' not in words[place + 1 :]:
                break  # the end of "$(mlctl …)"
        kept += letter
    return kept.strip()


def _parse(words: list[str], *, whole: bool) -> None:
    root = build_root()
    place = root.make_context("mlctl", words[:1], obj=Context(), resilient_parsing=True)
    if words[0].startswith("-"):
        return
    name, found, rest = root.resolve_command(place, words)
    if isinstance(found, Group):
        if not rest and not whole:
            return
        name, found, rest = found.resolve_command(place, rest)
    if {"--help", "-h"} & set(rest):
        return
    try:
        found.make_context(name, rest, obj=Context())
    except Exception as error:
        if whole or type(error).__name__ != "MissingParameter":
            raise AssertionError(f"mlctl {shlex.join(words)}: {error}") from error


def _sections(text: str) -> dict[str, str]:
    """Text below each heading, by heading."""
    parts = re.split(r"^#{1,4} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _anchors(text: str) -> set[str]:
    """Anchors of the headings as they are made from their text on the usual forges."""
    headings: list[Any] = re.findall(r"^#{1,6} (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-") for heading in headings}
