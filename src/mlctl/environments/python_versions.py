"""Python versions as specs ask for them: `3.10`, `3.10.4`, `>=3.8,<3.11`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mlctl.errors import InvalidSpecError

Version = tuple[int, ...]

_CLAUSE = re.compile(r"(==|=|>=|<=|!=|~=|>|<)?\s*v?(\d+(?:\.\d+)*)(\.?\*)?")
_KNOWN_MINORS = range(7, 31)


def parse_python_request(text: str) -> list[tuple[str, Version]]:
    """`>=3.8,<3.11` as [(">=", (3, 8)), ("<", (3, 11))]. A bare `3.10` means any 3.10. Raises InvalidSpecError."""
    clauses = []
    for part in text.split(","):
        match = _CLAUSE.fullmatch(part.strip())
        if match is None:
            raise InvalidSpecError(
                f"'{text}' is not a Python version", hint='write it as python=3.10, or as a range: "python>=3.9,<3.12"'
            )
        operator = match[1] or "="
        clauses.append(("=" if operator == "==" else operator, tuple(int(digit) for digit in match[2].split("."))))
    return clauses


def accepts_python(request: str, version: Sequence[int]) -> bool:
    """Whether `version` (major, minor[, patch]) fits. A part that one side does not name counts as fitting."""
    return all(_fits(operator, wanted, tuple(version)) for operator, wanted in parse_python_request(request))


def rank_nearest(request: str, minors: Iterable[int]) -> list[int]:
    """Minor versions of Python 3, the nearest to `request` first: next newer ones, then older ones going down."""
    target = _target_minor(request)
    found = set(minors)
    return sorted(minor for minor in found if minor >= target) + sorted(
        (minor for minor in found if minor < target), reverse=True
    )


def _fits(operator: str, wanted: Version, version: Version) -> bool:
    size = min(len(wanted), len(version))
    left, right = version[:size], wanted[:size]
    if operator == "~=":
        return left >= right and version[: len(wanted) - 1] == wanted[: len(version)][:-1]
    tests = {
        "=": left == right,
        "!=": left != right or len(version) < len(wanted),
        ">=": left >= right,
        "<=": left <= right,
        # 3.11.4 is not "<3.11" and not ">3.11"; "3.11" without a patch may still be "<3.11.4"
        "<": left < right or (left == right and len(version) < len(wanted)),
        ">": left > right or (left == right and len(version) < len(wanted)),
    }
    return tests[operator]


def _target_minor(request: str) -> int:
    fitting = [minor for minor in _KNOWN_MINORS if accepts_python(request, (3, minor))]
    if fitting:
        return fitting[0]
    first = parse_python_request(request)[0][1]
    return first[1] if len(first) > 1 and first[0] == 3 else _KNOWN_MINORS[0]
