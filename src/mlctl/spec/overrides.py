"""`--set a.b=v` before validation, and the `--set --add --remove --force-string` of update.

Two languages that look alike, both az's:

- create, validate: the value stays text, dots walk into maps and make missing ones, `a[0]=v` is a list item;
- update: the value is JSON when it parses as JSON, `a[key=value]` picks a list item, an unknown path is an error.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlctl.errors import UsageError
from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.problems import did_you_mean

_PART = r"([^.\[\]]+)|\[(\d+)\]|\[([^\[\]=]+)=([^\[\]]*)\]"
_SELECTOR = tuple[str, str]
_Step = str | int | _SELECTOR


def apply_overrides(data: dict[str, Any], assignments: Sequence[str]) -> list[tuple[KeyPath, str]]:
    """Put `a.b=v` assignments on `data`, in order. Returns each path with the option's text, for messages.

    Raises UsageError for a missing `=`, a path through text (a reference cannot be changed from within), `path.0`
    and a list index that is not there.
    """
    applied = []
    for assignment in assignments:
        path_text, separator, value = assignment.partition("=")
        if not separator or not path_text:
            raise UsageError(f"--set {assignment}: '=' is missing", hint="write --set key=value, such as inputs.lr=0.1")
        path = _plain_path(path_text, f"--set {assignment}")
        set_value(data, path, value, option=f"--set {path_text}")
        applied.append((path, f"--set {assignment}"))
    return applied


def override_document(document: Document, assignments: Sequence[str], fields: Mapping[str, Any]) -> None:
    """Put `--set` assignments and then dedicated flags on a document; flags win, as in az.

    `fields`: dotted key -> value; None: the flag was not given. Problems in these values then name the option.
    """
    for path, option in apply_overrides(document.data, assignments):
        _note(document, path, option)
    for key, value in fields.items():
        if value is None:
            continue
        flag = "--" + key.replace("_", "-")
        path = _plain_path(key, flag)
        set_value(document.data, path, value, option=flag)
        _note(document, path, f"{flag} {value}" if isinstance(value, str | int | float) else flag)


def set_value(data: dict[str, Any], path: KeyPath, value: Any, *, option: str) -> None:
    """Set `path` in `data`; missing maps are made. UsageError when the way is barred."""
    here: Any = data
    for depth, part in enumerate(path[:-1]):
        if isinstance(part, int):
            here = _item(here, part, path[:depth], option)
            continue
        _require_map(here, part, path[:depth], option)
        if here.get(part) is None:
            here[part] = {}
        here = here[part]
    last = path[-1]
    if isinstance(last, int):
        _item(here, last, path[:-1], option)
    else:
        _require_map(here, last, path[:-1], option)
    here[last] = value


def apply_update(
    document: Mapping[str, Any],
    operations: Sequence[tuple[str, Sequence[str]]] = (),
    *,
    force_string: bool = False,
) -> dict[str, Any]:
    """The document after az's generic update, as a new dict. The operations run in the order given.

    Each is ("set", ["a.b=v", …]), ("add", [path, item, …]) or ("remove", [path] or [path, index]). UsageError for an
    unknown path (naming what is there), a missing `=` and a bad index.
    """
    data: dict[str, Any] = copy.deepcopy(dict(document))
    for verb, arguments in operations:
        if verb == "set":
            for assignment in arguments:
                _update_set(data, assignment, force_string=force_string)
        elif verb == "add":
            _update_add(data, arguments, force_string=force_string)
        else:
            _update_remove(data, arguments)
    return data


def _note(document: Document, path: KeyPath, option: str) -> None:
    for length in range(1, len(path)):
        parent = path[:length]
        if parent not in document.marks:
            document.origins.setdefault(parent, option)
    document.forget(path)
    for known in [known for known in document.origins if known[: len(path)] == path]:
        del document.origins[known]
    document.origins[path] = option


def _plain_path(text: str, option: str) -> KeyPath:
    path = _steps(text, option)
    for part in path:
        if isinstance(part, tuple):
            raise UsageError(
                f"{option}: [{part[0]}={part[1]}] picks a list item only in update", hint="use its index, such as [0]"
            )
    return tuple(part for part in path if not isinstance(part, tuple))


def _steps(text: str, option: str) -> list[_Step]:
    """`a.b[0][k=v]` as ["a", "b", 0, ("k", "v")]."""
    steps: list[_Step] = []
    position = 0
    while position < len(text):
        if text[position] == "." and steps:
            position += 1
        found = re.compile(_PART).match(text, position)
        if found is None:
            raise UsageError(f"{option}: '{text}' is not a path", hint="write it as a.b.c or a.list[0].b")
        name, index, key, value = found.groups()
        steps.append(name if name is not None else int(index) if index is not None else (key, value))
        position = found.end()
    if not steps or not isinstance(steps[0], str):
        raise UsageError(f"{option}: the path is empty", hint="write it as a.b.c or a.list[0].b")
    return steps


def _require_map(here: Any, part: str, path: KeyPath, option: str) -> None:
    where = dotted(path)
    if isinstance(here, dict):
        return
    if isinstance(here, list):
        hint = f"write {where}[{part}]" if part.isdigit() else f"name the item first: {where}[0].{part}"
        raise UsageError(f"{option}: '{where}' is a list", hint=hint)
    if isinstance(here, str) and here.startswith(("azureml:", "file:")):
        message = f"{option}: '{where}' is the reference '{here}', whose parts cannot be set"
        raise UsageError(message, hint=f"set the whole of it: --set {where}=…")
    from mlctl.spec.rules.secret_patterns import names_secret

    shown = "…" if "credentials" in path or any(names_secret(str(step)) for step in path) else here
    message = f"{option}: '{where}' is the value '{shown}', which has no part '{part}'"
    raise UsageError(message, hint=f"set the whole of it: --set {where}=…")


def _item(here: Any, index: int, path: KeyPath, option: str) -> Any:
    where = dotted(path)
    if not isinstance(here, list):
        raise UsageError(f"{option}: '{where}' is not a list", hint=f"write {where}.name=value for a map")
    if index >= len(here):
        last = f"its items are [0] to [{len(here) - 1}]" if here else "it is empty"
        raise UsageError(f"{option}: '{where}' has no item [{index}]", hint=last)
    return here[index]


def _update_set(data: dict[str, Any], assignment: str, *, force_string: bool) -> None:
    # a[k=v].b=x: the first '=' outside of brackets parts path and value
    found = re.match(r"((?:[^=\[\]]|\[[^\]]*\])+)=(.*)", assignment, re.DOTALL)
    if found is None:
        raise UsageError(f"--set {assignment}: '=' is missing", hint="write --set key=value")
    option = f"--set {found[1]}"
    steps = _steps(found[1], option)
    here: Any = data
    for depth, step in enumerate(steps[:-1]):
        if isinstance(step, str) and isinstance(here, dict) and here.get(step, ...) is None:
            here[step] = {}
        here = _walk(here, step, steps[:depth], option)
    last = steps[-1]
    if isinstance(last, str) and isinstance(here, dict):
        here[last] = _parsed(found[2], force_string=force_string)
        return
    target = _walk(here, last, steps[:-1], option)
    here[here.index(target) if isinstance(last, tuple) else last] = _parsed(found[2], force_string=force_string)


def _update_add(data: dict[str, Any], arguments: Sequence[str], *, force_string: bool) -> None:
    if len(arguments) < 2:
        hint = "write --add list key=value, or --add list value"
        raise UsageError(f"--add {' '.join(arguments)}: the value is missing", hint=hint)
    option = f"--add {arguments[0]}"
    steps = _steps(arguments[0], option)
    here: Any = data
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        if last and isinstance(here, dict) and isinstance(step, str) and here.get(step) is None:
            here[step] = []
        here = _walk(here, step, steps[:depth], option)
    if isinstance(here, dict):
        here.update(_pairs(arguments[1:], option, force_string=force_string))
        return
    if not isinstance(here, list):
        raise UsageError(f"{option}: this is neither a list nor a map", hint=f"use --set {arguments[0]}=…")
    here.extend(_additions(arguments[1:], force_string=force_string))


def _update_remove(data: dict[str, Any], arguments: Sequence[str]) -> None:
    if not arguments:
        raise UsageError("--remove: the path is missing", hint="write --remove key, or --remove list 0")
    option = f"--remove {' '.join(arguments)}"
    steps = _steps(arguments[0], option)
    if len(arguments) > 1:
        if not re.fullmatch(r"-?\d+", arguments[1]):
            raise UsageError(f"{option}: '{arguments[1]}' is not an index", hint="write --remove list 0")
        steps.append(int(arguments[1]))
    here: Any = data
    for depth, step in enumerate(steps[:-1]):
        here = _walk(here, step, steps[:depth], option)
    last = steps[-1]
    target = _walk(here, last, steps[:-1], option)
    if isinstance(last, tuple):
        here.remove(target)
    else:
        del here[last]


def _walk(here: Any, step: _Step, before: Sequence[_Step], option: str) -> Any:
    """The child of `here`; UsageError that lists what is there."""
    where = _shown(before)
    if isinstance(step, str):
        if not isinstance(here, dict):
            raise UsageError(f"{option}: {where} is not a map", hint="use [0] for an item of a list")
        if step not in here:
            there = ", ".join(sorted(here)) or "nothing"
            hint = did_you_mean(step, here, otherwise=f"there is: {there}")
            raise UsageError(f"{option}: {where} has no '{step}' (there is: {there})", hint=hint)
        return here[step]
    if not isinstance(here, list):
        raise UsageError(f"{option}: {where} is not a list", hint="use .name for a part of a map")
    if isinstance(step, int):
        if not -len(here) <= step < len(here):
            raise UsageError(f"{option}: {where} has no item [{step}]", hint=f"it has {len(here)} items")
        return here[step]
    matches = [item for item in here if isinstance(item, dict) and str(item.get(step[0])) == step[1]]
    if len(matches) != 1:
        count = "no item" if not matches else f"{len(matches)} items"
        raise UsageError(f"{option}: {where} has {count} with {step[0]}={step[1]}", hint="use an index, such as [0]")
    return matches[0]


def _shown(steps: Sequence[_Step]) -> str:
    text = ""
    for step in steps:
        text += (
            f"[{step[0]}={step[1]}]"
            if isinstance(step, tuple)
            else dotted((step,))
            if not text
            else (f"[{step}]" if isinstance(step, int) else f".{step}")
        )
    return f"'{text}'" if text else "the document"


def _additions(tokens: Sequence[str], *, force_string: bool) -> list[Any]:
    """Items for a list: runs of key=value become one map each, other tokens stand alone."""
    items: list[Any] = []
    current: dict[str, Any] | None = None
    for token in tokens:
        key, separator, value = token.partition("=")
        if separator and re.fullmatch(r"[\w.-]+", key):
            if current is None:
                current = {}
                items.append(current)
            current[key] = _parsed(value, force_string=force_string)
        else:
            current = None
            items.append(_parsed(token, force_string=force_string))
    return items


def _pairs(tokens: Sequence[str], option: str, *, force_string: bool) -> dict[str, Any]:
    pairs = {}
    for token in tokens:
        key, separator, value = token.partition("=")
        if not separator:
            raise UsageError(f"{option}: '{token}' is not key=value", hint="a map takes key=value")
        pairs[key] = _parsed(value, force_string=force_string)
    return pairs


def _parsed(value: str, *, force_string: bool) -> Any:
    if force_string:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
