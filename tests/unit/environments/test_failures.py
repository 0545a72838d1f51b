from __future__ import annotations

import pytest

from mlctl.entities.environment import Requirements
from mlctl.environments.failures import explain_failure, find_blamed
from mlctl.errors import InvalidSpecError, MlctlError, UnavailableError, UsageError

WANTED = Requirements("3.10", ("numpy==99", "Scikit_Learn~=1.5", "six", "--pre"), "conda.yml")


UNSOLVED = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of numpy==99 and you require numpy==99, we can conclude that …"""
NOT_FOUND = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because scikit-learn was not found in the package registry and you require scikit-learn"""
NO_ANSWER = """\
error: Request failed after 3 retries
  cause: Failed to fetch: https://example.com/simple/six/
  cause: tcp connect error"""
REFUSED = """\
error: Failed to fetch: `https://example.com/simple/six/`
  HTTP status client error (401 Unauthorized) for url"""


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (UNSOLVED, InvalidSpecError, "look at 'numpy==99'"),
        (NOT_FOUND, InvalidSpecError, "look at 'Scikit_Learn~=1.5'"),
        ("error: Couldn't parse requirement in `requirements.txt`\n  cause: six", InvalidSpecError, "'six'"),
        ("× Failed to build `psutil==5.8.0`\n  error: command 'gcc' failed", InvalidSpecError, "'psutil==5.8.0'"),
        ("error: unexpected argument '--nope' found", UsageError, "'--nope'"),
        (NO_ANSWER, UnavailableError, "cannot be reached"),
        (REFUSED, UnavailableError, "refused"),
        ("error: failed to write\n  cause: No space left on device (os error 28)", UnavailableError, "no space left"),
        ("error: something new", InvalidSpecError, "something new"),
        ("", InvalidSpecError, "cannot be built"),
    ],
)
def test_failures(text: str, kind: type[MlctlError], words: str) -> None:
    error = explain_failure(text.splitlines(), WANTED, "3.10.13")
    assert type(error) is kind
    assert words in error.message
    assert "conda.yml" in error.message or kind is UsageError
    assert error.hint


def test_blame_needs_the_whole_name() -> None:
    assert find_blamed("because numpydoc is missing", ["numpy", "numpydoc>=1"]) == ["numpydoc>=1"]
