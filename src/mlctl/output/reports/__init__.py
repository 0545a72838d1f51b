"""Reports about checked files in the formats of other tools: SARIF 2.1.0, JUnit XML, GitHub's workflow commands.

Plain data in, text out. A report is `{"result", "files": [{"file", "kind", "result", "reason", "errors", "warnings",
"notes"}], "summary"}`; a problem in one of the three lists is `{"code", "rule", "message", "path", "value",
"expected", "hint", "file", "line", "column", "severity", "excerpt", "help"}`. The list says how bad a problem is, and a
problem's own `file` may be another one than the file that was checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlctl.output.reports import github, junit, sarif
from mlctl.output.reports.content import Rules

_RENDERERS = {"sarif": sarif.render, "junit": junit.render, "github": github.render}

REPORT_FORMATS = tuple(_RENDERERS)


def render_report(
    report: Mapping[str, Any], output_format: str, rules: Rules | None = None, *, folder: str = ""
) -> str:
    """The report as text that ends with a line break; empty when the format has nothing to say.

    `rules` describes the codes. Paths below `folder` (absolute) are shown relative to it. Raises KeyError for a format
    that is not one of REPORT_FORMATS.
    """
    return _RENDERERS[output_format](report, rules or {}, folder)
