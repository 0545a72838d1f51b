"""YAML text becomes a `Document`: data with line and column marks, and nothing taken for granted.

Contract: YAML 1.1 as PyYAML's safe loader reads it, because az does. Different on purpose: of duplicate keys the last
one wins with a warning, timestamps stay text, keys are always the text that was written, and what the reader is willing
to hold is bounded.
"""

from __future__ import annotations

import functools
import os
import stat
from collections import deque
from pathlib import Path
from typing import Any, NoReturn

from mlctl.errors import AuthError, NotFoundError, UsageError
from mlctl.spec.document import Document, KeyPath, Mark, dotted
from mlctl.spec.encoding import decoded, refuse
from mlctl.spec.nodes import (
    DEEPEST,
    LONGEST_NUMBER,
    MAP,
    SCALAR,
    Node,
    Nodes,
    compose,
    compose_carefully,
    place_of,
    scalar_value,
)
from mlctl.spec.problems import WARNING, Problem, line_of
from mlctl.spec.syntax import excerpt_of

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes. The longest published specs have a few hundred kilobytes."""

LARGEST_EXPANSION = 20_000
"""Values that aliases may add to those that are written."""

MOST_PROBLEMS = 100
"""After so many of a kind the reader stops telling; nobody reads further."""

_USUAL_FILE = 64 * 1024  # bytes
_MOST_MERGED = 1_000_000  # keys that merge keys may look at, those that are there already included


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
    document.folder = _folder_of(place)
    return document


def read_bytes(content: bytes, *, source: str) -> Document:
    """Read the bytes of a YAML file: UTF-8, or UTF-16/32 with a byte order mark."""
    if len(content) > LARGEST_FILE:
        message = f"the file has more than {LARGEST_FILE // 1024 // 1024} MB, too much for a spec"
        refuse(Problem("too_large", "", message, source=source, line=1, column=1, hint="is this the right file?"))
    return read_text(decoded(content, source=source), source=source)


def read_text(text: str, *, source: str) -> Document:
    """Read YAML text that holds one map. Raises InvalidSpecError with every problem that was found."""
    builder = _Builder(text, source, compose(text, source))
    return Document(data=builder.build(), marks=builder.marks, source=source, text=text, warnings=builder.warnings)


def _folder_of(place: str) -> str:
    """The absolute folder of a file. What `..` means depends on links, it stays."""
    if ".." in place:
        return str(Path(place).parent.absolute())
    return os.path.dirname(os.path.abspath(place))  # noqa: PTH100, PTH120 - there is one for each file


class _Builder:
    """Nodes become data and marks; aliases and merge keys are written out, within bounds."""

    def __init__(self, text: str, source: str, nodes: Nodes) -> None:
        self.text = text
        self.source = source
        self.root = nodes.root
        self.limit = nodes.most + LARGEST_EXPANSION
        self.count = self.merged = 0
        self.marks: dict[KeyPath, Mark] = {}
        self.warnings: list[Problem] = []

    def build(self) -> Any:
        return self._value(self.root, (), self.root)

    def _value(self, node: Node, path: KeyPath, key: Node) -> Any:
        self.count += 1
        if self.count > self.limit or len(path) > DEEPEST:
            message = f"the aliases of this document expand to more than {LARGEST_EXPANSION} values"
            self._fail("too_large", node, message, "write the values out")
        kind = type(node)
        if kind is SCALAR:
            raw: str = node.value
            self.marks[path] = _mark((node.start_mark, key.start_mark, raw, node.style))
            return raw if node.tag == "str" else self._scalar(node, path)
        self.marks[path] = _mark((node.start_mark, key.start_mark, None, None))
        if kind is MAP:
            return self._map(node, path)
        return [self._value(item, (*path, index), item) for index, item in enumerate(node.value)]

    def _map(self, node: Node, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        seen: dict[str, Node] = {}
        merged: list[Node] = []
        for key, value in node.value:
            if key.tag == "merge":
                merged += self._merged(value)
                continue
            name = key.value if key.tag == "str" and key.value else self._key(key, path)
            if name in seen:
                self._duplicate(name, (*path, name), key, seen[name])
            seen[name] = key
            data[name] = self._value(value, (*path, name), key)
        if merged:
            self._merge(merged, data, path)
        return data

    def _merge(self, merged: list[Node], data: dict[str, Any], path: KeyPath) -> None:
        """Keys of `<<` maps: a map's own keys win, then the first map in the list."""
        waiting = deque(merged)
        while waiting:
            source = waiting.popleft()
            self.merged += 1 + len(source.value)
            if self.merged > _MOST_MERGED:
                self._fail("too_large", source, "too many merge keys", "write the values out", column=1)
            for key, value in source.value:
                if key.tag == "merge":
                    waiting.extendleft(reversed(self._merged(value)))
                    continue
                name = self._key(key, path)
                if name not in data:
                    data[name] = self._value(value, (*path, name), key)

    def _merged(self, value: Node) -> list[Node]:
        sources: list[Node] = [value] if type(value) in (MAP, SCALAR) else value.value
        for source in sources:
            if type(source) is not MAP:
                hint = "write '<<: *name' where the anchor &name stands on a map"
                self._fail("yaml", source, "'<<' needs a map or a list of maps", hint)
        return sources

    def _key(self, key: Node, path: KeyPath) -> str:
        name: str = key.value
        is_text = type(key) is SCALAR
        if not is_text or (not name and not key.style):
            what = "a key is missing before ':'" if is_text else "a key must be text, not a map or a list"
            self._fail("yaml", key, what, "write 'name: value'")
        if key.tag not in ("str", "int", "value"):
            message = f"the key {name} is not text for other YAML readers ({_WORDS.get(key.tag, key.tag)})"
            self._warn("yaml_key", (*path, name), key, message, f'write it in quotes: "{name}"')
        return name

    def _duplicate(self, name: str, path: KeyPath, key: Node, first: Node) -> None:
        line = first.start_mark.line + 1
        message = f"the key '{name}' stands here a second time (first on line {line}), this one counts"
        self._warn("duplicate_key", path, key, message, "remove one of the two; az takes the last one without a word")

    def _scalar(self, node: Node, path: KeyPath) -> Any:
        raw: str = node.value
        if node.tag == "null":
            return None
        if node.tag in ("int", "float", "bool") and len(raw) <= LONGEST_NUMBER:
            return scalar_value(node.tag, raw)
        if node.tag == "timestamp" and not node.style:
            message = f"{raw} is taken as text here, but az reads it as a date"
            self._warn("yaml_date", path, node, message, f'write it in quotes: "{raw}"')
        return raw

    def _fail(self, code: str, node: Node, message: str, hint: str, column: int | None = None) -> NoReturn:
        # a text that is too deep, which not every composer tells, is wrong for this reason first
        compose_carefully(self.text, self.source)
        line, start = place_of(node)
        excerpt = excerpt_of(self.text, line)
        source, column = self.source, start if column is None else column
        refuse(Problem(code, "", message, source=source, line=line, column=column, hint=hint, excerpt=excerpt))

    def _warn(self, code: str, path: KeyPath, node: Node, message: str, hint: str) -> None:
        if len(self.warnings) >= MOST_PROBLEMS:
            return
        line, column = place_of(node)
        excerpt = line_of(self.text, line)
        self.warnings.append(
            Problem(code, dotted(path), message, node.value, None, hint, self.source, line, column, WARNING, excerpt)
        )


_WORDS = {"bool": "true or false", "null": "nothing", "float": "a number", "timestamp": "a date"}


# the quickest way to make one, and there is one for each value
_mark = functools.partial(tuple.__new__, Mark)
