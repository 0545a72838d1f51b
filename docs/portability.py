"""The page on portability, made from the table of capabilities: run as `python docs/portability.py`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from mlctl.backends import KNOWN
from mlctl.backends.capabilities import BACKENDS, HONOURED, REFUSED, Fate, Row
from mlctl.backends.capabilities.kinds import fate_of_document, sections_of
from mlctl.backends.capabilities.sections import SECTIONS
from mlctl.spec.kinds import KINDS

PAGE = Path(__file__).parent / "reference" / "portability.md"

_MADE = "<!-- Made from mlctl/backends/capabilities by `python docs/portability.py`; change the table instead. -->\n"

_INTRO = """\
# Portability

`mlctl lint` says what each back end makes of each key of a spec, by file and line:

```sh
mlctl lint job.yml
mlctl lint . --backend docker,kubernetes --summary
mlctl lint job.yml --backend local --all -o table
```

| word | means |
|---|---|
| honoured | done as Azure ML documents it; shown with `--all` only |
| approximated | done, with a difference |
| ignored | left out; the rest runs |
| refused | the document does not run there: exit code 9 |

A document runs as it is, runs with differences, or does not run. The exit code is 0; with `--strict` it is 9 when a
back end refuses something, and 5 when a file is wrong (`mlctl validate` says what). Files that a spec names
(components, jobs, environments) are looked at with it. Nothing is asked of a workspace, a cluster or Azure.

The report is made from the tables below. A value that no row names is honoured; – stands where a back end refuses the
documents that have the key. Tests hold the rows of command
jobs on {built} against what these back ends do. {planned} are not built yet: their columns say what they are designed
to do.

What no key says: on local and docker paths inside a job differ (use `${{{{inputs.x}}}}` or the
[variables](runtime-contract.md)), and MLflow writes to the workspace unless `tracking.uri` says otherwise. On
kubernetes containers run without root. More in [differences](differences.md).
"""

_TITLES = {
    "base": "Any job",
    "ports": "Inputs and outputs",
    "command": "A command",
    "environment": "An environment inside a document",
    "declared": "A component about itself",
    "step": "A step of a pipeline",
    "pipeline": "A pipeline",
    "control step": "Steps do_while, if_else, parallel_for",
    "service step": "automl, import, data_transfer, finetuning",
    "spark": "Spark",
    "sweep": "A sweep",
    "parallel": "A parallel step",
    "schedule": "A schedule",
    "scheduled job": "The job of a schedule",
    "endpoint": "An endpoint",
    "batch endpoint": "A batch endpoint",
    "deployment": "An online deployment",
    "batch deployment": "A batch deployment",
    "package": "A model package",
    "serving environment": "The environment of a deployment",
    "asset": "An asset",
    "asset path": "Data and models",
    "datastore": "A datastore",
    "kubernetes compute": "A kubernetes compute",
    "own compute": "A local or docker compute",
    "workspace": "A workspace",
    "azure": "Everything else",
}


def render() -> str:
    """The page."""
    built = " and ".join(name for name in BACKENDS if name in KNOWN)
    planned = " and ".join(name for name in BACKENDS if name not in KNOWN)
    parts = [_MADE, _INTRO.format(built=built, planned=planned), "\n## Documents\n\n", _documents()]
    parts += [_section(name, rows) for name, rows in SECTIONS.items() if not _is_plain(rows)]
    return "".join(parts)


def _documents() -> str:
    """Kinds that have the same fates share a line."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for kind in KINDS.values():
        fates = (fate_of_document(kind.name, backend) for backend in BACKENDS)
        cells = tuple(_cell(fate).replace("‹title›: ", "") for fate in fates)
        groups.setdefault(cells, []).append(kind.title)
    lines = (_line([", ".join(titles), *cells]) for cells, titles in groups.items())
    return _line(["document", *BACKENDS]) + "|---" * 5 + "|\n" + "".join(lines)


def _is_plain(rows: Iterable[Row]) -> bool:
    return all(given.key == "**" and _is_honoured(given) for given in rows)


def _reads(backend: str) -> set[str]:
    """The sections of the documents that a back end does not refuse as a whole."""
    kinds = [name for name in KINDS if fate_of_document(name, backend).word != REFUSED]
    read = {section for name in kinds for section in sections_of(name)}
    return read | {"environment"} if backend in KNOWN else set(SECTIONS)


def _section(name: str, rows: tuple[Row, ...]) -> str:
    backends = [backend if name in _reads(backend) else None for backend in BACKENDS]
    telling = [given for given in rows if not _is_honoured(given)]
    named = {given.key for given in telling}
    plain = [given.key for given in rows if given.key not in named and given.key not in ("", "**")]
    parts = [f"\n## {_TITLES[name]}\n"]
    if telling:
        parts.append("\n" + _line(["key", "when", *BACKENDS]) + "|---" * 6 + "|\n")
        parts += [_row(given, backends) for given in telling]
    if plain:
        keys = ", ".join(f"`{key}`" for key in dict.fromkeys(plain))
        parts.append(f"\nHonoured everywhere: {keys}.\n")
    return "".join(parts)


def _row(given: Row, backends: Iterable[str | None]) -> str:
    key = {"": "the whole", "**": "other keys"}.get(given.key, f"`{given.key}`")
    when = ", ".join(word.strip("<>") for word in given.when)
    return _line([key, when, *(_cell(getattr(given, backend)) if backend else "–" for backend in backends)])


def _is_honoured(given: Row) -> bool:
    return all(getattr(given, backend).word == HONOURED for backend in BACKENDS)


def _cell(fate: Fate) -> str:
    text = f"{fate.word}: {fate.reason}" if fate.reason else fate.word
    return re.sub(r"\{(\w+)\}", r"‹\1›", text.replace("{{", "{").replace("}}", "}"))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE).write_text(render(), encoding="utf-8")
