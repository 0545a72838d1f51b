"""Ignore files: git's pattern language (gitignore(5), and wildmatch.c where the manual is silent), for one root file.

As in Azure ML, only the file in the root of the folder counts, and `.amlignore` stands in for `.gitignore`. As in git,
nothing below an ignored folder can be taken back by a later `!pattern`: that is what lets a walk skip such a folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlctl.store.database import translate_os_error

IGNORE_FILES = (".amlignore", ".gitignore")
"""The first one there is decides alone."""

_NEVER = "(?!)"
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "\\x21-\\x7e",
    "lower": "a-z",
    "print": "\\x20-\\x7e",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


@dataclass(frozen=True, slots=True)
class _Group:
    """Patterns that stand together and say the same, as one expression for folders and one for all else."""

    ignored: bool
    folders: re.Pattern[str]
    files: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The patterns of one ignore file. `source` is the file's name, None when there is none."""

    source: str | None = None
    _groups: tuple[_Group, ...] = ()

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Whether the last pattern that matches says so. `path`: relative, with `/`; its parents are not ignored."""
        for group in self._groups:
            if (group.folders if is_folder else group.files).fullmatch(path):
                return group.ignored
        return False


def read_ignore_rules(folder: Path) -> IgnoreRules:
    """The rules for a folder: of its `.amlignore`, else of its `.gitignore`, else none. Raises AuthError."""
    for name in IGNORE_FILES:
        try:
            data = (folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except OSError as error:
            raise translate_os_error(error, folder, writing=False) from error
        return parse_ignore_rules(data.decode("utf-8-sig", "surrogateescape").split("\n"), source=name)
    return IgnoreRules()


def parse_ignore_rules(lines: Iterable[str], *, source: str | None = None) -> IgnoreRules:
    """The rules that lines of an ignore file make."""
    groups: list[_Group] = []
    run: list[tuple[str, bool]] = []
    run_ignores = True
    for line in lines:
        rule = _parse_line(line)
        if rule is None:
            continue
        ignores, folders_only, expression = rule
        if ignores != run_ignores and run:
            groups.append(_group(run_ignores, run))
            run = []
        run_ignores = ignores
        run.append((expression, folders_only))
    if run:
        groups.append(_group(run_ignores, run))
    return IgnoreRules(source, tuple(reversed(groups)))


def _group(ignored: bool, rules: list[tuple[str, bool]]) -> _Group:
    every = "|".join(expression for expression, _ in rules)
    files = "|".join(expression for expression, folders_only in rules if not folders_only)
    return _Group(ignored, re.compile(every, re.DOTALL), re.compile(files or _NEVER, re.DOTALL))


def _parse_line(line: str) -> tuple[bool, bool, str] | None:
    pattern = _strip_trailing_spaces(line.removesuffix("\r"))
    if not pattern or pattern.startswith("#"):
        return None
    ignores = not pattern.startswith("!")
    pattern = pattern if ignores else pattern[1:]
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    if not pattern:
        return None
    # A slash inside ties the pattern to the root; without one it is a name at any depth.
    expression = _translate(pattern.removeprefix("/")) if "/" in pattern else f"(?:.*/)?{_translate(pattern)}"
    return ignores, folders_only, expression


def _strip_trailing_spaces(line: str) -> str:
    stripped = line.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    escaped_space = backslashes % 2 == 1 and len(stripped) < len(line)
    return f"{stripped} " if escaped_space else stripped


def _translate(pattern: str) -> str:
    parts: list[str] = []
    place = 0
    while place < len(pattern):
        char = pattern[place]
        if char == "*":
            part, place = _translate_stars(pattern, place)
        elif char == "?":
            part, place = "[^/]", place + 1
        elif char == "[":
            part, place = _translate_bracket(pattern, place + 1)
        elif char == "\\":
            # A backslash at the end escapes nothing; git lets such a pattern match nothing.
            part = re.escape(pattern[place + 1]) if place + 1 < len(pattern) else _NEVER
            place += 2
        else:
            part, place = re.escape(char), place + 1
        parts.append(part)
    return "".join(parts)


def _translate_stars(pattern: str, start: int) -> tuple[str, int]:
    end = start
    while end < len(pattern) and pattern[end] == "*":
        end += 1
    whole_component = (start == 0 or pattern[start - 1] == "/") and (end == len(pattern) or pattern[end] == "/")
    if end - start < 2 or not whole_component:
        return "[^/]*", end
    if end == len(pattern):
        return ".*", end
    return "(?:.*/)?", end + 1


def _translate_bracket(pattern: str, start: int) -> tuple[str, int]:
    """The class that begins after the `[` at `start` - 1; one that is never closed matches nothing."""
    place = start
    negated = pattern[place : place + 1] in ("!", "^") and bool(pattern[place:])
    place += negated
    items: list[str] = []
    previous = ""
    first = True
    while first or pattern[place : place + 1] != "]":
        first = False
        char = pattern[place : place + 1]
        if not char:
            return _NEVER, len(pattern)
        following = pattern[place + 1 : place + 2]
        if char == "-" and previous and following not in ("", "]"):
            place += 1 + (following == "\\")
            items[-1] = _range(previous, pattern[place : place + 1])
            previous = ""
        elif char == "[" and following == ":" and ":]" in pattern[place + 2 :]:
            end = pattern.index(":]", place + 2)
            name = pattern[place + 2 : end]
            if name not in _CLASSES:
                return _NEVER, len(pattern)
            items.append(_CLASSES[name])
            previous, place = "", end + 1
        else:
            if char == "\\":
                place, char = place + 1, following
            if not char:
                return _NEVER, len(pattern)
            items.append(re.escape(char))
            previous = char
        place += 1
    content = "".join(items)
    if negated:
        return f"[^/{content}]", place + 1
    return (f"(?!/)[{content}]" if content else _NEVER), place + 1


def _range(first: str, last: str) -> str:
    # A range that runs backwards holds nothing but, in git, its first end, which was taken as a single character.
    single = re.escape(first)
    return f"{single}-{re.escape(last)}" if first <= last else single
