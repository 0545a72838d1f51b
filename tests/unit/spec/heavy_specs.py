"""Files that are made to cost much: `python heavy_specs.py` checks each under a bound of memory and says what it took.

A process of its own, so that a file that is not refused in time ends that process and nothing else.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable

MEMORY = 700 * 1024 * 1024
"""Bytes of address space. Python and the validator take about 150 MB of it."""

SECONDS = 15
FULL = 2 * 1024 * 1024
"""Half of what a file may be; what grows faster than the file shows at that size."""

JOB = b"command: echo\nenvironment: azureml:env:1\n"


def many(piece: bytes, length: int = FULL) -> bytes:
    """A piece over and over."""
    return (piece * (length // len(piece) + 1))[:length]


def numbered(template: str, count: int) -> bytes:
    """Lines in which {0} is a number and {1} the next one."""
    return "".join(template.format(number, number + 1) for number in range(count)).encode()


def told(text: bytes) -> bytes:
    """A job whose command is that text."""
    return b'environment: azureml:env:1\ncommand: "' + text + b'"\n'


def doubling(first: str, template: str) -> bytes:
    """Each line names the one before nine times."""
    lines = [first]
    for before, here in zip("abcdefghijklmnopq", "bcdefghijklmnopqr", strict=True):
        lines.append(f"{here}: &{here} " + template.format(", ".join([f"*{before}"] * 9)))
    return "\n".join(lines).encode()


STEP = '  k{0}: {{component: azureml:x:1, inputs: {{a: "${{{{parent.jobs.%s.outputs.b}}}}"}}}}\n'
STEPS = b"type: pipeline\njobs:\n"
CASES: dict[str, Callable[[], bytes]] = {
    "50 MB of one word": lambda: b"x" * 50_000_000,
    "50 MB of zeros": lambda: bytes(50_000_000),
    "50 MB of lines": lambda: b"a: 1\n" * 10_000_000,
    "one plain value": lambda: JOB + b"a: " + b"x" * FULL,
    "one quoted value": lambda: told(b"x" * FULL),
    "escapes": lambda: told(rb"\u00e4" * (FULL // 6)),
    "quotes that are not closed": lambda: JOB + b'a: "' + b"x" * FULL,
    "a value of many lines": lambda: JOB + b"a: " + many(b"x y\n  "),
    "a block": lambda: JOB + b"a: |\n" + many(b"  x\n"),
    "a folded block": lambda: JOB + b"a: >\n" + many(b"  x\n\n"),
    "empty lines": lambda: JOB + many(b"\n"),
    "old line ends": lambda: JOB + many(b"\r"),
    "comments": lambda: JOB + many(b"# x\n"),
    "tabs": lambda: JOB + many(b"\t"),
    "open lists": lambda: many(b"["),
    "open maps": lambda: many(b"{"),
    "open items": lambda: many(b"- "),
    "open keys": lambda: many(b"? "),
    "empty lists": lambda: b"a: [" + many(b"[],") + b"]",
    "100k keys": lambda: numbered("k{0}: v\n", 100_000),
    "many unknown keys": lambda: JOB + numbered("k{0}: v\n", 49_900),
    "many variables": lambda: JOB + b"environment_variables:\n" + numbered("  k{0}: v\n", 49_900),
    "many wrong variables": lambda: JOB + b"environment_variables:\n" + numbered("  k{0}: []\n", 49_900),
    "one key over and over": lambda: JOB + b"a: 1\n" * 49_900,
    "many secrets": lambda: told(many(b"AccountKey=")),
    "a long reference": lambda: b"command: x\nenvironment: azureml://" + many(b"a/"),
    "a long path": lambda: JOB + b"code: " + many(b"a/"),
    "a long cron": lambda: b'create_job: {type: command}\ntrigger: {type: cron, expression: "' + many(b"* ") + b'"}\n',
    "a long name": lambda: b"name: " + many(b"a-") + b"!\ntype: amlcompute\nsize: x\n",
    "anchors": lambda: numbered("k{0}: &a{0} x\n", 49_000),
    "aliases": lambda: b"a: &a x\nb: [" + many(b"*a,") + b"]\n",
    "aliases of much": lambda: b"a: &a [" + b"x," * 49_000 + b"]\n" + numbered("b{0}: *a\n", 20),
    "laughs": lambda: doubling("a: &a [x, x, x, x, x, x, x, x, x]", "[{0}]"),
    "merging laughs": lambda: doubling("a: &a {k: 1}", "{{<<: [{0}]}}"),
    "merges of much": lambda: b"a: &a {" + numbered("k{0}: 1,", 9000) + b"}\n" + numbered("m{0}: {{<<: *a}}\n", 9000),
    "many merges of one": lambda: b"a: &a {k: 1}\nb:\n  <<: [" + b"*a," * 99_000 + b"]\n",
    "many merges of much": lambda: (
        b"a: &a {" + numbered("k{0}: 1,", 20_000) + b"}\nb:\n  <<: [" + b"*a," * 50_000 + b"]\n"
    ),
    "digits": lambda: JOB + b"limits: {timeout: " + many(b"1") + b"}\n",
    "hexadecimal digits": lambda: JOB + b"limits: {timeout: 0x" + many(b"f") + b"}\n",
    "octal digits": lambda: JOB + b"limits: {timeout: 0" + many(b"7") + b"}\n",
    "base 60": lambda: JOB + b"limits: {timeout: 1" + many(b":1") + b"}\n",
    "base 60 with a point": lambda: JOB + b"limits: {timeout: 1" + many(b":1") + b".5}\n",
    "decimals": lambda: JOB + b"limits: {timeout: 1." + many(b"1") + b"}\n",
    "blanks before a colon": lambda: b"a" + many(b" ") + b": x",
    "a long key": lambda: many(b"x") + b": 1\n",
    "documents": lambda: many(b"---\n"),
    "directives": lambda: many(b"%A b\n"),
    "tags": lambda: many(b"!!str "),
    "colons": lambda: many(b": "),
    "wrong bytes": lambda: JOB + many(b"\xff"),
    "inputs that are not there": lambda: JOB + b"inputs:\n" + numbered("  k{0}: {{path: ./x{0}}}\n", 24_000),
    "a chain of steps": lambda: STEPS + numbered(STEP % "k{1}", 9000),
    "steps that take from no step": lambda: STEPS + numbered(STEP % "q{1}", 9000),
    "expressions": lambda: told(many(b"${{inputs.x}} ")),
    "open expressions": lambda: told(many(b"${{")),
    "open expressions before a close": lambda: told(many(b"${{") + b"}}"),
    "optional parts": lambda: told(many(b"$[[x]] ")),
    "open optional parts": lambda: told(many(b"$[[")),
    "wide characters": lambda: ("a: " + "x" * 1_000_000).encode("utf-32"),
    "nearly another format": lambda: JOB + many(b"on:\nstages:\n  - task\n"),
}


def main() -> None:
    """Check each case and write a line of JSON about it: name, result, first code, seconds, bytes of the report."""
    from mlctl.operations.spec_files import SpecFile
    from mlctl.operations.validation import Checker, Demands, report_of
    from mlctl.spec.check import CheckOptions

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for name, make in CASES.items():
        content = make()
        started = time.process_time()
        try:
            report = Checker(Demands(options=CheckOptions(secrets=True))).check(
                SpecFile(".", "<stdin>", content=content)
            )
            code = report.problems[0].code if report.problems else ""
            entry = [name, report.result, code, time.process_time() - started, len(json.dumps(report_of([report])))]
        except Exception as error:
            entry = [name, repr(error), "", time.process_time() - started, 0]
        print(json.dumps(entry), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS * 10, SECONDS * 10))
    main()
