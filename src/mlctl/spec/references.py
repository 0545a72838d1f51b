"""The reference forms and expressions of Azure ML specs, as data.

`parse` tells what a text refers to; it looks nothing up. Expressions are `${{ dotted.path }}` without operators, and
optional parts are `$[[ … ]]`; both may stand anywhere in a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

ASSET = "asset"
DATASTORE = "datastore"
JOB_OUTPUT = "job_output"
REMOTE = "remote"
RUN = "run"
RESOURCE = "resource"
FILE = "file"
LOCAL = "local"
GIT = "git"
INVALID = "invalid"

_REMOTE_SCHEMES = ("http", "https", "wasb", "wasbs", "abfs", "abfss", "adl", "hdfs", "s3", "gs", "dbfs")
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*):(?=//|/)"
_SHORT = r"azureml:([^:@/]+)(?:(?::([^:@/]+))|(?:@([^:@/]+)))?"
_LONG = (
    r"azureml://(?:(registries|feeds)/([^/]+)/|locations/[^/]+/workspaces/([^/]+)/)?"
    r"(environments|components|models|data|datasets|codes)/([^/]+)"
    r"(?:/(?:versions/([^/]+)|labels/([^/]+)))?/?"
)
_DATASTORE = (
    r"azureml://(?:subscriptions/[^/]+/resource[gG]roups/[^/]+/(?:providers/[^/]+/)?workspaces/([^/]+)/)?"
    r"datastores/([^/]+)(?:/paths/?(.*)|/)?"
)
_JOB = r"azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths/?(.*)|/)?"
_RUN = r"runs:/([^/]+)(?:/(.*))?"
_EXPRESSION = r"\$\{\{\s*(\S*?)\s*\}\}"
_LONGEST_EXPRESSION = 1000
_OPENING = r"\$\{\{"
_OPTIONAL = r"(?s)\$\[\[(.*?)\]\]"


class Reference(NamedTuple):
    """What a text refers to.

    `kind`: asset, datastore, job_output, remote, run, resource (a full Azure id), file (`file:`), local, git, or
    invalid with `problem` saying why. `asset_type` (environments, data, …) is known for long forms only. `path` is the
    path inside a datastore, a job output or a run, the local path, or the URL.
    """

    kind: str
    text: str
    name: str | None = None
    version: str | None = None
    label: str | None = None
    registry: str | None = None
    workspace: str | None = None
    asset_type: str | None = None
    datastore: str | None = None
    job: str | None = None
    output: str | None = None
    path: str | None = None
    problem: str | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether a version or a label was given."""
        return self.version is not None or self.label is not None


class Expression(NamedTuple):
    """`${{ path }}` in a text: the dotted path, and where it starts and ends (offsets). Path is None if not closed."""

    path: str | None
    start: int
    end: int


def parse(text: str) -> Reference:  # noqa: PLR0911  one line per form reads best
    """What `text` refers to. Never fails: a form that means nothing has kind `invalid`."""
    if text.startswith("azureml://"):
        return _parse_long(text)
    if text.startswith("azureml:/"):
        return Reference(RESOURCE, text, path=text.removeprefix("azureml:"))
    if text.startswith("azureml:"):
        return _parse_short(text)
    if text.startswith("/subscriptions/"):
        return Reference(RESOURCE, text, path=text)
    if text.startswith("git+"):
        return Reference(GIT, text, path=text.removeprefix("git+"))
    if text.startswith("runs:/") and (found := re.fullmatch(_RUN, text)):
        return Reference(RUN, text, job=found[1], path=found[2] or "")
    if text.startswith("file:"):
        return Reference(FILE, text, path=_file_path(text))
    scheme = re.match(_SCHEME, text) if ":/" in text else None
    if scheme and len(scheme[1]) > 1:
        if scheme[1].lower() in _REMOTE_SCHEMES:
            return Reference(REMOTE, text, path=text)
        return Reference(INVALID, text, problem=f"'{scheme[1]}:' is not a kind of address that is known")
    return Reference(LOCAL, text, path=text)


def find_expressions(text: str) -> list[Expression]:
    """Every `${{ … }}`, in order; one that is not closed or holds blanks inside has path None."""
    if "${{" not in text:
        return []
    found = []
    close = 0
    for opening in re.finditer(_OPENING, text):
        start = opening.end()
        # what is not closed once is not closed anywhere behind it
        if 0 <= close < start:
            close = text.find("}}", start)
        end = close + 2 if close >= 0 else len(text)
        is_short = 0 <= close <= start + _LONGEST_EXPRESSION
        words = text[start:close].split(None, 2)[:2] if is_short else ["", ""]
        path = None if len(words) > 1 else words[0] if words else ""
        found.append(Expression(path, opening.start(), end))
    return found


def find_optional_parts(text: str) -> list[tuple[int, int, str]]:
    """Every `$[[ … ]]` as start, end and inner text."""
    found = []
    start = text.find("$[[")
    while start >= 0:
        close = text.find("]]", start + 3)
        if close < 0:
            break
        found.append((start, close + 2, text[start + 3 : close]))
        start = text.find("$[[", close + 2)
    return found


def substitute(text: str, value_of: Callable[[str], str | None]) -> str:
    """The text with each `${{ path }}` replaced by `value_of(path)`; None leaves the expression as it is."""
    return re.sub(_EXPRESSION, lambda found: _either(value_of(found[1]), found[0]), text)


def substitute_optional(text: str, has_value: Callable[[str], bool]) -> str:
    """The text with each `$[[ … ]]` kept without its brackets if all paths in it have a value, else dropped."""

    def replace(found: re.Match[str]) -> str:
        paths = [expression.path for expression in find_expressions(found[1])]
        return found[1] if all(path and has_value(path) for path in paths) else ""

    return re.sub(_OPTIONAL, replace, text)


def _parse_short(text: str) -> Reference:
    found = re.fullmatch(_SHORT, text)
    if found is None:
        return Reference(INVALID, text, problem="it is not azureml:<name>:<version> or azureml:<name>@<label>")
    return Reference(ASSET, text, name=found[1], version=found[2], label=found[3])


def _parse_long(text: str) -> Reference:
    if found := re.fullmatch(_LONG, text):
        area, place, workspace, asset_type, name, version, label = found.groups()
        return Reference(
            ASSET,
            text,
            name=name,
            version=version,
            label=label,
            registry=place if area else None,
            workspace=workspace,
            asset_type=asset_type,
        )
    if found := re.fullmatch(_DATASTORE, text):
        return Reference(DATASTORE, text, workspace=found[1], datastore=found[2], path=found[3] or "")
    if found := re.fullmatch(_JOB, text):
        return Reference(JOB_OUTPUT, text, job=found[1], output=found[2], path=found[3] or "")
    problem = (
        "an azureml:// address starts with registries/, datastores/<name>/paths/, jobs/<job>/outputs/<output>/paths/, "
        "models/, data/, locations/ or subscriptions/"
    )
    return Reference(INVALID, text, problem=problem)


def _file_path(text: str) -> str:
    """`file:x`, `file:./x`, `file:///x` and `file://localhost/x`."""
    rest = text.removeprefix("file:")
    if rest.startswith("//"):
        host, _, path = rest[2:].partition("/")
        return unquote("/" + path) if host in ("", "localhost") else unquote(rest[2:])
    return rest


def _either(value: str | None, otherwise: str) -> str:
    return otherwise if value is None else value
