"""The numbers of problems: each word (`unknown_key`) has one (`MLC1101`), and a text that explains it.

Problems carry the word. Numbers are grouped by hundreds, never change and are never given to another word. The texts
live in `codes.yml` and are read only by those who explain; the numbers are here, since each problem shows its own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlctl.errors import NotFoundError
from mlctl.spec.kinds import DOCS

PREFIX = "MLC"

GROUPS: dict[int, str] = {
    10: "Reading YAML",
    11: "Shape",
    12: "Names and references",
    13: "Paths and files",
    14: "Expressions",
    15: "Pipelines and components",
    16: "Sweeps",
    17: "Endpoints and deployments",
    19: "Secrets",
}
"""Headings, by the first two digits."""

NUMBERS: dict[str, int] = {
    "yaml": 1001,
    "empty": 1002,
    "not_text": 1003,
    "several_documents": 1004,
    "not_a_map": 1005,
    "duplicate_key": 1006,
    "too_deep": 1007,
    "too_large": 1008,
    "yaml_key": 1009,
    "yaml_date": 1010,
    "yaml_trap": 1011,
    "unreadable": 1012,
    "unknown_key": 1101,
    "missing_key": 1102,
    "wrong_type": 1103,
    "not_allowed": 1104,
    "out_of_range": 1105,
    "empty_value": 1106,
    "invalid_value": 1107,
    "conflict": 1108,
    "left_to_option": 1109,
    "ignored": 1110,
    "schema_hint": 1111,
    "invalid_name": 1201,
    "invalid_reference": 1202,
    "placeholder": 1203,
    "odd_version": 1204,
    "missing_path": 1301,
    "file_cycle": 1302,
    "wrong_file": 1303,
    "guessed": 1304,
    "wrong_path": 1305,
    "unbound": 1401,
    "optional_part": 1402,
    "unguarded": 1403,
    "old_binding": 1404,
    "unknown_step": 1501,
    "cycle": 1502,
    "unknown_port": 1503,
    "missing_input": 1504,
    "type_mismatch": 1505,
    "optional_to_required": 1506,
    "unfilled": 1507,
    "unused": 1601,
    "invalid_script": 1701,
    "plain_secret": 1901,
}
"""Word -> number."""

_TEXTS = Path(__file__).with_name("codes.yml")
_NUMBER = r"(?i)(?:mlc)?[-_ ]?(\d{4})"


class Entry(NamedTuple):
    """What is known about one code.

    `name`: its word. `severity`: error, warning or incomplete; what it mostly is. `kind`: the schema that the examples
    belong to. `page`: address of a page about the subject. `secrets`: told with `--no-secrets` only.
    `files`: what lies beside the examples.
    """

    code: str
    name: str
    group: str
    severity: str
    title: str
    meaning: str
    fix: str
    kind: str
    bad: str
    good: str
    page: str
    secrets: bool
    files: Mapping[str, str]


def code_of(word: str) -> str:
    """`MLC1101` for `unknown_key`; empty for a word without a number."""
    number = NUMBERS.get(word)
    return f"{PREFIX}{number}" if number else ""


def find(text: str) -> Entry:
    """The entry of a code: `MLC1101`, `mlc1101`, `1101` or `unknown_key`. Raises NotFoundError with the nearest."""
    words = {str(number): word for word, number in NUMBERS.items()}
    found = re.fullmatch(_NUMBER, text.strip())
    word = words.get(found[1]) if found else text.strip().lower().replace("-", "_")
    if word in NUMBERS:
        return _entry(word)
    raise NotFoundError(f"no code '{text}'", hint=_suggestion(text, found[1] if found else ""))


def entries() -> list[Entry]:
    """All entries, by number."""
    return [_entry(word) for word in sorted(NUMBERS, key=NUMBERS.__getitem__)]


def describe(words: Iterable[str]) -> dict[str, dict[str, str]]:
    """Code -> `name`, `title`, `text` and `help` (an address), for reports about problems with these words."""
    known = sorted({word for word in words if word in NUMBERS}, key=NUMBERS.__getitem__)
    return {
        entry.code: {
            "name": entry.name,
            "title": entry.title,
            "text": f"{entry.meaning}\n{entry.fix}",
            "help": entry.page,
        }
        for entry in map(_entry, known)
    }


def _entry(word: str) -> Entry:
    text = _texts()[word]
    number = NUMBERS[word]
    return Entry(
        code=f"{PREFIX}{number}",
        name=word,
        group=GROUPS[number // 100],
        severity=text.get("severity", "error"),
        title=text["title"],
        meaning=" ".join(text["meaning"].split()),
        fix=" ".join(text["fix"].split()),
        kind=text.get("kind", "commandJob"),
        bad=text.get("bad", ""),
        good=text.get("good", ""),
        page=DOCS + text["page"],
        secrets=text.get("secrets", False),
        files=text.get("files", {}),
    )


@functools.cache
def _texts() -> dict[str, Any]:
    from mlctl.spec.reader import read_file

    texts: dict[str, Any] = read_file(_TEXTS).data
    return texts


def _suggestion(text: str, number: str) -> str:
    from mlctl.spec.problems import closest

    near = closest(text, NUMBERS)
    if number:
        group = [code_of(word) for word, value in NUMBERS.items() if str(value)[:2] == number[:2]]
        if group:
            return f"there is: {', '.join(group)}"
    elif near:
        return f"did you mean {code_of(near)} ({near})?"
    return "'mlctl explain' lists all codes"
