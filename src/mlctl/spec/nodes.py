"""YAML text becomes nodes: PyYAML's, each with its place, and with a tag that is one word (str, int, map, …).

PyYAML composes them itself, in C where there is a C parser. Its composer is recursive, has no bound, and says little of
what is wrong. So what may nest deeply, what has anchors or tags, and what it refuses is read by a careful composer of
our own, which takes twice as long and tells each mistake in words.
The only module of the specs that knows PyYAML.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

import yaml

from mlctl.spec.encoding import refuse, refuse_characters
from mlctl.spec.problems import Problem
from mlctl.spec.syntax import excerpt_of, explain

MOST_VALUES = 100_000
"""Keys and values that may be written in a file; reading them takes about two seconds."""

DEEPEST = 100
"""Levels of maps and lists."""

LONGEST_NUMBER = 1000
"""Characters; Python refuses to write longer ones, and their patterns are slow."""

Node = Any
"""A node of PyYAML: `tag`, `start_mark`, and as `value` text, a list of nodes, or a list of pairs of nodes."""

SCALAR, MAP = yaml.ScalarNode, yaml.MappingNode
"""Types of nodes; what is neither is a list."""

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COMPOSER: Any = yaml.cyaml.CParser if yaml.__with_libyaml__ else yaml.SafeLoader  # type: ignore[attr-defined]
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = ("int", "float", "bool", "null", "timestamp")
_USUAL_TEXT = 64 * 1024  # characters; there are more of them than of values
_MOST_LEVELS = 1000  # that PyYAML's composer is trusted with


class Nodes(NamedTuple):
    """The nodes of a text. `root`: a map. `most`: no more keys and values are written in the text."""

    root: Node
    most: int


def compose(text: str, source: str) -> Nodes:
    """The nodes of a text that holds one map. Raises InvalidSpecError with what is wrong, except for a text
    without anchors that is too deep: `compose_carefully` tells that."""
    if len(text) < _USUAL_TEXT and _levels(text) < _MOST_LEVELS and not _has_properties(text):
        try:
            root = _Loader(text).get_single_node()
        except (yaml.YAMLError, RecursionError):
            root = None
        if type(root) is MAP:
            return Nodes(root, MOST_VALUES)
    return compose_carefully(text, source)


def compose_carefully(text: str, source: str) -> Nodes:
    """The same, and whatever is wrong is told: characters that YAML does not allow, too, which PyYAML refuses."""
    refuse_characters(text, source=source)
    composer = _Composer(text, source)
    return Nodes(composer.compose(), composer.count)


def place_of(node: Node) -> tuple[int, int]:
    """Line and column of a node, or of an event, from 1."""
    mark = node.start_mark
    return mark.line + 1, mark.column + 1


@functools.lru_cache(maxsize=4096)
def scalar_value(tag: str, raw: str) -> Any:
    """The number or boolean that a text means; the text itself when it means none after all."""
    try:
        value = getattr(_BASE(""), f"construct_yaml_{tag}")(SCALAR(_TAG + tag, raw))
    except (ValueError, KeyError, IndexError):
        return raw
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124
        return raw
    return value


def _levels(text: str) -> int:
    """A bound of how deeply a text nests: a level has a bracket, or begins further right, or is a list below a key."""
    return text.count("[") + text.count("{") + 2 * max(map(len, text.split("\n")))


def _has_properties(text: str) -> bool:
    """Whether there may be anchors or tags; '&&' of a shell is none."""
    return "!" in text or "&" in text.replace("&&", "")


class _Loader(_COMPOSER):  # type: ignore[misc]  # what PyYAML is made of depends on the machine
    """PyYAML's composer, with tags of one word, and none that depend on the path: for those it asks before and after
    each node, and functions of C that do nothing answer."""

    descend_resolver = staticmethod(operator.is_)
    ascend_resolver = staticmethod(tuple)

    def resolve(self, kind: type, value: str | None, implicit: tuple[bool, bool]) -> str:
        """The tag of a node that has none; only scalars have text."""
        if value is None:
            return "map" if kind is MAP else "seq"
        return _resolved(value) if implicit[0] else "str"


class _Composer:
    """Parser events become nodes, within bounds."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.next: Callable[[], Any] = _BASE(text).get_event
        self.anchors: dict[str, Node] = {}
        self.open: list[Node] = []
        self.count = 0

    def compose(self) -> Node:
        try:
            self.next()
            event = self.next()
            if isinstance(event, yaml.StreamEndEvent):
                self.fail("empty", 1, 1, "the file is empty", hint="a spec is a map of keys, such as 'command: …'")
            root = self._node(self.next(), 0)
            self.next()
            event = self.next()
            if not isinstance(event, yaml.StreamEndEvent):
                line, column = place_of(event)
                hint = "keep one document per file; remove what follows this '---'"
                self.fail("several_documents", line, column, "the file holds more than one document", hint=hint)
        except yaml.MarkedYAMLError as error:
            message, hint, line, column = explain(error, self.text)
            if "nesting depth" in str(error.problem):
                # newer releases of PyYAML have a bound of their own
                self._too_deep(line, column)
            self.fail("yaml", line, column, message, hint=hint)
        if type(root) is not MAP:
            what = "empty" if root.value == "" else "a single value" if type(root) is SCALAR else "a list"
            code = "empty" if root.value == "" else "not_a_map"
            hint = "a spec is a map of keys, such as 'command: …'"
            self.fail(code, *place_of(root), f"the document is {what}, a map of keys is expected", hint=hint)
        return root

    def _node(self, event: Any, depth: int) -> Node:
        line, column = place_of(event)
        self.count += 1
        if self.count > MOST_VALUES:
            message = f"the file holds more than {MOST_VALUES} keys and values, too many for a spec"
            self.fail("too_large", line, column, message, hint="is this the right file?")
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self._alias(event.anchor, line, column)
        if depth > DEEPEST:
            self._too_deep(line, column)
        node = self._empty(event, kind)
        if event.anchor:
            self.anchors[event.anchor] = node
        if kind is not yaml.ScalarEvent:
            self.open.append(node)
            self._fill(node, depth + 1)
            self.open.pop()
        return node

    def _empty(self, event: Any, kind: type) -> Node:
        """The node of an event, without what is in it when it is a list or a map."""
        tag = self._tag(event)
        if kind is yaml.ScalarEvent:
            return SCALAR(tag, event.value, event.start_mark, style=event.style)
        return (MAP if kind is yaml.MappingStartEvent else yaml.SequenceNode)(tag, [], event.start_mark)

    def _fill(self, node: Node, depth: int) -> None:
        """Read what is in a list or a map, up to its end."""
        if type(node) is MAP:
            while type(event := self.next()) is not yaml.MappingEndEvent:
                key = self._node(event, depth)
                node.value.append((key, self._node(self.next(), depth)))
        else:
            while type(event := self.next()) is not yaml.SequenceEndEvent:
                node.value.append(self._node(event, depth))

    def _too_deep(self, line: int, column: int) -> NoReturn:
        self.fail("too_deep", line, column, f"nested more than {DEEPEST} deep", hint="is this the right file?")

    def _alias(self, anchor: str | None, line: int, column: int) -> Node:
        node = self.anchors.get(anchor or "")
        if node is None:
            hint = f"define it before with '&{anchor}', or quote the text if the * is part of it"
            self.fail("yaml", line, column, f"the alias *{anchor} has no anchor", hint=hint)
        if any(node is one for one in self.open):
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
            line, column = place_of(event)
            shown = str(event.tag).replace(_TAG, "!!")
            self.fail("yaml", line, column, f"the tag {shown} means nothing here", hint="remove the tag")
        return tag

    def fail(self, code: str, line: int, column: int, message: str, *, hint: str) -> NoReturn:
        excerpt = excerpt_of(self.text, line)
        refuse(Problem(code, "", message, source=self.source, line=line, column=column, hint=hint, excerpt=excerpt))


@functools.lru_cache(maxsize=4096)
def _resolved(raw: str) -> str:
    """The tag of a plain scalar: what its text looks like. Most are keys, which stand in many files."""
    if len(raw) > LONGEST_NUMBER:
        return "str"
    for tag, pattern in _BASE.yaml_implicit_resolvers.get(raw[:1], ()):
        if pattern.match(raw):
            return str(tag).removeprefix(_TAG)
    return "str"
