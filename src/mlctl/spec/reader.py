"""YAML text becomes a `Document`: data with line and column marks, and nothing taken for granted.

Contract: YAML 1.1 as PyYAML's safe loader reads it, because az does. Different on purpose: of duplicate keys the last
one wins with a warning, timestamps stay text, keys are always the text that was written, and what the reader is willing
to hold is bounded.
The only module of the specs that knows PyYAML; its C parser is used where there is one.
"""

from __future__ import annotations

import functools
import os
import stat
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mlctl.errors import AuthError, NotFoundError, UsageError
from mlctl.spec.document import Document, KeyPath, Mark, dotted
from mlctl.spec.encoding import decoded, refuse, refuse_characters
from mlctl.spec.problems import WARNING, Problem, line_of
from mlctl.spec.syntax import explain

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes. The longest published specs have a few hundred kilobytes."""

MOST_VALUES = 100_000
"""Keys and values that may be written in a file; reading them takes about two seconds."""

DEEPEST = 100
"""Levels of maps and lists."""

LARGEST_EXPANSION = 20_000
"""Values that aliases may add to those that are written."""

MOST_PROBLEMS = 100
"""After so many of a kind the reader stops telling; nobody reads further."""

_USUAL_FILE = 64 * 1024  # bytes
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST_NUMBER = 1000  # characters; Python refuses to write longer ones, and their patterns are slow
_MOST_MERGED = 1_000_000  # keys that merge keys may look at, those that are there already included
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = ("int", "float", "bool", "null", "timestamp")


def read_file(path: Path | str, *, source: str | None = None) -> Document:
    """Read the YAML file at `path`; `source` is its name for messages, when the path is not what the user wrote.

    Raises NotFoundError, UsageError (a folder), AuthError, or InvalidSpecError with every problem.
    """
    place = str(path)
    try:
        if stat.S_ISFIFO(os.stat(place).st_mode) and not place.startswith(("/dev/fd/", "/proc/")):  # noqa: PTH116
            # nobody may ever write into it
            raise UsageError(f"'{path}' is a pipe, not a YAML file", hint="give its content on standard input: -")
        with open(place, "rb") as stream:  # noqa: PTH123
            content = stream.read(_USUAL_FILE)
            if len(content) == _USUAL_FILE:
                # room for the largest would be made and given back for each file
                content += stream.read(LARGEST_FILE + 1 - _USUAL_FILE)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file '{path}'", hint="check the path given with --file") from None
    except IsADirectoryError:
        raise UsageError(f"'{path}' is a folder, not a YAML file", hint="name the YAML file in it") from None
    except PermissionError:
        raise AuthError(f"'{path}' may not be read", hint="check the rights of the file") from None
    except OSError as error:
        # a link that leads to itself, a name that is too long, a disk that fails
        raise NotFoundError(f"'{path}' cannot be read: {error.strerror}", hint="check the path") from None
    document = read_bytes(content, source=source or place)
    folder = os.path.dirname(place)  # noqa: PTH120
    document.folder = Path(folder) if os.path.isabs(folder) else Path.cwd() / folder  # noqa: PTH117
    return document


def read_bytes(content: bytes, *, source: str) -> Document:
    """Read the bytes of a YAML file: UTF-8, or UTF-16/32 with a byte order mark."""
    if len(content) > LARGEST_FILE:
        message = f"the file has more than {LARGEST_FILE // 1024 // 1024} MB, too much for a spec"
        refuse(Problem("too_large", "", message, source=source, line=1, column=1, hint="is this the right file?"))
    return read_text(decoded(content, source=source), source=source)


def read_text(text: str, *, source: str) -> Document:
    """Read YAML text that holds one map. Raises InvalidSpecError with every problem that was found."""
    refuse_characters(text, source=source)
    composer = _Composer(text, source)
    root = composer.compose()
    builder = _Builder(composer)
    data = builder.build(root, (), root)
    return Document(data=data, marks=builder.marks, source=source, text=text, warnings=builder.warnings)


class _Node:
    """A node of the text: a scalar (`raw`), a list (`items`) or a map (`pairs`). `open` while what is in it is read."""

    __slots__ = ("block", "column", "items", "line", "open", "pairs", "plain", "raw", "tag")

    def __init__(self, line: int, column: int, tag: str) -> None:
        self.line = line
        self.column = column
        self.tag = tag
        self.raw: str | None = None
        self.items: list[_Node] | None = None
        self.pairs: list[tuple[_Node, _Node]] | None = None
        self.plain = self.block = self.open = False


class _Composer:
    """Parser events become nodes. PyYAML's own composer is recursive in C and has no bound, hence this one."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.loader = _BASE(text)
        self.next: Callable[[], Any] = self.loader.get_event
        self.anchors: dict[str, _Node] = {}
        self.count = 0

    def compose(self) -> _Node:
        try:
            self.next()
            event = self.next()
            if isinstance(event, yaml.StreamEndEvent):
                self.fail("empty", 1, 1, "the file is empty", hint="a spec is a map of keys, such as 'command: …'")
            root = self._node(self.next(), 0)
            self.next()
            event = self.next()
            if not isinstance(event, yaml.StreamEndEvent):
                line, column = _start(event)
                hint = "keep one document per file; remove what follows this '---'"
                self.fail("several_documents", line, column, "the file holds more than one document", hint=hint)
        except yaml.MarkedYAMLError as error:
            message, hint, line, column = explain(error, self.text)
            if "nesting depth" in str(error.problem):
                # newer releases of PyYAML have a bound of their own
                self._too_deep(line, column)
            self.fail("yaml", line, column, message, hint=hint)
        if root.pairs is None:
            what = "a list" if root.items is not None else "empty" if root.raw == "" else "a single value"
            code = "empty" if root.raw == "" else "not_a_map"
            hint = "a spec is a map of keys, such as 'command: …'"
            self.fail(code, root.line, root.column, f"the document is {what}, a map of keys is expected", hint=hint)
        return root

    def _node(self, event: Any, depth: int) -> _Node:
        line, column = _start(event)
        self.count += 1
        if self.count > MOST_VALUES:
            message = f"the file holds more than {MOST_VALUES} keys and values, too many for a spec"
            self.fail("too_large", line, column, message, hint="is this the right file?")
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event.anchor, line, column)
        if depth > DEEPEST:
            self._too_deep(line, column)
        node = _Node(line, column, self._tag(event))
        if event.anchor:
            self.anchors[event.anchor] = node
        if kind is yaml.ScalarEvent:
            node.raw = event.value
            node.plain = event.style in (None, "")
            node.block = event.style in ("|", ">")
        else:
            node.open = True
            self._fill(node, kind, depth + 1)
            node.open = False
        return node

    def _fill(self, node: _Node, kind: type, depth: int) -> None:
        """Read what is in a list or a map, up to its end."""
        if kind is yaml.SequenceStartEvent:
            node.items = []
            while type(event := self.next()) is not yaml.SequenceEndEvent:
                node.items.append(self._node(event, depth))
        else:
            node.pairs = []
            while type(event := self.next()) is not yaml.MappingEndEvent:
                key = self._node(event, depth)
                node.pairs.append((key, self._node(self.next(), depth)))

    def _too_deep(self, line: int, column: int) -> NoReturn:
        self.fail("too_deep", line, column, f"nested more than {DEEPEST} deep", hint="is this the right file?")

    def _alias(self, anchor: str | None, line: int, column: int) -> _Node:
        node = self.anchors.get(anchor or "")
        if node is None:
            hint = f"define it before with '&{anchor}', or quote the text if the * is part of it"
            self.fail("yaml", line, column, f"the alias *{anchor} has no anchor", hint=hint)
        if node.open:
            message = f"the alias *{anchor} stands inside what it names"
            self.fail("yaml", line, column, message, hint="a document cannot contain itself; write the value out")
        return node

    def _tag(self, event: Any) -> str:
        """The resolved tag without its prefix: str, int, map, …"""
        scalar = type(event) is yaml.ScalarEvent
        if scalar and event.tag is None:
            return _resolved(event.value) if event.implicit[0] else "str"
        own = "str" if scalar else "seq" if type(event) is yaml.SequenceStartEvent else "map"
        if event.tag in (None, "!"):
            return own
        tag = str(event.tag).removeprefix(_TAG)
        if tag != own and not (scalar and tag in _SCALAR_TAGS):
            line, column = _start(event)
            shown = str(event.tag).replace(_TAG, "!!")
            self.fail("yaml", line, column, f"the tag {shown} means nothing here", hint="remove the tag")
        return tag

    def fail(self, code: str, line: int, column: int, message: str, *, hint: str) -> NoReturn:
        excerpt = line_of(self.text, line)
        refuse(Problem(code, "", message, source=self.source, line=line, column=column, hint=hint, excerpt=excerpt))


@functools.lru_cache(maxsize=4096)
def _resolved(raw: str) -> str:
    """The tag of a plain scalar: what its text looks like. Most are keys, which stand in many files."""
    if len(raw) > _LONGEST_NUMBER:
        return "str"
    for tag, pattern in _BASE.yaml_implicit_resolvers.get(raw[:1], ()):
        if pattern.match(raw):
            return str(tag).removeprefix(_TAG)
    return "str"


class _Builder:
    """Nodes become data and marks; aliases and merge keys are written out, within bounds."""

    def __init__(self, composer: _Composer) -> None:
        self.composer = composer
        self.limit = composer.count + LARGEST_EXPANSION
        self.count = self.merged = 0
        self.marks: dict[KeyPath, Mark] = {}
        self.warnings: list[Problem] = []

    def build(self, node: _Node, path: KeyPath, key: _Node) -> Any:
        self.count += 1
        if self.count > self.limit or len(path) > DEEPEST:
            message = f"the aliases of this document expand to more than {LARGEST_EXPANSION} values"
            self.composer.fail("too_large", node.line, node.column, message, hint="write the values out")
        self.marks[path] = _mark((node.line, node.column, key.line, key.column, node.raw, node.plain, node.block))
        if node.pairs is not None:
            return self._map(node, path)
        if node.items is not None:
            return [self.build(item, (*path, index), item) for index, item in enumerate(node.items)]
        return node.raw if node.tag == "str" else self._scalar(node, path)

    def _map(self, node: _Node, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        seen: dict[str, _Node] = {}
        merged: list[_Node] = []
        for key, value in node.pairs or ():
            if key.tag == "merge":
                merged += self._merged(value)
                continue
            name = key.raw if key.tag == "str" and key.raw else self._key(key, path)
            if name in seen:
                self._duplicate(name, (*path, name), key, seen[name])
            seen[name] = key
            data[name] = self.build(value, (*path, name), key)
        self._merge(merged, data, path)
        return data

    def _merge(self, merged: list[_Node], data: dict[str, Any], path: KeyPath) -> None:
        """Keys of `<<` maps: a map's own keys win, then the first map in the list."""
        waiting = deque(merged)
        while waiting:
            source = waiting.popleft()
            self.merged += 1 + len(source.pairs or ())
            if self.merged > _MOST_MERGED:
                self.composer.fail("too_large", source.line, 1, "too many merge keys", hint="write the values out")
            for key, value in source.pairs or ():
                if key.tag == "merge":
                    waiting.extendleft(reversed(self._merged(value)))
                    continue
                name = self._key(key, path)
                if name not in data:
                    data[name] = self.build(value, (*path, name), key)

    def _merged(self, value: _Node) -> list[_Node]:
        sources = value.items if value.items is not None else [value]
        for source in sources:
            if source.pairs is None:
                hint = "write '<<: *name' where the anchor &name stands on a map"
                self.composer.fail("yaml", source.line, source.column, "'<<' needs a map or a list of maps", hint=hint)
        return sources

    def _key(self, key: _Node, path: KeyPath) -> str:
        if key.raw is None or (key.raw == "" and key.plain):
            what = "a key is missing before ':'" if key.raw == "" else "a key must be text, not a map or a list"
            self.composer.fail("yaml", key.line, key.column, what, hint="write 'name: value'")
        if key.tag not in ("str", "int", "value"):
            message = f"the key {key.raw} is not text for other YAML readers ({_WORDS.get(key.tag, key.tag)})"
            self._warn("yaml_key", (*path, key.raw), key, message, f'write it in quotes: "{key.raw}"')
        return key.raw

    def _duplicate(self, name: str, path: KeyPath, key: _Node, first: _Node) -> None:
        message = f"the key '{name}' stands here a second time (first on line {first.line}), this one counts"
        self._warn("duplicate_key", path, key, message, "remove one of the two; az takes the last one without a word")

    def _scalar(self, node: _Node, path: KeyPath) -> Any:
        raw = node.raw or ""
        if node.tag == "null":
            return None
        if node.tag not in ("int", "float", "bool") or len(raw) > _LONGEST_NUMBER:
            if node.tag == "timestamp" and node.plain:
                message = f"{raw} is taken as text here, but az reads it as a date"
                self._warn("yaml_date", path, node, message, f'write it in quotes: "{raw}"')
            return raw
        construct = getattr(self.composer.loader, f"construct_yaml_{node.tag}")
        try:
            value = construct(yaml.ScalarNode(_TAG + node.tag, raw))
        except (ValueError, KeyError, IndexError):
            return raw
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124
            return raw
        return value

    def _warn(self, code: str, path: KeyPath, node: _Node, message: str, hint: str) -> None:
        if len(self.warnings) >= MOST_PROBLEMS:
            return
        excerpt = line_of(self.composer.text, node.line)
        source, line, column = self.composer.source, node.line, node.column
        self.warnings.append(
            Problem(code, dotted(path), message, node.raw, None, hint, source, line, column, WARNING, excerpt)
        )


_WORDS = {"bool": "true or false", "null": "nothing", "float": "a number", "timestamp": "a date"}


_mark = Mark._make  # the quickest way to make one, and there is one for each value


def _start(event: Any) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
