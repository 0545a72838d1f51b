from __future__ import annotations

import pytest

from mlctl.environments.python_versions import accepts_python, parse_python_request, rank_nearest
from mlctl.errors import InvalidSpecError


@pytest.mark.parametrize(
    ("request_text", "version", "expected"),
    [
        ("3.10", (3, 10, 4), True),
        ("3.10", (3, 1, 0), False),
        ("3.10.4", (3, 10, 4), True),
        ("3.10.4", (3, 10, 5), False),
        ("3.10.4", (3, 10), True),
        (">=3.8,<3.11", (3, 10, 13), True),
        (">=3.8,<3.11", (3, 11, 0), False),
        (">=3.8,<3.11", (3, 11), False),
        ("<3.11.4", (3, 11), True),
        (">3.9", (3, 9, 18), False),
        ("<=3.10", (3, 10, 13), True),
        ("!=3.9", (3, 9, 1), False),
        ("!=3.9", (3, 10, 1), True),
        ("~=3.9", (3, 12, 1), True),
        ("~=3.9.2", (3, 9, 7), True),
        ("~=3.9.2", (3, 10, 1), False),
        ("==3.12.*", (3, 12, 1), True),
        ("3", (3, 12, 1), True),
    ],
)
def test_accepts(request_text: str, version: tuple[int, ...], expected: bool) -> None:
    assert accepts_python(request_text, version) is expected


@pytest.mark.parametrize(
    ("request_text", "minors", "expected"),
    [
        ("3.10", [8, 9, 11, 12], [11, 12, 9, 8]),
        ("3.14", [9, 13, 11], [13, 11, 9]),
        (">=3.8,<3.10", [12, 7, 11], [11, 12, 7]),
        ("2.7", [12, 9], [9, 12]),
    ],
)
def test_nearest_is_the_next_newer_then_the_next_older(
    request_text: str, minors: list[int], expected: list[int]
) -> None:
    assert rank_nearest(request_text, minors) == expected


@pytest.mark.parametrize("text", ["", "abc", "3.x", ">=", "3.10|3.11"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecError, match="is not a Python version"):
        parse_python_request(text)
