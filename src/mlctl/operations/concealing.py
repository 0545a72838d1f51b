"""What is told of errors, without secrets: every text of an error goes through here before anybody sees it.

Users write signatures, passwords and keys into addresses, options and files, and an error quotes what they wrote.
"""

from __future__ import annotations

import re
from typing import Any

from mlctl.entities.hidden import HIDDEN
from mlctl.spec.problems import Problem
from mlctl.spec.rules.secret_patterns import names_secret, secrets_in, secrets_in_line

# patterns are compiled when a text has their marks: most have none
_SIGNED = r"[A-Za-z][\w+.-]*://[^\s'\"<>()?]+\?[^\s'\"<>()]+"
# a password may hold any sign but blanks; where nothing but a port stands behind the colon, there is no password
_PASSWORD = r"(?<=://)[^\s/@:\"]*:(?!\d+(?:/|$))[^\s/\"]*@"
_WEB_USER = r"(?i)((?:https?|ftps?|sftp)://)[^\s/@\"]+@"
_NAMED = r"[\w.-]*(?:sig|signature|sas|token|secret|passw(?:or)?d|passphrase|pwd|key|credentials?)"
_CONNECTION = (
    r"(?i)(\b(?:AccountKey|SharedAccessKey|SharedAccessSignature|SharedSecretValue)\s?=\s?|;\s?(?:Password|Pwd)\s?=\s?)"
    r"[^;\s'\"]+"
)
_PARAMETER = rf"(?i)([?&#;]{_NAMED}=)(?!{HIDDEN})[^&#;\s'\"]+"
_SIGNATURE = rf"(?i)((?<![A-Za-z])sig=)(?!{HIDDEN})[^&#\s'\"]+"
_SET = r"(?s)(--(?:set|add)\s+)([\w.\[\]-]+)=(\S.*?)(?=: |$)"
_SECTION = "credentials"


def concealed(text: str) -> str:
    """A text without what may be a secret: user and password, signatures, keys and tokens become `…`."""
    if "--" in text:
        text = re.sub(_SET, _concealed_option, text)
    if "://" in text and "@" in text:
        text = re.sub(_WEB_USER, rf"\1{HIDDEN}@", re.sub(_PASSWORD, f"{HIDDEN}@", text))
    if "=" in text:
        if "://" in text:
            text = re.sub(_SIGNED, _without_signature, text)
        for pattern in (_CONNECTION, _PARAMETER, _SIGNATURE):
            text = re.sub(pattern, rf"\1{HIDDEN}", text)
    for found in reversed(list(secrets_in(text))):
        if HIDDEN not in text[found.start : found.end]:
            text = text[: found.start] + HIDDEN + text[found.end :]
    return text


def concealed_problem(problem: Problem) -> Problem:
    """A problem without secrets in any of its texts. Of what stands below `credentials` nothing is quoted."""
    excerpt, value = problem.excerpt, _concealed_value(problem.value)
    words = [problem.message, problem.hint or "", problem.expected or ""]
    if _is_secret(problem.path):
        quoted = str(problem.value)
        if isinstance(problem.value, str | int | float) and quoted:
            words = [text.replace(f"'{quoted}'", f"'{HIDDEN}'").replace(f" {quoted}", f" {HIDDEN}") for text in words]
        value = None
    if _SECTION in _keys(problem.path):
        excerpt = None
    elif excerpt is not None:
        for secret in secrets_in_line(excerpt):
            excerpt = excerpt.replace(secret, HIDDEN)
            words = [text.replace(secret, HIDDEN) for text in words]
        excerpt = concealed(excerpt)
    message, hint, expected = map(concealed, words)
    return problem._replace(
        message=message,
        hint=hint or None,
        expected=expected or None,
        excerpt=excerpt,
        value=value,
        source=concealed(problem.source),
    )


def _is_secret(path: str) -> bool:
    keys = _keys(path)
    return _SECTION in keys or any(map(names_secret, keys))


def _keys(path: str) -> list[str]:
    return re.split(r"[.\[\]]+", path)


def _without_signature(found: re.Match[str]) -> str:
    from mlctl.store.signed_addresses import printable

    return printable(found[0])


def _concealed_option(found: re.Match[str]) -> str:
    """`--set KEY=VALUE` without the value of a key that holds a secret."""
    return f"{found[1]}{found[2]}={HIDDEN}" if _is_secret(found[2]) else found[0]


def _concealed_value(value: Any) -> Any:
    """Data with each text in it concealed."""
    if isinstance(value, str):
        return concealed(value)
    if isinstance(value, dict):
        return {
            key: HIDDEN if isinstance(key, str) and _is_secret(key) and item else _concealed_value(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_concealed_value(item) for item in value]
    return value
