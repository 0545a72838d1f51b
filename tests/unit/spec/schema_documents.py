"""Documents made from the JSON Schemas: valid ones, and such with exactly one thing wrong at a line that is known.

A `Site` is one place that a schema describes, with the shortest way from the root of a document to it. `document_at`
writes the smallest document that has the place; `Author` writes rich ones at random. `written` makes them YAML and says
where each key and each value stands, without asking the reader that is under test.
"""

from __future__ import annotations

import functools
import json
import random
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mlctl.spec.document import KeyPath
from mlctl.spec.kinds import KINDS
from mlctl.spec.schema import Schema, load_schema, resolve, types_of

Way = tuple[tuple[str, Any], ...]
"""Steps through a schema: ("key", name), ("any", ""), ("item", 0) and ("branch", index)."""

WORD = "word"
ANY_KEY = "entry"
DISCRIMINATORS = ("type", "task")


@dataclass(frozen=True, slots=True)
class Site:
    """A place that the schema of `kind` describes; `schema` has no `$ref` any more."""

    kind: str
    way: Way
    schema: Schema

    @property
    def path(self) -> KeyPath:
        """Where it stands in the document."""
        return path_of(self.way)

    @property
    def is_alternative(self) -> bool:
        """Whether it is one of several that may stand there."""
        return bool(self.way) and self.way[-1][0] == "branch"


def path_of(way: Way) -> KeyPath:
    """The way through the document alone."""
    names: dict[str, Any] = {"any": ANY_KEY, "item": 0}
    parts: list[Any] = [names.get(kind, name) for kind, name in way if kind != "branch"]
    return tuple(parts)


@functools.cache
def sites(kind: str) -> tuple[Site, ...]:
    """Every place that the schema of a kind describes, once, by its shortest way; read-only keys are not among them."""
    root = load_schema(kind)
    waiting: deque[tuple[Way, Schema]] = deque([((), root)])
    seen: set[int] = set()
    found: list[Site] = []
    while waiting:
        way, part = waiting.popleft()
        schema = resolve(part, root)
        if id(schema) in seen or schema.get("readOnly"):
            continue
        seen.add(id(schema))
        found.append(Site(kind, way, schema))
        waiting += [((*way, step), below) for step, below in _below(schema)]
    return tuple(found)


@functools.cache
def own_sites() -> Mapping[str, tuple[Site, ...]]:
    """Kind -> the places of its schema that no kind before it has: shared definitions are the same everywhere."""
    seen: set[int] = set()
    shares = {}
    for kind in KINDS:
        shares[kind] = tuple(site for site in sites(kind) if id(site.schema) not in seen)
        seen |= {id(site.schema) for site in shares[kind]}
    return shares


def _below(schema: Schema) -> Iterator[tuple[tuple[str, Any], Schema]]:
    for index, branch in enumerate(schema.get("anyOf", ())):
        yield ("branch", index), branch
    for name, part in schema.get("properties", {}).items():
        yield ("key", name), part
    if isinstance(schema.get("additionalProperties"), dict):
        yield ("any", ""), schema["additionalProperties"]
    if isinstance(schema.get("items"), dict):
        yield ("item", 0), schema["items"]


def document_at(site: Site) -> Any:
    """The smallest valid document in which the place is there."""
    root = load_schema(site.kind)
    return _smallest(root, root, site.way)


def _smallest(schema: Schema, root: Schema, way: Way = ()) -> Any:
    schema = resolve(schema, root)
    step, rest = (way[0], way[1:]) if way else (("", None), ())
    if "anyOf" in schema:
        index = step[1] if step[0] == "branch" else _simplest(schema["anyOf"], root)
        return _smallest(schema["anyOf"][index], root, rest)
    if "object" in types_of(schema) and step[0] in ("", "key", "any"):
        properties = schema.get("properties", {})
        wanted = [key for key in properties if key in schema.get("required", ())]
        wanted += [
            key for key in DISCRIMINATORS if key in properties and key not in wanted and _is_closed(properties[key])
        ]
        data = {key: _smallest(properties[key], root, rest if step == ("key", key) else ()) for key in wanted}
        if step[0] == "key" and step[1] not in data:
            data[step[1]] = _smallest(properties[step[1]], root, rest)
        elif step[0] == "any":
            data[ANY_KEY] = _smallest(schema["additionalProperties"], root, rest)
        return data
    if step[0] == "item":
        return [_smallest(schema["items"], root, rest)]
    return plain_value(schema)


def _is_closed(schema: Schema) -> bool:
    return "enum" in schema or "const" in schema


def _simplest(branches: list[Schema], root: Schema) -> int:
    """The alternative with the fewest keys that must be there; a plain value has none."""

    def weight(index: int) -> int:
        branch = resolve(branches[index], root)
        return len(branch.get("required", ())) + 10 * ("anyOf" in branch) + ("object" in types_of(branch))

    return min(range(len(branches)), key=weight)


def plain_value(schema: Schema, dice: random.Random | None = None, texts: Sequence[str] = (WORD,)) -> Any:
    """A valid value of a schema without parts."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return dice.choice(schema["enum"]) if dice else schema["enum"][0]
    types = types_of(schema) or ("string",)
    kind = dice.choice(types) if dice else types[0]
    if kind == "string":
        text = schema["x-example"] if "pattern" in schema else dice.choice(texts) if dice else WORD
        return text or ("" if not schema.get("minLength") else WORD)
    if kind in ("integer", "number"):
        return _number(schema, kind, dice)
    return {"boolean": dice.random() < 0.5 if dice else True, "null": None, "object": {}, "array": []}[kind]


def _number(schema: Schema, kind: str, dice: random.Random | None) -> Any:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    high = schema.get("maximum", low + 7)
    if dice is None:
        return low
    return dice.randint(int(low), int(high)) if kind == "integer" else dice.choice([low, high, (low + high) / 2])


_TEXTS = (
    WORD, "", "two words", "ünïcode ✓ 🚀", "a: b # c", "'single' \"double\"", "no", "1.10", "2024-01-31", "~", "- x",
    "{a}", "back\\slash", "line one\nline two\n", " lead", "null", "0x1F", "1:30", "*x", "&x", "%x", "@x", "`x`", "? x",
)  # fmt: skip


_REALISTIC = (
    WORD, "first", "second_one", "azureml:x:1", "azureml:x@latest", "azureml://registries/r/models/m/versions/1",
    "${{inputs.entry}}", "${{parent.inputs.first}}", "${{parent.jobs.first.outputs.second_one}}",
    "${{search_space.first}}", "${{outputs.x.y}}", "file:./x.yml", "./job.yml", "src", "PT1H", "0 0 * * *",
    "2024-01-01T00:00:00", "UTC", "local", "1.5", "Standard_D2", "5 GB", "$[[--x ${{inputs.first}}]]",
    "git+https://x/y", "runs:/a/b", "http://x", "AccountKey=abc;", "a.py:B",
)  # fmt: skip


class Author:
    """Writes documents with many keys that the schema takes, at random from a seed.

    `realistic`: texts are such as rules look into, references and expressions, right and wrong.
    """

    def __init__(self, kind: str, seed: int, *, realistic: bool = False) -> None:
        self.root = load_schema(kind)
        self.texts = _REALISTIC if realistic else _TEXTS
        self.dice = random.Random(f"{kind} {seed}")
        self.left = 120

    def document(self) -> Any:
        """The next document."""
        self.left = 120
        return self._value(self.root, 0)

    def _value(self, schema: Schema, depth: int) -> Any:
        self.left -= 1
        schema = resolve(schema, self.root)
        if "anyOf" in schema:
            branches = schema["anyOf"]
            index = self.dice.randrange(len(branches)) if self._goes_on(depth) else _simplest(branches, self.root)
            return self._value(branches[index], depth)
        types = types_of(schema)
        kind = self.dice.choice(types) if types else "string"
        if kind == "object":
            return self._map(schema, depth)
        if kind == "array":
            count = self.dice.randrange(3) if self._goes_on(depth) else 0
            return [self._value(schema.get("items", {"type": "string"}), depth + 1) for _ in range(count)]
        return plain_value(schema, self.dice, self.texts) if types else self.dice.choice(self.texts)

    def _goes_on(self, depth: int) -> bool:
        return self.left > 0 and depth < 9

    def _map(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = {
            key: part for key, part in schema.get("properties", {}).items() if not _is_read_only(part, self.root)
        }
        share = self.dice.choice([0.1, 0.4, 0.9]) if self._goes_on(depth) else 0
        keys = [key for key in properties if key in schema.get("required", ()) or self.dice.random() < share]
        keys += [key for key in DISCRIMINATORS if key in properties and key not in keys and _is_closed(properties[key])]
        self.dice.shuffle(keys)
        data = {key: self._value(properties[key], depth + 1) for key in keys}
        others = schema.get("additionalProperties", not properties)
        if others is not False and self._goes_on(depth):
            part = others if isinstance(others, dict) else {"type": ["string", "integer", "boolean", "null"]}
            names = self.dice.sample(["first", "second_one", "A-b", "x.y", "7", "no"], self.dice.randrange(4))
            data.update({name: self._value(part, depth + 1) for name in names})
        return data


def _is_read_only(schema: Schema, root: Schema) -> bool:
    return bool(resolve(schema, root).get("readOnly"))


class Written(NamedTuple):
    """YAML text; `lines`: path -> line of its key and line where its value starts."""

    text: str
    lines: dict[KeyPath, tuple[int, int]]


def written(data: Any) -> Written:
    """A document as block style YAML. Comments and blank lines between its keys move them about."""
    lines = ["# a document"]
    places: dict[KeyPath, tuple[int, int]] = {}
    if data:
        _write(data, (), 0, lines, places)
    else:
        lines.append(_scalar(data))
    return Written("\n".join(lines) + "\n", places)


def _write(
    value: Any,
    path: KeyPath,
    indent: int,
    lines: list[str],
    places: dict[KeyPath, tuple[int, int]],
    *,
    begun: bool = False,
) -> int:
    """A map or a list that is not empty; `begun`: its first entry goes on the last line. Gives back its first line."""
    first = 0
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if not begun:
            if len(lines) % 7 == 3:
                lines += ["", f"{' ' * indent}# a remark"]
            lines.append(" " * indent)
        begun = False
        line = len(lines)
        here: KeyPath = (*path, key)
        first = first or line
        is_item = isinstance(value, list)
        lines[-1] += "-" if is_item else f"{_scalar(key)}:"
        start = line
        if isinstance(item, dict | list) and item:
            lines[-1] += " " if is_item else ""
            start = _write(item, here, indent + 2, lines, places, begun=is_item)
        else:
            text = _block(item, indent) if _is_block(item) else _scalar(item)
            lines += f"{lines.pop()} {text}".rstrip().split("\n")
        places[here] = (start if is_item else line, start)
    return first


def _is_block(value: Any) -> bool:
    return isinstance(value, str) and value.endswith("\n") and not value.startswith((" ", "\n"))


def _block(text: str, indent: int) -> str:
    return "|\n" + "\n".join(f"{' ' * (indent + 4)}{line}" for line in text[:-1].split("\n"))


_PLAIN = re.compile(r"(?!(?:yes|no|on|off|true|false|null|y|n)$)[a-z][a-z_]*")


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
