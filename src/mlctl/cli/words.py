"""az's way of reading a command line, as a rewrite into the strict form that the parser takes.

In: the words after the command. Out: the same with every option spelled out in full and tied to its value
(`--name=value`), one option per list item, plain flags. What it understands, as az does:

- any unambiguous beginning of a long option (`--endpoint` for `--endpoint-name`);
- lists that go on until the next option (`--set a=1 b=2`), repeatable;
- flags with a word (`--all-results true`); false takes the flag back;
- `-o=json`, `-ojson`, and short flags in a bunch (`-yo json`);
- `@file` and `@-` as the value of a text option;
- the generic update (`--set a=1 --add b x=1 y=2 --remove c 0`): one option with three names, whose every use comes out
  as one JSON list of action and words, so that the order given is kept.

Pure but for reading such a file. Needs no typer, so that it can be tested with plain data.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mlctl.errors import UsageError

FLAG, VALUE, LIST, UPDATE = "flag", "value", "list", "update"

_NEGATIVE_NUMBER = re.compile(r"-\d[\d.e+-]*$|-\.\d+$")


class Option(NamedTuple):
    """One option of a command: its spellings (long and short), its kind, and whether `@file` is read for it."""

    names: tuple[str, ...]
    kind: str
    reads_files: bool = False

    @property
    def full_name(self) -> str:
        """The spelling the parser is given: the first long one."""
        return next((name for name in self.names if name.startswith("--")), self.names[0])


def rewrite(words: Sequence[str], options: Sequence[Option]) -> list[str]:
    """The words in strict form. Raises UsageError for an unknown or ambiguous option, or a value that is missing."""
    reader = _Reader(list(words), options)
    while reader.rest:
        word = reader.rest.pop(0)
        if word == "--":
            return [*reader.done, word, *reader.rest]
        if word.startswith("--"):
            _take_long(reader, word)
        elif _looks_like_option(word):
            _take_short(reader, word)
        else:
            reader.done.append(word)
    return reader.done


class _Reader:
    def __init__(self, rest: list[str], options: Sequence[Option]) -> None:
        self.rest = rest
        self.options = options
        self.done: list[str] = []


def find_long(name: str, options: Sequence[Option]) -> Option:
    """The option with this long name, or with the only one that begins so. Raises UsageError."""
    for option in options:
        if name in option.names:
            return option
    matches = {word: option for option in options for word in option.names if word.startswith(name)}
    different = {id(option) for option in matches.values()}
    if len(different) == 1 and (len(matches) == 1 or next(iter(matches.values())).kind != UPDATE):
        return next(iter(matches.values()))
    if matches:
        raise UsageError(f"{name} could be any of {', '.join(sorted(matches))}", hint="write a few letters more")
    raise _unknown(name, options)


def _take_long(reader: _Reader, word: str) -> None:
    name, equals, value = word.partition("=")
    option = find_long(name, reader.options)
    _take(reader, option, name, value if equals else None)


def _take_short(reader: _Reader, word: str) -> None:
    name, attached = word[:2], word[2:]
    option = next((option for option in reader.options if name in option.names), None)
    if option is None:
        raise _unknown(word, reader.options)
    if option.kind == FLAG and attached and not attached.startswith("="):
        reader.rest.insert(0, "-" + attached)
        attached = ""
    _take(reader, option, name, attached.removeprefix("=") if attached else None)


def _take(reader: _Reader, option: Option, name: str, value: str | None) -> None:
    if option.kind == FLAG:
        _take_flag(reader, option, name, value)
    elif option.kind in (LIST, UPDATE):
        _take_list(reader, option, name, value)
    else:
        text = value if value is not None else _next_value(reader, name)
        reader.done.append(f"{option.full_name}={_resolve(text, option)}")


def _take_flag(reader: _Reader, option: Option, name: str, value: str | None) -> None:
    if value is None and reader.rest and reader.rest[0].lower() in ("true", "false"):
        value = reader.rest.pop(0)
    word = (value or "true").lower()
    if word not in ("true", "false", "yes", "no", "1", "0"):
        raise UsageError(f"{name} is a flag and cannot be {value!r}", hint=f"write {name}, or {name} false")
    reader.done = [done for done in reader.done if done != option.full_name]
    if word in ("true", "yes", "1"):
        reader.done.append(option.full_name)


def _take_list(reader: _Reader, option: Option, name: str, value: str | None) -> None:
    values = [value] if value is not None else [_next_value(reader, name)]
    while reader.rest and not _looks_like_option(reader.rest[0]):
        values.append(reader.rest.pop(0))
    values = [_resolve(text, option) for text in values]
    if option.kind == UPDATE:
        action = next(full for full in option.names if full.startswith(name)).removeprefix("--")
        values = [json.dumps([action, *values])]
    reader.done.extend(f"{option.full_name}={text}" for text in values)


def _next_value(reader: _Reader, name: str) -> str:
    if not reader.rest:
        raise UsageError(f"{name} needs a value")
    if _looks_like_option(reader.rest[0]):
        follower = reader.rest[0]
        raise UsageError(
            f"{name} needs a value, but {follower} follows", hint=f"if that is the value: {name}={follower}"
        )
    return reader.rest.pop(0)


def _looks_like_option(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and not _NEGATIVE_NUMBER.match(word)


def _resolve(text: str, option: Option) -> str:
    """The text, or what stands in the file it names. az takes `@name` as text when there is no such file; so do we."""
    if not option.reads_files or not text.startswith("@"):
        return text
    if text == "@-":
        return sys.stdin.read().rstrip("\r\n")
    path = Path(text[1:]).expanduser()
    if not path.is_file():
        return text
    try:
        return path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option.full_name}: cannot read {path}: {error}") from error


def _unknown(name: str, options: Sequence[Option]) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name, [word for option in options for word in option.names], n=3)
    return UsageError(f"no such option: {name}", hint=f"did you mean {' or '.join(near)}?" if near else None)
