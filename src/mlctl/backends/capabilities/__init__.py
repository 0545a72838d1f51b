"""What each back end makes of each key of each kind of spec: one table, as data.

The table has sections (`sections.py`); a kind of document reads one or several of them, and a part of a document that
is itself a spec (a step, a trial, an environment) reads its own. A row names a key below the part's root, dotted, with
`*` for free names and `[]` for items; a row for a map says something about all that stands in it, and `**` about every
key that no other row names. `tests/contract` holds the rows of command jobs against what the back ends of this machine
do, and all rows against the schemas.

A back end that is not built yet (see `backends.KNOWN`) stands here with what it is designed to do.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

LOCAL, DOCKER, KUBERNETES, AZUREML = "local", "docker", "kubernetes", "azureml"
BACKENDS = (LOCAL, DOCKER, KUBERNETES, AZUREML)
"""Back ends that the table speaks of, in the order of a report."""

HONOURED, APPROXIMATED, IGNORED, REFUSED = "honoured", "approximated", "ignored", "refused"
FATES = (HONOURED, APPROXIMATED, IGNORED, REFUSED)
"""Honoured: as Azure ML documents it. Approximated: with a difference. Ignored: not done, and the job runs. Refused:
the document does not run (exit code 9)."""

KeyPath = tuple[str | int, ...]


class Fate(NamedTuple):
    """What becomes of a key: a word of FATES, and why, as a clause for the user; `{…}` are facts about the value."""

    word: str
    reason: str = ""


YES = Fate(HONOURED)


class Row(NamedTuple):
    """One key of a section. `when`: values or forms of values (`<web folder>`) that the row is about; empty for all.

    Of the rows of a key the first that fits decides for every back end. Without one the key is honoured.
    """

    key: str
    when: tuple[str, ...] = ()
    local: Fate = YES
    docker: Fate = YES
    kubernetes: Fate = YES
    azureml: Fate = YES


def approximated(reason: str) -> Fate:
    """Done, with a difference."""
    return Fate(APPROXIMATED, reason)


def ignored(reason: str) -> Fate:
    """Not done; the rest is."""
    return Fate(IGNORED, reason)


def refused(reason: str) -> Fate:
    """The document does not run."""
    return Fate(REFUSED, reason)


def row(
    key: str,
    when: str = "",
    *,
    here: Fate = YES,
    local: Fate | None = None,
    docker: Fate | None = None,
    kubernetes: Fate = YES,
    azureml: Fate = YES,
) -> Row:
    """A row; `here` is for both back ends of this machine, `when` has its alternatives parted by `|`."""
    words = tuple(filter(None, when.split("|")))
    return Row(key, words, local or here, docker or here, kubernetes, azureml)


def rows(keys: str) -> tuple[Row, ...]:
    """Rows of keys, parted by blanks, that every back end honours."""
    return tuple(row(key) for key in keys.split())


def fates_of(sections: Sequence[str], path: KeyPath, words: Collection[str]) -> dict[str, Fate] | None:
    """What each back end makes of the value at `path`; None when no section has a row for the key.

    `words`: the value as text in lower case, and its forms.
    """
    known = _rows_at(tuple(sections), _as_pattern(path))
    if not known:
        return None
    fitting = (given for given in known if not given.when or any(word in words for word in given.when))
    chosen = next(fitting, Row(""))
    return {LOCAL: chosen.local, DOCKER: chosen.docker, KUBERNETES: chosen.kubernetes, AZUREML: chosen.azureml}


def has_rows_below(sections: Sequence[str], path: KeyPath) -> bool:
    """Whether the table tells the keys in a map or a list apart."""
    return _is_followed(tuple(sections), _as_pattern(path))


def _as_pattern(path: KeyPath) -> tuple[str, ...]:
    return tuple("[]" if isinstance(part, int) else part for part in path)


@functools.lru_cache(maxsize=8192)
def _rows_at(sections: tuple[str, ...], path: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of a key, kept since the files of a folder mostly have the same keys."""
    size = len(path)
    known = [given for name in sections for pattern, given in _index(name).get(size, ()) if _fits(pattern, path)]
    if not known and path:
        known = [given for name in sections for _, given in _index(name).get(EVERYTHING_ELSE, ())]
    return tuple(known)


@functools.lru_cache(maxsize=8192)
def _is_followed(sections: tuple[str, ...], path: tuple[str, ...]) -> bool:
    size = len(path)
    return any(
        _fits(pattern[:size], path)
        for name in sections
        for length, known in _index(name).items()
        if length > size
        for pattern, _ in known
    )


def _fits(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return all(want == part or (want == "*" and part != "[]") for want, part in zip(pattern, path, strict=True))


EVERYTHING_ELSE = -1
"""Where the index keeps the row `**` of a section: the keys that no other row names."""


@functools.cache
def _index(section: str) -> dict[int, list[tuple[tuple[str, ...], Row]]]:
    """The rows of a section with their keys split, by number of parts."""
    from mlctl.backends.capabilities.sections import SECTIONS

    index: dict[int, list[tuple[tuple[str, ...], Row]]] = {}
    for given in SECTIONS[section]:
        pattern = tuple(re.findall(r"\[\]|[^.\[\]]+", given.key))
        size = EVERYTHING_ELSE if given.key == "**" else len(pattern)
        index.setdefault(size, []).append((pattern, given))
    return index
