"""SARIF 2.1.0, which code scanning of GitHub and Azure DevOps and the viewers of editors read.

Contract: https://docs.oasis-open.org/sarif/sarif/v2.1.0/. Braces in messages are not doubled, as 3.11.5 has it: there
are no placeholders, and the usual viewers would show them twice.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from mlctl.output.reports.content import (
    ERROR,
    NOTE,
    WARNING,
    Problem,
    Rules,
    code_and_rule,
    distinct,
    printable,
    sentence,
    shown_path,
)

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LINK = re.compile(r"\[(?=[^\[\]]*\]\()")
_FINGERPRINT = "problem/v1"


def render(report: Mapping[str, Any], rules: Rules, folder: str) -> str:
    """The log with one run. Rules are those that were broken, by code."""
    from mlctl import __version__

    problems = list(distinct(report))
    descriptors = _descriptors(problems, rules)
    places = {found["id"]: place for place, found in enumerate(descriptors)}
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": {"name": "mlctl", "version": __version__, "rules": descriptors}},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(level, problem, places, folder, seen) for level, problem in problems],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _descriptors(problems: list[tuple[str, Problem]], rules: Rules) -> list[dict[str, Any]]:
    """Each rule that was broken, with the worst level it was told at."""
    worst: dict[str, tuple[str, str]] = {}
    for level in (NOTE, WARNING, ERROR):
        for _, problem in (found for found in problems if found[0] == level):
            code, rule = code_and_rule(problem)
            worst[code] = rule, level
    return [_descriptor(code, *worst[code], rules.get(code, {})) for code in sorted(worst)]


def _descriptor(code: str, rule: str, level: str, known: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": code, "name": known.get("name") or rule}
    if known.get("title"):
        found["shortDescription"] = {"text": known["title"]}
    if known.get("text"):
        found["fullDescription"] = {"text": known["text"]}
        found["help"] = {"text": f"{known['text']}\nAn example: mlctl explain {code}"}
    if known.get("help"):
        found["helpUri"] = known["help"]
    found["defaultConfiguration"] = {"level": level}
    return found


def _result(level: str, problem: Problem, places: Mapping[str, int], folder: str, seen: Counter[str]) -> dict[str, Any]:
    code, _ = code_and_rule(problem)
    fingerprint = _fingerprint(problem, folder)
    seen[fingerprint] += 1
    found: dict[str, Any] = {
        "ruleId": code,
        "ruleIndex": places[code],
        "level": level,
        "message": {"text": _LINK.sub(r"\\[", sentence(problem))},
        "partialFingerprints": {_FINGERPRINT: f"{fingerprint}:{seen[fingerprint]}"},
    }
    if problem.get("file"):
        found["locations"] = [{"physicalLocation": _location(problem, folder)}]
    extra = {name: printable(problem[name]) for name in ("path", "help") if problem.get(name)}
    if extra:
        found["properties"] = extra
    return found


def _location(problem: Problem, folder: str) -> dict[str, Any]:
    found: dict[str, Any] = {"artifactLocation": {"uri": _address(problem["file"], folder)}}
    if problem.get("line"):
        region: dict[str, Any] = {"startLine": problem["line"]}
        if problem.get("column"):
            region["startColumn"] = problem["column"]
        if problem.get("excerpt"):
            region["snippet"] = {"text": printable(problem["excerpt"])}
        found["region"] = region
    return found


def _address(path: str, folder: str) -> str:
    """A relative reference, or `file:///…` for a path elsewhere. Names that are no UTF-8 keep their bytes."""
    shown = shown_path(path, folder)
    address = quote(shown, safe="/", errors="surrogateescape")
    return f"file://{address}" if shown.startswith("/") else address


def _fingerprint(problem: Problem, folder: str) -> str:
    """Stays the same when lines are added above."""
    parts = (
        code_and_rule(problem)[0],
        shown_path(str(problem.get("file") or ""), folder),
        str(problem.get("path") or ""),
        str(problem.get("excerpt") or "").strip(),
    )
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:20]
