"""The crash report: what a bug report needs, in a file that can be pasted as it is, with secrets masked."""

from __future__ import annotations

import re
from pathlib import Path

from mlctl.context import Context
from mlctl.errors import MlctlError
from mlctl.output.streams import Level

MASK = "***"


def report_crash(error: Exception, words: list[str], context: Context) -> None:
    """Say on stderr in one line what broke and where the report is; with `--debug` show the traceback too."""
    import traceback

    trace = "".join(traceback.format_exception(error))
    what = mask(f"{type(error).__name__}: {error}".splitlines()[0])
    context.say.error(f"error[internal]: {what}")
    if context.say.level >= Level.DEBUG or "--debug" in words:
        context.streams.write_talk(trace)
    context.say.hint(_where(error, words, trace, context))


def mask(text: str) -> str:
    """The text without what looks like a secret: values named key, token, password … and passwords in URLs."""
    text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
    return _NAMED_SECRET.sub(lambda match: f"{match[1]}{match[2]}{MASK}", text)


def masked_words(words: list[str]) -> list[str]:
    """The command line without secrets, also where the value is a word of its own (`--admin-password x`)."""
    masked = [mask(word) for word in words]
    for index, word in enumerate(words[:-1]):
        if word.startswith("-") and "=" not in word and _SECRET_WORD.search(word):
            masked[index + 1] = MASK
    return masked


_SECRET = r"(?:password|passwd|secret|token|credential|api[_-]?key|account[_-]?key|access[_-]?key|[_-]key|sas|sig)"
_SECRET_WORD = re.compile(_SECRET, re.IGNORECASE)
_NAMED_SECRET = re.compile(rf"([\w.-]*{_SECRET}[\w-]*)(['\"]?\s*[=:]\s*['\"]?)[^\s'\",&]+", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@")


def _where(error: Exception, words: list[str], trace: str, context: Context) -> str:
    try:
        path = _write(error, words, trace, context)
    except (OSError, MlctlError) as failure:
        return f"this is a bug in mlctl; the report could not be written ({failure}); --debug shows the traceback"
    return f"this is a bug in mlctl; please report it with {path}"


def _write(error: Exception, words: list[str], trace: str, context: Context) -> Path:
    import os
    import time

    folder = context.settings.home / "crashes"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime(f"%Y%m%dT%H%M%SZ-{os.getpid()}.txt", time.gmtime(context.clock.now()))
    path.write_text(_text(error, words, trace), encoding="utf-8", errors="backslashreplace")
    path.chmod(0o600)
    return path


def _text(error: Exception, words: list[str], trace: str) -> str:
    import platform
    import shlex
    import sys

    from mlctl import __version__

    lines = [
        f"mlctl {__version__}, Python {platform.python_version()} ({sys.implementation.name}), {platform.platform()}",
        f"command: {shlex.join(['mlctl', *masked_words(words)])}",
        f"error: {type(error).__name__}",
        "",
        mask(trace),
    ]
    return "\n".join(lines)
