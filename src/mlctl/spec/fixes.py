"""Mechanical fixes of a document: problems become edits of its text, and only the cured places change.

Pure. A fix is proposed where its meaning is beyond doubt and the text at the place is what the reader saw there. Then
all are tried: the new text must read as the same data but for what was cured, or the fix is dropped. `_CURES` says
which problems have a cure.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlctl.errors import MlctlError
from mlctl.spec.branches import schema_of
from mlctl.spec.detection import detect
from mlctl.spec.document import Document, KeyPath, dotted, value_at
from mlctl.spec.kinds import Kind
from mlctl.spec.problems import MEANT, Problem
from mlctl.spec.reader import read_text
from mlctl.spec.schema import Schema, known_keys, load_schema, types_of

OLD_NAMES: Mapping[str, str] = {
    # the preview of Azure ML v2
    "algorithm": "sampling_algorithm", "pattern": "schedule",
    # Azure ML v1: hyperdrive, run configurations (there in camelCase too), clusters, environments, inference
    "max_total_runs": "max_total_trials", "max_concurrent_runs": "max_concurrent_trials",
    "primary_metric_name": "primary_metric", "primary_metric_goal": "goal",
    "process_count_per_node": "process_count_per_instance", "node_count": "instance_count",
    "min_nodes": "min_instances", "max_nodes": "max_instances", "vm_size": "size",
    "idle_seconds_before_scaledown": "idle_time_before_scale_down",
    "conda_dependencies": "conda_file", "conda_dependencies_file": "conda_file", "base_image": "image",
    "entry_script": "scoring_script", "source_directory": "code",
}  # fmt: skip
"""Keys that kept their meaning under another name. A row counts where the new key is known and the old one is not."""

SHORTEST_TYPO = 5
"""Letters of a key in which one wrong letter is taken for a slip; shorter keys are too close to each other."""

# lines end for YAML where they do for the reader's marks
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_ANCHOR = re.compile(r"&[^\s,\[\]{}]+[ \t]+")
_QUOTABLE = re.compile(r"[\w.:+~ -]+")
_KNOWN = re.compile(r"known keys: (.+)")
_BINDING = re.compile(r"(\$\{\{\s*)((jobs|inputs|outputs)\.([^.\s}]+)[^\s}]*\s*\}\})")
_LITERALS = frozenset({"inputs", "outputs", "search_space"})
_VALUES = frozenset({"default", "value", "values", "min", "max", "enum"})


@dataclass(frozen=True, slots=True)
class Fix:
    """One edit: characters `start` to `end` of the text, which are `old`, become `new`.

    `line` and `column` of the edit count from 1. `what` it does, in words. `code` and `path` are those of the problem
    that it cures; `on_key` says that it is the key at `path` which changes, not its value.
    """

    start: int
    end: int
    old: str
    new: str
    what: str
    code: str
    path: str
    line: int
    column: int
    on_key: bool = False


def propose(document: Document, problems: Sequence[Problem], kind: Kind | None = None) -> list[Fix]:
    """Fixes of those problems that have a mechanical cure, in the order of the text; no two of them overlap.

    Problems of other files and of options are passed over. `kind`: what the document was checked as, when that is not
    what its content says. `document.text` must be the text that the problems are about.
    """
    places = _Places(document, kind or detect(document.data).kind)
    # by edit: an alias puts one text at several places of the data, each of which changes
    edits: dict[tuple[int, int, str], dict[KeyPath, _Change]] = {}
    for problem in problems:
        path = places.find(problem) if problem.code in _CURES else None
        change = _CURES[problem.code](places, path, problem) if path else None
        if path and change:
            edits.setdefault((change.fix.start, change.fix.end, change.fix.new), {})[path] = change
    groups = [list(edits[key].values()) for key in sorted(edits)]
    named = Counter((changes[0].path[:-1], changes[0].rename) for changes in groups)
    chosen: list[list[_Change]] = []
    taken = -1
    for changes in groups:
        fix, path, rename, _ = changes[0]
        if fix.start >= taken and (rename is None or named[path[:-1], rename] == 1):
            chosen.append(changes)
            taken = fix.end
    return [changes[0].fix for changes in _proven(document.text, chosen)]


def is_curable(problem: Problem) -> bool:
    """Whether there are mechanical fixes of this sort of problem; the place may still not allow one."""
    return problem.code in _CURES


def apply(text: str, fixes: Sequence[Fix]) -> str:
    """The text with the fixes made. A fix whose old text is not at its place is left out."""
    parts: list[str] = []
    done = 0
    for fix in sorted(fixes, key=lambda fix: (fix.start, fix.end)):
        if fix.start >= done and text[fix.start : fix.end] == fix.old:
            parts += (text[done : fix.start], fix.new)
            done = fix.end
    return "".join([*parts, text[done:]])


class _Change(NamedTuple):
    """A fix, and what it does to the data: the key at `path` gets a new name, or its value becomes `value`."""

    fix: Fix
    path: KeyPath
    rename: str | None = None
    value: str | None = None


class _Scalar(NamedTuple):
    """A key or a value in the text: where it starts and ends without its quotes, and whether it has quotes."""

    start: int
    end: int
    raw: str
    quoted: bool


class _Places:
    """Where the pieces of a document stand in its text, and what the schema says about them."""

    def __init__(self, document: Document, kind: Kind | None) -> None:
        self.document = document
        self.text = document.text
        self.root: Schema | None = load_schema(kind.name) if kind else None
        self.lines = [0, *(found.end() for found in _BREAK.finditer(self.text))]
        self.paths: dict[str, list[KeyPath]] = {}
        for path in document.marks:
            self.paths.setdefault(dotted(path), []).append(path)

    def find(self, problem: Problem) -> KeyPath | None:
        """The one path that a problem of this file is about; a key with dots in it may be meant as well as two keys."""
        paths = self.paths.get(problem.path, [])
        if len(paths) != 1 or not paths[0] or problem.source != self.document.source:
            return None
        mark = self.document.marks[paths[0]]
        return paths[0] if problem.line in (mark.line, mark.key_line) else None

    def value(self, path: KeyPath) -> _Scalar | None:
        """The scalar at a path, if it is written in one piece and without escapes."""
        mark = self.document.marks[path]
        found = self._scalar(mark.line, mark.column, mark.raw or "")
        return found if found is not None and found.quoted != mark.plain and not mark.block else None

    def key(self, path: KeyPath) -> _Scalar | None:
        """The key of a path."""
        mark, name = self.document.marks[path], path[-1] if path else None
        return self._scalar(mark.key_line, mark.key_column, name) if isinstance(name, str) else None

    def _scalar(self, line: int, column: int, raw: str) -> _Scalar | None:
        start = self.lines[line - 1] + column - 1 if line <= len(self.lines) else len(self.text)
        anchor = _ANCHOR.match(self.text, start)
        start = anchor.end() if anchor else start
        quote = self.text[start : start + 1]
        quoted = quote in ("'", '"')
        start += quoted
        end = start + len(raw)
        if not raw or self.text[start:end] != raw or (quoted and self.text[end : end + 1] != quote):
            return None
        return _Scalar(start, end, raw, quoted)

    def fix(self, found: _Scalar, new: str, what: str, problem: Problem, *, on_key: bool = False) -> Fix:
        """The edit of that piece of the text, with its line and column."""
        line = bisect_right(self.lines, found.start)
        at = (line, found.start - self.lines[line - 1] + 1)
        return Fix(found.start, found.end, found.raw, new, what, problem.code, problem.path, *at, on_key)

    def at(self, path: KeyPath) -> Any:
        """The data at a path; None when there is none."""
        return value_at(self.document.data, path)

    def schema(self, path: KeyPath, value: Any) -> Schema | None:
        """What the schema says of the place, for a value that stands there or would; None when it cannot be told."""
        return schema_of(self.root, self.document.data, path, value) if self.root is not None else None

    def takes_text(self, path: KeyPath, text: str) -> bool:
        """Whether the schema wants this text at the place."""
        schema = self.schema(path, text)
        if schema is None or "string" not in types_of(schema):
            return False
        allowed = schema.get("enum", [schema["const"]] if "const" in schema else [text])
        return text in allowed and re.search(schema.get("pattern", ""), text) is not None


def _rename_key(places: _Places, path: KeyPath, problem: Problem) -> _Change | None:
    """A key in another spelling, under its old name, or with one slip of a letter."""
    key, holder = str(path[-1]), places.at(path[:-1])
    schema = places.schema(path[:-1], holder)
    meant, listed = MEANT.search(problem.hint or ""), _KNOWN.search(problem.hint or "")
    known = [meant[1]] if meant else listed[1].split(", ") if listed else []
    if schema is not None and places.root is not None:
        known = known_keys(schema, places.root)
    new = _OLD_NAMES.get(_folded(key)) if meant or listed else None
    if new not in known:
        same = [name for name in known if _folded(name) == _folded(key)]
        near = [name for name in known if schema is not None and _is_slip(key, name)]
        candidates = same or near
        new = candidates[0] if len(candidates) == 1 and meant is not None and meant[1] == candidates[0] else None
    found = places.key(path)
    if new is None or found is None or not isinstance(holder, dict) or new in holder:
        return None
    return _Change(places.fix(found, new, f"rename '{key}' to '{new}'", problem, on_key=True), path, rename=new)


def _quote_value(places: _Places, path: KeyPath, problem: Problem) -> _Change | None:
    """A number or a boolean where text is wanted, or a version whose last zero YAML would lose."""
    found, value = places.value(path), places.at(path)
    if found is None or not isinstance(value, int | float) or not places.takes_text(path, found.raw):
        return None
    if problem.code == "wrong_type" and f'in quotes: "{found.raw}"' not in (problem.hint or ""):
        return None
    literal = not _LITERALS.isdisjoint(path) or path[-1] in _VALUES
    if problem.code == "yaml_trap" and literal and ":" not in found.raw:
        return None  # where numbers and booleans are welcome, yes, 010 and 1.10 may be meant as what YAML makes of them
    return _quoted(places, found, path, problem, value=found.raw)


def _quote_text(places: _Places, path: KeyPath, problem: Problem) -> _Change | None:
    """A date or a key that this reader takes as text and others do not: the data stays."""
    found = places.key(path) if problem.code == "yaml_key" else places.value(path)
    return None if found is None else _quoted(places, found, path, problem, value=None)


def _quoted(places: _Places, found: _Scalar, path: KeyPath, problem: Problem, *, value: str | None) -> _Change | None:
    if found.quoted or not _QUOTABLE.fullmatch(found.raw):
        return None
    new, what = f'"{found.raw}"', f"put {found.raw} in quotes"
    return _Change(places.fix(found, new, what, problem, on_key=problem.code == "yaml_key"), path, value=value)


def _bind_to_parent(places: _Places, path: KeyPath, problem: Problem) -> _Change | None:
    """`${{jobs.…}}` and `${{inputs.…}}` of a step, which today start with `parent`, where such a step or input is."""
    found = places.value(path)
    binding = _BINDING.fullmatch(found.raw) if found else None
    place = path[:-1] if len(path) > 4 and path[-1] in ("path", "value") else path
    if found is None or binding is None or len(place) < 4 or place[-4] != "jobs":
        return None
    if place[-2] not in ("inputs", "outputs") or (binding[3] == "outputs") != (place[-2] == "outputs"):
        return None
    declared = places.at((*place[:-4], binding[3]))
    if not isinstance(declared, dict) or binding[4] not in declared:
        return None
    return _replaced(places, found, path, problem, f"{binding[1]}parent.{binding[2]}")


def _write_hinted(places: _Places, path: KeyPath, problem: Problem) -> _Change | None:
    """A file without `file:`, of which the hint says that it is there; a word of a fixed set in another case."""
    found, meant = places.value(path), MEANT.fullmatch(problem.hint or "")
    if found and problem.hint == f"for a file write file:{found.raw}":
        return _replaced(places, found, path, problem, f"file:{found.raw}")
    is_case = found and meant and meant[1].casefold() == found.raw.casefold()
    return _replaced(places, found, path, problem, meant[1]) if found and meant and is_case else None


def _replaced(places: _Places, found: _Scalar, path: KeyPath, problem: Problem, new: str) -> _Change:
    return _Change(places.fix(found, new, f"write {new}", problem), path, value=new)


_CURES: Mapping[str, Callable[[_Places, KeyPath, Problem], _Change | None]] = {
    "unknown_key": _rename_key,
    "yaml_trap": _quote_value,
    "wrong_type": _quote_value,
    "yaml_date": _quote_text,
    "yaml_key": _quote_text,
    "old_binding": _bind_to_parent,
    "unbound": _bind_to_parent,
    "invalid_reference": _write_hinted,
    "not_allowed": _write_hinted,
}


def _proven(text: str, groups: list[list[_Change]]) -> list[list[_Change]]:
    """Those groups after which the text reads as it should; halves are tried when all together fail."""
    if not groups or _holds(text, groups):
        return groups
    if len(groups) == 1:
        return []
    middle = len(groups) // 2
    first, second = _proven(text, groups[:middle]), _proven(text, groups[middle:])
    return [*first, *second] if _holds(text, [*first, *second]) else first


def _holds(text: str, groups: list[list[_Change]]) -> bool:
    """Whether the changed text reads as the data with these changes, and as nothing else."""
    changed = apply(text, [changes[0].fix for changes in groups])
    data = read_text(text, source="").data
    every = [change for changes in groups for change in changes]
    # inner places first and values before keys, so that each path still leads to its place
    for change in sorted(every, key=lambda change: (-len(change.path), change.rename is not None)):
        holder = data
        for part in change.path[:-1]:
            holder = holder[part]
        if change.value is not None:
            holder[change.path[-1]] = change.value
        elif change.rename is not None:
            holder[change.rename] = holder.pop(change.path[-1])
    try:  # as text, so that 1, 1.0 and true are three things; a number of thousands of digits has none
        return json.dumps(read_text(changed, source="").data, sort_keys=True) == json.dumps(data, sort_keys=True)
    except (MlctlError, ValueError):
        return False


def _folded(key: str) -> str:
    return re.sub(r"[-_ ]", "", key).lower()


def _is_slip(key: str, name: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two neighbours changed places."""
    start = next((at for at in range(len(key)) if key[at] != name[at : at + 1]), len(key))
    one, other = key[start:], name[start:]
    near = one[1:] == other[1:] or one == other[1:] or one[1:] == other or one[1::-1] + one[2:] == other
    return near and min(len(key), len(name)) >= SHORTEST_TYPO


_OLD_NAMES = {_folded(old): new for old, new in OLD_NAMES.items()}
