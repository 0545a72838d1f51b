"""An engine's texts as errors."""

from __future__ import annotations

import pytest

from mlctl.backends.docker.refusals import explain_pull, explain_start
from mlctl.errors import AuthError, MlctlError, NotFoundError, UnavailableError, UnsupportedError


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("manifest for reg.example/a:1 not found: manifest unknown", NotFoundError, "no image reg.example/a:1"),
        (
            "pull access denied for a, repository does not exist or may require 'docker login'",
            NotFoundError,
            "no image",
        ),
        ("Head https://reg.example/v2/: no basic auth credentials", AuthError, "not allowed to read"),
        ("unauthorized: authentication required", AuthError, "not allowed"),
        ("x509: certificate signed by unknown authority", UnavailableError, "does not trust registry reg.example"),
        ("toomanyrequests: You have reached your pull rate limit", UnavailableError, "too many requests"),
        ("dial tcp: lookup reg.example: no such host", UnavailableError, "registry reg.example cannot be used"),
        ("write /var/lib/docker/x: no space left on device", UnavailableError, "no space left"),
    ],
)
def test_pulls(text: str, kind: type[MlctlError], part: str) -> None:
    error = explain_pull("reg.example/a:1", text)
    assert type(error) is kind
    assert part in error.message
    assert text in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ('OCI runtime create failed: exec: "/bin/sh": stat /bin/sh: no such file', UnsupportedError, "has no /bin/sh"),
        ("crun: executable file `/bin/sh` not found in $PATH: No such file", UnsupportedError, "has no /bin/sh"),
        ('could not select device driver "" with capabilities: [[gpu]]', UnavailableError, "cannot give GPUs"),
        ("invalid mount config: bind source path does not exist: /x", UnsupportedError, "does not see a folder"),
        ("standard_init_linux.go: exec format error", UnsupportedError, "another kind of processor"),
        ("network nowhere not found", UnavailableError, "cannot start a container of a:1: network nowhere not found"),
    ],
)
def test_starts(text: str, kind: type[MlctlError], part: str) -> None:
    error = explain_start("a:1", text)
    assert type(error) is kind
    assert part in error.message
    assert error.hint
