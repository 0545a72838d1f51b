"""Whatever a file holds, it gets a report: no exception, in bounded time and memory, in words that can be printed."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.spec import heavy_specs
from tests.unit.spec.deformations import deformed, shuffled
from tests.unit.spec.schema_documents import Author, written

from mlctl.operations.spec_files import SpecFile
from mlctl.operations.validation import Checker, Demands, FileReport, report_of
from mlctl.output.reports import REPORT_FORMATS, render_report
from mlctl.spec.check import CheckOptions
from mlctl.spec.kinds import KINDS, Kind
from mlctl.spec.problems import ERROR, render_problem

REPOSITORY = Path(__file__).parents[3]
SPECS = sorted([*(REPOSITORY / "tests" / "specs").rglob("*.yml"), *(REPOSITORY / "examples").rglob("*.yml")])
RESULTS = {"Succeeded", "Failed", "Skipped", "Incomplete"}
JOB = b"command: echo\nenvironment: azureml:env:1\n"
SECONDS = 20


def check(content: bytes, kind: Kind | None = None, folder: Path = Path()) -> FileReport:
    """The report about a file of that content, which must be one that can be shown to people."""
    started = time.process_time()
    demands = Demands(options=CheckOptions(secrets=True), kind=kind)
    report = Checker(demands).check(SpecFile(str(folder), "<stdin>", content=content))
    assert time.process_time() - started < SECONDS
    assert report.result in RESULTS
    assert report.reason if report.result == "Skipped" else report.kind or report.problems
    assert (report.result == "Failed") == any(found.severity == ERROR for found in report.problems)
    for found in report.problems[:100]:
        assert found.code
        assert found.hint or found.severity != ERROR, found
        assert found.line >= 0
        render_problem(found).encode()
    return report


def show(report: FileReport) -> None:
    """The report in every format in which it may be asked for."""
    data = report_of([report])
    json.dumps(data, allow_nan=False).encode()
    for name in REPORT_FORMATS:
        text = render_report(data, name)
        text.encode()
        if name == "junit":
            ElementTree.fromstring(text)


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"\xff",
    "a mark alone": b"\xef\xbb\xbf",
    "a wide mark alone": b"\xff\xfe",
    "half a wide character": b"\xff\xfea\x00b",
    "no mark": "command: x".encode("utf-16-le"),
    "other ends": JOB.replace(b"\n", b"\r"),
    "windows ends": JOB.replace(b"\n", b"\r\n"),
    "strange ends": "command: a\u2028environment: b\u0085code: c".encode(),
    "wide": ("\ufeff" + JOB.decode()).encode("utf-16-be"),
    "wider": JOB.decode().encode("utf-32"),
    "a mark in the middle": JOB + "code: \ufeff.\n".encode(),
    "zero": JOB + b"code: a\0b\n",
    "an escaped zero": JOB + b'code: "a\\0b"\ninputs: {"\\0": {path: "\\0"}}\n',
    "escaped surrogates": JOB + b'code: "\\ud800"\n"\\udfff": "\\U0000dfff"\n',
    "an escape beyond": JOB + b'code: "\\UFFFFFFFF"\n',
    "encoded surrogates": JOB + b"code: \xed\xa0\x80\n",
    "control characters": JOB + b'code: "\\x07\\x1b\\x7f\\x85"\n',
    "tabs": b"command:\techo\n\tenvironment: x\n",
    "tabs in lists": JOB + b"inputs:\n-\t- a\n",
    "endless": JOB + b"code: .inf\ntags: {a: -.inf, b: .nan, c: 1e999, d: -1e999}\nlimits: {timeout: 1e999}\n",
    "digits": JOB + b"limits: {timeout: " + b"7" * 10_000 + b"}\ntags: " + b"8" * 10_000 + b"\n",
    "hexadecimal": JOB + b"limits: {timeout: 0x" + b"f" * 10_000 + b"}\n",
    "octal": JOB + b"limits: {timeout: 0" + b"7" * 10_000 + b"}\nresources: {instance_count: -07_7}\n",
    "a tag before digits": JOB
    + b"limits: {timeout: !!int 0x"
    + b"f" * 10_000
    + b"}\ncode: !!int 0"
    + b"7" * 9000
    + b"\n",
    "binary": JOB + b"limits: {timeout: 0b" + b"1" * 50_000 + b"}\n",
    "base 60": JOB
    + b"limits: {timeout: 1:2:3:4}\nresources: {instance_count: 190:20:30.15, shm_size: 1"
    + b":1" * 9000
    + b"}\n",
    "odd numbers": JOB + b"limits: {timeout: 0x_}\nresources: {instance_count: +_, shm_size: 0b}\ncode: 1__0\n",
    "dates": JOB + b"code: 2001-12-14t21:59:43.10-05:00\ntags: {a: 2001-99-99, 2001-01-01: x}\n",
    "odd keys": JOB + b"1: a\n1.5: b\nnull: c\n~: d\ntrue: e\nno: f\n2001-01-01: g\n? h\n.nan: i\n'': j\n",
    "keys that are maps": JOB + b"? {a: 1}\n: b\n? [c, d]\n: e\n",
    "no key": JOB + b": x\n",
    "tags": JOB + b"a: !!python/object/apply:os.system [x]\n",
    "more tags": JOB + b"a: !!binary aGk=\nb: !!set {x}\nc: !!omap [x: 1]\n",
    "own tags": JOB + b"a: !x y\n",
    "tags that lie": JOB + b"code: !!int x\nlimits: !!null {}\n",
    "numbers that lie": JOB + b"code: !!int x\nname: !!float y\ncompute: !!bool z\ntags: {a: !!timestamp q}\n",
    "a mapping that is text": JOB + b"tags: !!str {a: b}\n",
    "an alias to itself": JOB + b"a: &a [*a]\n",
    "an alias to the map around": b"&a command: &b\n  <<: *b\n",
    "the whole within": b"&a\ncommand: *a\n",
    "an alias to nothing": JOB + b"a: *b\n",
    "a merge of nothing": JOB + b"a: {<<: x}\nb: {<<: [1]}\n",
    "merges": JOB + b"x: &x {a: 1}\ny: &y {b: 2, <<: *x}\nz: {<<: [*x, *y], <<: *y}\n<<: {code: a}\n",
    "a merge without a value": JOB + b"<<:\n",
    "a quoted merge": JOB + b"'<<': {code: .}\n",
    "documents": JOB + b"---\n" + JOB,
    "an end": JOB + b"...\n",
    "after the end": JOB + b"...\n]\n",
    "a directive": b"%YAML 1.2\n---\n" + JOB,
    "a later version": b"%YAML 9.9\n---\n" + JOB,
    "unknown directives": b"%TAG ! x\n%FOO\n---\n" + JOB,
    "comments": b"# a\n# b\n",
    "a list": b"- command: x\n",
    "a word": b"word",
    "null": b"~\n",
    "an empty map": b"{}",
    "emoji": "command: 🚀 ${{inputs.🚀}}\nenvironment: azureml:🚀:1\ninputs: {"
    "🚀: 1, '👨‍👩‍👧': {path: ./🚀}}\n".encode(),
    "many of one mark": JOB + b"a: &a &b c\n",
    "unclosed": JOB + b"a: [{'b: \"c\n",
    "a broken block": JOB + b"a: |9\n  b\n",
    "odd blocks": JOB + b"a: |+2-\nb: >-\n c\n\n  d\n",
    "only indentation": b"  \n    \n",
    "json": b'{"command":"x","environment":{"image":"y"},}',
    "xml": b"<?xml version='1.0'?><a>b: c</a>",
    "an archive": b"PK\x03\x04\x14\x00\x08\x00",
    "brackets": b"${{ $[[ }} ]]",
    "templates": b"{{- if .x }}\ncommand: {{ .y }}\n{{- end }}\nenvironment: ${{ x }}\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_get_a_report(name: str) -> None:
    show(check(HOSTILE[name]))


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_files_get_a_report_as_every_kind(kind: str) -> None:
    for content in HOSTILE.values():
        check(content, KINDS[kind])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.sampled_from(sorted(KINDS)))
def test_random_bytes_get_a_report(content: bytes, kind: str) -> None:
    show(check(content))
    check(content, KINDS[kind])


WORDS = (
    "command", "environment", "inputs", "outputs", "type", "jobs", "path", "value", "name", "pipeline", "sweep",
    "azureml:a:1", "${{inputs.a}}", "${{parent.jobs.a.outputs.b}}", "a", "b", "1", "~", ": ", ":", "- ", "\n", "\n  ",
    "\n    ", "{", "}", "[", "]", ", ", "&a ", "*a", "<<: ", "? ", "| ", "> ", "'", '"', "#", "!!str ", "---", "%",
    "\t", "é", "\\",
)  # fmt: skip


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(WORDS), max_size=60), st.sampled_from(sorted(KINDS)))
def test_random_words_get_a_report(words: list[str], kind: str) -> None:
    content = "".join(words).encode()
    show(check(content))
    check(content, KINDS[kind])


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_specs_with_changed_bytes_and_lines_get_a_report(path: Path) -> None:
    dice = random.Random(path.name)
    content = path.read_bytes()
    for _ in range(30):
        check(shuffled(content, dice), folder=path.parent)


def bases(kind: str) -> Iterator[Any]:
    """Documents of a kind to deform."""
    for seed in range(12):
        yield Author(kind, seed, realistic=True).document()


@pytest.mark.parametrize("kind", KINDS)
def test_any_value_in_any_place_gets_a_report(kind: str) -> None:
    dice = random.Random(kind)
    for data in bases(kind):
        for _ in range(25):
            changed = deformed(data, dice)
            if isinstance(changed, dict):
                check(written(changed).text.encode(), KINDS[kind])


def test_files_that_a_spec_names_may_hold_anything(tmp_path: Path) -> None:
    """A pipeline and a component file, each with anything in any place, and leading back to each other."""
    dice = random.Random(7)
    for seed in range(60):
        component = deformed(Author("commandComponent", seed, realistic=True).document(), dice)
        nested = deformed(Author("pipelineComponent", seed, realistic=True).document(), dice)
        for name, data in (("a.yml", component), ("b.yml", nested)):
            (tmp_path / name).write_text(written(data).text, encoding="utf-8")
        steps: dict[str, Any] = {
            "a": {"type": "command", "component": "./a.yml"},
            "b": {"type": "pipeline", "component": "file:b.yml"},
        }
        steps["c"] = {
            "type": "command",
            "component": "file:../a.yml",
            "inputs": {"first": "${{parent.jobs.b.outputs.first}}"},
        }
        job = deformed({"type": "pipeline", "jobs": steps, "environment": "file:a.yml"}, dice)
        show(check(written(job).text.encode(), folder=tmp_path))


def test_files_that_lead_back_to_themselves(tmp_path: Path) -> None:
    step = "type: pipeline\njobs: {x: {type: pipeline, component: ./b.yml}, y: {type: pipeline, component: ./c.yml}}\n"
    for name in ("b.yml", "c.yml"):
        (tmp_path / name).write_text(step)
    report = check(step.encode(), folder=tmp_path)
    assert {found.code for found in report.problems} >= {"file_cycle"}


def test_the_fuzz_finds_all_kinds_of_results() -> None:
    """The deformed documents are neither all broken at once nor all harmless."""
    dice = random.Random(1)
    found = set()
    for kind in KINDS:
        data = deformed(Author(kind, 1, realistic=True).document(), dice)
        found |= {problem.code for problem in check(written(data).text.encode(), KINDS[kind]).problems}
    assert len(found) > 12
    assert all(re.fullmatch(r"[a-z_0-9]+", code) for code in found)


@pytest.fixture(scope="module")
def heavy() -> dict[str, tuple[str, str, float, int]]:
    """What became of each heavy file, checked in a process with little memory."""
    script = heavy_specs.__file__
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: (result, code, seconds, size) for name, result, code, seconds, size in entries}


@pytest.mark.slow
@pytest.mark.parametrize("name", heavy_specs.CASES)
def test_heavy_files_get_a_report_in_little_time_and_memory(
    name: str, heavy: dict[str, tuple[str, str, float, int]]
) -> None:
    result, code, seconds, size = heavy[name]
    assert result in RESULTS
    assert seconds < SECONDS
    assert size < 5 * heavy_specs.FULL
    if name.startswith("50 MB"):
        assert code == "too_large"
        assert seconds < 3
