"""JUnit XML: one suite, a test case per file, for the test tabs of CI systems.

A case has at most one `failure`, whose text lists every error of the file: readers show the first one only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlctl.output.reports.content import ERROR, Problem, Rules, label, levelled, printable, sentence, shown_path

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NAME = "mlctl validate"


def render(report: Mapping[str, Any], rules: Rules, folder: str) -> str:
    """The whole document, in ASCII whatever the terminal is. Times are nought: the same files give the same text."""
    from xml.etree.ElementTree import Element, indent, tostring

    del rules
    suite = Element("testsuite", {"name": _NAME})
    for checked in report.get("files") or ():
        _add_case(suite, checked, folder)
    counts = {
        "tests": len(suite),
        "failures": len(suite.findall("testcase/failure")),
        "errors": 0,
        "skipped": len(suite.findall("testcase/skipped")),
        "time": 0,
    }
    suite.attrib.update({name: str(count) for name, count in counts.items()})
    root = Element("testsuites", suite.attrib)
    root.append(suite)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="us-ascii").decode()}\n'


def _add_case(suite: Element, checked: Mapping[str, Any], folder: str) -> None:
    from xml.etree.ElementTree import SubElement

    name = printable(shown_path(str(checked.get("file") or ""), folder))
    kind = printable(checked.get("kind") or "file")
    case = SubElement(suite, "testcase", {"name": name, "classname": f"mlctl.{kind}", "time": "0"})
    problems = list(levelled(checked))
    failed, skipped = checked.get("result") == "Failed", checked.get("result") == "Skipped"
    if skipped:
        SubElement(case, "skipped", {"message": printable(checked.get("reason") or "not an Azure ML spec")})
    elif failed:
        # without an error it failed for being strict about the rest
        told = [found for found in problems if found[0] == ERROR] or problems
        problems = [found for found in problems if found not in told]
        message = printable(told[0][1].get("message")) if told else printable(checked.get("reason") or "not valid")
        if len(told) > 1:
            message += f" (and {len(told) - 1} more)"
        failure = SubElement(case, "failure", {"message": message, "type": label(told[0][1]) if told else "failed"})
        failure.text = _listed(told, folder)
    if problems:
        SubElement(case, "system-out").text = _listed(problems, folder)


def _listed(problems: list[tuple[str, Problem]], folder: str) -> str:
    return "\n".join(
        f"{_place(problem, folder)}{level}[{label(problem)}]: {sentence(problem)}" for level, problem in problems
    )


def _place(problem: Problem, folder: str) -> str:
    if not problem.get("file"):
        return ""
    parts = [printable(shown_path(problem["file"], folder)), problem.get("line"), problem.get("column")]
    return ":".join(str(part) for part in parts if part) + ": "
