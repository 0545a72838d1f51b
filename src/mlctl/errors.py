"""Every error that mlctl raises on purpose, and the exit code it ends with.

    MlctlError                  1   (never raised itself)
    ├── UsageError              2   a bad flag or combination of flags
    ├── NotFoundError           3   no such job, compute, workspace, back end
    ├── AuthError               4   not signed in, not allowed
    ├── InvalidSpecError        5   a YAML document is wrong; carries every problem
    ├── ConflictError           6   it exists already, or is in the wrong state
    ├── UnavailableError        7   a daemon is down, an address unreachable, an extra not installed
    ├── NotFinishedError        8   waiting ran out of time
    ├── UnsupportedError        9   this back end cannot do it; names who can
    └── JobFailedError         10   our part worked, the user's job did not

The bracketed `code` of an error is part of the interface: scripts match on it. This module imports nothing of mlctl.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


class MlctlError(Exception):
    """Base of all errors with a clear sentence for the user.

    `message` says what is wrong with the value at hand, `hint` what to do. `details` is JSON-able data for scripts.
    """

    code = "internal"
    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})


@contextmanager
def located(where: str) -> Iterator[None]:
    """Errors of the block tell first where in the user's spec they belong, such as `job.yml:3: environment: `."""
    try:
        yield
    except MlctlError as error:
        error.message = f"{where}{error.message}"
        raise


class UsageError(MlctlError):
    """A flag or a combination of flags that makes no sense."""

    code = "usage"
    exit_code = 2


class NotFoundError(MlctlError):
    """The named thing does not exist."""

    code = "not_found"
    exit_code = 3


class AuthError(MlctlError):
    """Not signed in, or not allowed; also a file that may not be read or written."""

    code = "auth"
    exit_code = 4


class InvalidSpecError(MlctlError):
    """A document is wrong. `problems` holds every problem found, as `mlctl.spec.problems.Problem`, in file order."""

    code = "invalid_spec"
    exit_code = 5

    def __init__(self, message: str, *, problems: Sequence[Any] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problems = list(problems)


class ConflictError(MlctlError):
    """The name is taken, the version is immutable, or the thing is in the wrong state."""

    code = "conflict"
    exit_code = 6


class UnavailableError(MlctlError):
    """Something that is needed is not there now: a daemon, a network address, disk space, an optional package."""

    code = "unavailable"
    exit_code = 7


class NotFinishedError(MlctlError):
    """Waiting ended before the job did."""

    code = "not_finished"
    exit_code = 8


class UnsupportedError(MlctlError):
    """This back end cannot do what the spec asks for; the message names the field and the back ends that can."""

    code = "unsupported"
    exit_code = 9


class JobFailedError(MlctlError):
    """The job ended, and not as Completed."""

    code = "job_failed"
    exit_code = 10
