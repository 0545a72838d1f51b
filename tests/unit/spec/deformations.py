"""Specs made wrong at random, by a seeded generator: as data, where any value may stand anywhere, and as text."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from mlctl.spec.document import KeyPath

JUNK: tuple[Any, ...] = (
    None, [], {}, "", 0, -1, True, False, 1.5, 10**30, 1e300, "x", "${{", "${{}}", "${{ inputs.a }}",
    "${{a.b.c.d.e}}", "${{parent.jobs.x}}", "${{parent.jobs.}}", "${{parent.}}", "${{.}}", "azureml:", "azureml://",
    "azureml:x", "file:", "file:.", "file:x.yml", "..", "/", ".", "\x00", "é\n", "[", [None], [[]], [{}],
    [1, "a", None, {"type": None}], {"": None}, {"type": None}, {"type": []}, {"type": {}}, {"a": {"b": []}},
    {"path": None}, {"path": []}, {"value": None}, {"type": "command"}, {"type": "pipeline", "jobs": {"a": None}},
    {"0": 0}, {"inputs": []}, [[[[[[]]]]]], "x" * 5000, {"a.b": 1}, "command", "pipeline", {"image": None},
    {"file": 1}, {"name": [], "value": {}}, ["a=b", None, 3],
    {"min": "a", "max": None, "type": "integer", "default": []}, {"enum": 3, "type": "string", "default": 1},
    {"type": "choice", "values": None},
)  # fmt: skip
KEYS = ("", "0", "a.b", "A b", "type", "path", "inputs", "jobs", "${{x}}", "x" * 300)


def deformed(data: Any, dice: random.Random) -> Any:
    """A copy in which one to three places hold something else, are gone, or have something beside them."""
    changed = copy.deepcopy(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        places = [path for path in _places(changed) if path]
        if not places:
            return dice.choice(JUNK)
        _deform(changed, dice.choice(places), dice)
    return changed


def _deform(data: Any, path: KeyPath, dice: random.Random) -> None:
    holder, last = _at(data, path[:-1]), path[-1]
    choice = dice.random()
    if choice < 0.7:
        holder[last] = copy.deepcopy(dice.choice(JUNK))
    elif choice < 0.8:
        del holder[last]
    elif choice < 0.9:
        holder[last] = copy.deepcopy(_at(data, dice.choice(list(_places(data)))))
    elif isinstance(holder[last], dict):
        holder[last][dice.choice(KEYS)] = copy.deepcopy(dice.choice(JUNK))
    else:
        holder[last] = [holder[last], copy.deepcopy(holder[last])]


def _places(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    yield path
    if isinstance(data, dict | list):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _places(item, (*path, key))


def _at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


_PIECES = (
    b"{{ x }}", b"${{", b"}}", b"\t", b"\r", b"\0", b"\xff", b"\xc3", b": ", b"- ", b"&a ", b"*a", b"<<: *a", b"'",
    b'"', b"|", b"#", b"[", b"]", b"{", b"}", b"!!x ", b"\n", b"\n---\n", b"\xef\xbb\xbf", b"  ", b"1e999", b"~",
    "é".encode(),
)  # fmt: skip


def shuffled(content: bytes, dice: random.Random) -> bytes:
    """The text of a spec with characters, lines or blocks lost, doubled, swapped or put in."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        content = dice.choice((_swap_lines, _double_block, _cut, _put_in, _change_byte, _indent))(content, dice)
    return content


def _swap_lines(content: bytes, dice: random.Random) -> bytes:
    lines = content.split(b"\n")
    first, second = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def _double_block(content: bytes, dice: random.Random) -> bytes:
    lines = content.split(b"\n")
    start = dice.randrange(len(lines))
    end = start + dice.randrange(1, 8)
    return b"\n".join([*lines[:end], *lines[start:end], *lines[end:]])


def _cut(content: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(content) + 1)
    return content[:start] + content[start + dice.choice((1, 1, 3, 40)) :]


def _put_in(content: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(content) + 1)
    return content[:start] + dice.choice(_PIECES) + content[start:]


def _change_byte(content: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(content) + 1)
    return content[:start] + bytes([dice.randrange(256)]) + content[start + 1 :]


def _indent(content: bytes, dice: random.Random) -> bytes:
    lines = content.split(b"\n")
    index = dice.randrange(len(lines))
    lines[index] = b" " * dice.randrange(1, 5) + lines[index] if dice.random() < 0.5 else lines[index].lstrip(b" ")
    return b"\n".join(lines)
