"""What goes wrong in other people's SDKs, in words of ours and without secrets."""

from __future__ import annotations

from collections.abc import Iterable

from mlctl.errors import AuthError, MlctlError, NotFoundError, UnavailableError

_LONGEST = 300
_REFUSED = ("ClientAuthenticationError", "NoCredentialsError", "PartialCredentialsError", "CredentialUnavailableError")
_TOO_MANY = 429


def translated(error: Exception, what: str, secrets: Iterable[str] = ()) -> MlctlError:
    """The error as one of ours. `what` begins the sentence: `cannot read datastore 'x'`."""
    if isinstance(error, MlctlError):
        return error
    status = _status(error)
    reason = _reason(error, secrets)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return NotFoundError(f"{what}: it is not there ({reason})", hint="check container or bucket, and the path")
    if isinstance(error, PermissionError) or status in (401, 403) or _is_named(error, _REFUSED):
        return AuthError(
            f"{what}: not allowed ({reason})",
            hint="check the credentials; without any, 'az login' or an identity counts",
        )
    return UnavailableError(f"{what}: {reason}", hint="check endpoint and network, and try again: it goes on from here")


def is_transient(error: Exception) -> bool:
    """Whether trying again may help."""
    if isinstance(error, MlctlError):
        return isinstance(error, UnavailableError)
    status = _status(error)
    if status is not None:
        return status >= 500 or status in (408, _TOO_MANY)
    refused = isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError | IsADirectoryError)
    return not refused and not _is_named(error, _REFUSED)


def _status(error: Exception) -> int | None:
    """The HTTP status that an SDK's error carries: azure-core's `status_code`, botocore's `response`."""
    status = getattr(error, "status_code", None)
    if status is None and isinstance(response := getattr(error, "response", None), dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _is_named(error: Exception, names: tuple[str, ...]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _reason(error: Exception, secrets: Iterable[str]) -> str:
    text = str(error).strip().partition("\n")[0][:_LONGEST] or type(error).__name__
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
