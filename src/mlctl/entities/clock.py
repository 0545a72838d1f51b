"""Time and ids as values that are passed in, so that tests can hold them still."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

_ADJECTIVES = (
    "amiable ashy boring bold brave bright busy calm careful clever cool crisp eager fair fancy fine frank fresh "
    "gentle good great green happy honest icy jolly keen kind lemon lively lucky mango mellow mighty neat "
    "nice olive patient plucky polite proud purple quiet quick red ripe sharp silver sincere sleepy smart solid stoic "
    "strong sunny sweet tender tidy upbeat useful witty yellow"
).split()
_NOUNS = (
    "actor airport answer apple arch band bean bear bell bird boat bone book branch bread brush bucket camera candle "
    "carpet cat chin circle cloud collar cord cow crayon cup deer dog door drain duck ear energy engine eye fig fish "
    "flag foot garage garden glove hair hat head horse house island jewel juice kettle key king kite knee leaf lemon "
    "lion lobster lock map melon moon motor music napkin needle neck nerve night nut oven owl pea pen pipe plane plum "
    "pot prune quill rail ring river roof root sail school seed shark ship shoe snail soccer spade spoon square star "
    "steelpan stem tail thread tongue town toy train tree turnip vase watch wheel whistle window wing yak zoo"
).split()
_LETTERS = "0123456789bcdfghjklmnpqrstvwxyz"


def random_job_name() -> str:
    """A name like Azure ML's: adjective_noun_xxxxxxxxxx, ten random characters, about 49 bits."""
    tail = "".join(_choice(_LETTERS) for _ in range(10))
    return f"{_choice(_ADJECTIVES)}_{_choice(_NOUNS)}_{tail}"


def _choice(options: Sequence[str]) -> str:
    # not the module `secrets`: its imports cost more than the command that wants a name
    return options[int.from_bytes(os.urandom(8), "big") % len(options)]


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` gives seconds since the epoch; `new_job_name` a fresh job name."""

    now: Callable[[], float] = time.time
    new_job_name: Callable[[], str] = random_job_name


def iso_time(seconds: float | None) -> str | None:
    """Seconds since the epoch as az prints times: 2026-01-31T12:00:00.123456+00:00."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat()


def creation_context(created_at: float, created_by: str, modified_at: float | None = None) -> dict[str, str | None]:
    """Who made something and when, as az prints it; `modified_at` for what can change."""
    context = {"created_at": iso_time(created_at), "created_by": created_by, "created_by_type": "User"}
    return context if modified_at is None else {**context, "last_modified_at": iso_time(modified_at)}


_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds of `90`, `90s`, `10m`, `1h30m`, `2d`. Raises ValueError with the sentence to show."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|[smhd]?)", text.strip())
    if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*(ms|[smhd]?)", "", text).strip():
        raise ValueError(f"{text!r} is not a duration; write 90, 90s, 10m, 1h30m or 2d")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
