"""Mechanical fixes: what they cure, what they leave alone, and that nothing else of the file changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlctl.spec.check import CheckOptions, check_document
from mlctl.spec.document import Document, KeyPath
from mlctl.spec.fixes import Fix, apply, is_curable, propose
from mlctl.spec.kinds import KINDS
from mlctl.spec.problems import Problem
from mlctl.spec.reader import read_text

JOB = "command: run\nenvironment: {image: a}\n"
PIPELINE = """\
type: pipeline
settings: {default_compute: azureml:cpu}
inputs:
  k: 2
jobs:
  one:
    type: command
    component: azureml:a:1
  two:
    type: command
    component: azureml:a:1
    inputs:
      a: BINDING
"""


def fixes_of(text: str, kind: str = "commandJob", folder: Path | None = None) -> list[Fix]:
    document = read_text(text, source="job.yml")
    document.folder = str(folder or "")
    checked = check_document(document, KINDS[kind], CheckOptions(paths=False))
    return propose(document, checked.problems, KINDS[kind])


def fixed(text: str, kind: str = "commandJob", folder: Path | None = None) -> str:
    return apply(text, fixes_of(text, kind, folder))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("displayName: x  # why\n", "display_name: x  # why\n"),
        ("display-name: x\n", "display_name: x\n"),
        ("Display_Name : x\n", "display_name : x\n"),
        ('"displayName": x\n', '"display_name": x\n'),
        ("experimnet_name: x\n", "experiment_name: x\n"),
        ("experiment_names: x\n", "experiment_name: x\n"),
        ("experment_name: x\n", "experiment_name: x\n"),
        ("resources: {instanceCount: 2, 'shm-size': 2g}\n", "resources: {instance_count: 2, 'shm_size': 2g}\n"),
        (
            "distribution:\n    type: mpi\n    processCountPerNode: 1\n",
            "distribution:\n    type: mpi\n    process_count_per_instance: 1\n",
        ),
        ("resources:\r\n  nodeCount: 2 # x\r\n", "resources:\r\n  instance_count: 2 # x\r\n"),
    ],
)
def test_keys_in_another_spelling_or_under_an_old_name_are_renamed(wrong: str, right: str) -> None:
    assert fixed(JOB + wrong) == JOB + right


@pytest.mark.parametrize(
    "text",
    [
        "frobnicate: 1\n",
        "displayName: a\ndisplay_name: b\n",  # the right key is there already
        "display_name: b\ndisplayName: a\n",
        "displayName: a\ndisplay-name: b\n",  # which of the two is meant?
        "displayName: a\ndisplayName: b\n",  # the first would be lost
        "dsiplya_name: x\n",  # two slips
        "nme: x\n",  # too short to be sure
        "inputs: {d: {type: uri_folder, path: azureml:d:1, model: x}}\n",  # not 'mode'
        "description: |\n  displayName: 1\n",
        "outputs: {o: {type: uri_flder}}\n",  # a slip in a value is not mechanical
        "display_name:\n",
    ],
)
def test_what_is_not_mechanical_is_left_alone(text: str) -> None:
    assert fixed(JOB + text) == JOB + text


def test_a_known_key_with_two_near_neighbours_is_no_clear_slip() -> None:
    text = "name: c\ntype: amlcompute\nman_instances: 1\n"
    assert fixed(text, "amlCompute") == text
    assert fixed("name: c\ntype: amlcompute\nmix_nodes: 1\n", "amlCompute").endswith("mix_nodes: 1\n")
    assert fixed("name: c\ntype: amlcompute\nminNodes: 1\n", "amlCompute").endswith("min_instances: 1\n")


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        ("environment", "name: e\nimage: a\nversion: 1.10\n", 'name: e\nimage: a\nversion: "1.10"\n'),
        ("environment", "name: e\nimage: a\nversion: 010 # v\n", 'name: e\nimage: a\nversion: "010" # v\n'),
        ("environment", "{name: e, image: a, version: 1.10}", '{name: e, image: a, version: "1.10"}'),
        ("environment", "name: e\nbaseImage: a\n", "name: e\nimage: a\n"),
        ("commandJob", JOB.replace("run", "7"), JOB.replace("run", '"7"')),
        ("commandJob", JOB + "tags: {a: 1.0, b: yes}", JOB + 'tags: {a: "1.0", b: "yes"}'),
        ("commandJob", JOB + "tags: {on: 2020-01-01}", JOB + 'tags: {"on": "2020-01-01"}'),
        ("commandJob", JOB + "tags:\n  ? 1.5\n  : x\n", JOB + 'tags:\n  ? "1.5"\n  : x\n'),
        ("commandJob", JOB + "inputs: {t: 12:30:00}", JOB + 'inputs: {t: "12:30:00"}'),
        ("commandJob", JOB + "environment_variables: {A: on}", JOB + 'environment_variables: {A: "on"}'),
        ("commandJob", JOB + "type: Command\n", JOB + "type: command\n"),
    ],
)
def test_text_that_yaml_misreads_is_put_in_quotes_as_it_was_written(kind: str, wrong: str, right: str) -> None:
    assert fixed(wrong, kind) == right


@pytest.mark.parametrize(
    "text",
    [
        "inputs: {flag: yes, count: 010, lr: 1.10}\n",  # a literal may be meant as what YAML makes of it
        "resources: {instance_count: 010}\n",  # no text is wanted
        "outputs: {o: {mode: 3}}\n",  # the text '3' would be refused too
        "tags: {a: !!float 1.5}\n",
        'tags: {a: "1.10"}\n',
    ],
)
def test_numbers_that_are_not_clearly_text_stay(text: str) -> None:
    assert fixed(JOB + text) == JOB + text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("${{jobs.one.outputs.o}}", "${{parent.jobs.one.outputs.o}}"),
        ('"${{ jobs.one.outputs.o }}"', '"${{ parent.jobs.one.outputs.o }}"'),
        (
            "{path: '${{jobs.one.outputs.o}}', mode: download}",
            "{path: '${{parent.jobs.one.outputs.o}}', mode: download}",
        ),
        ("${{inputs.k}}", "${{parent.inputs.k}}"),
        ("${{jobs.nine.outputs.o}}", "${{jobs.nine.outputs.o}}"),
        ("${{inputs.nine}}", "${{inputs.nine}}"),
        ("${{outputs.k}}", "${{outputs.k}}"),
        ("x/${{inputs.k}}", "x/${{inputs.k}}"),
    ],
)
def test_bindings_of_steps_lead_over_the_parent_where_the_thing_is(wrong: str, right: str) -> None:
    document = read_text(PIPELINE.replace("BINDING", wrong), source="p.yml")
    path: KeyPath = ("jobs", "two", "inputs", "a")
    path = (*path, "path") if wrong.startswith("{") else path
    problem = document.problem("old_binding", path, "old form")
    assert apply(document.text, propose(document, [problem])) == PIPELINE.replace("BINDING", right)


def test_the_rules_of_pipelines_tell_old_bindings_so_that_they_can_be_fixed() -> None:
    assert "a: ${{parent.inputs.k}}" in fixed(PIPELINE.replace("BINDING", "${{inputs.k}}"), "pipelineJob")


def test_a_binding_elsewhere_than_in_a_step_is_left_alone() -> None:
    assert fixed("command: run ${{jobs.one}}\nenvironment: {image: a}\n") == "command: run ${{jobs.one}}\n" + JOB[13:]


def test_a_file_gets_its_prefix_when_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "env.yml").write_text("image: a\n")
    text = "command: run\nenvironment: ENV # e\n"
    assert fixed(text.replace("ENV", "env.yml"), folder=tmp_path) == text.replace("ENV", "file:env.yml")
    assert fixed(text.replace("ENV", "none.yml"), folder=tmp_path) == text.replace("ENV", "none.yml")


def test_a_shared_text_is_fixed_only_when_all_that_share_it_need_it() -> None:
    text = JOB + "tags: {a: &v 1.10}\nproperties: {b: *v}\n"
    assert fixed(text) == text.replace("1.10", '"1.10"')
    text = JOB + "tags: {a: &v 1.10}\ninputs: {lr: *v}\n"
    assert fixed(text) == text
    text = JOB + "limits: &l {time_out: 3}\nresources: {<<: *l}\n"
    assert fixed(text) == text


def test_a_key_with_dots_in_it_is_not_confused_with_two_keys() -> None:
    document = read_text('{a.b: 2020-01-01, a: {b: 2020-01-02}, "c.d": 2020-01-03}', source="f")
    assert {found.path for found in document.warnings} == {"a.b", "c.d"}
    assert [fix.path for fix in propose(document, document.warnings)] == ["c.d"]


def test_problems_of_other_files_options_and_old_texts_are_passed_over() -> None:
    document = read_text(JOB + "displayName: x\n", source="job.yml")
    hint = "did you mean 'display_name'?"
    good = document.problem("unknown_key", ("displayName",), "m", hint=hint, on_key=True)
    assert len(propose(document, [good, good])) == 1
    for other in ({"source": "other.yml"}, {"line": 0}, {"line": 1}, {"path": "display"}, {"path": ""}):
        assert propose(document, [Problem(**{**_fields(good), **other})]) == []


def test_a_fix_says_what_it_does_and_where() -> None:
    (fix,) = fixes_of(JOB + "tags:\n  é: 1.10\n")
    assert (fix.line, fix.column, fix.old, fix.new, fix.code, fix.path) == (
        4,
        6,
        "1.10",
        '"1.10"',
        "wrong_type",
        "tags.é",
    )
    assert fix.what == "put 1.10 in quotes"
    assert not fix.on_key
    (fix,) = fixes_of(JOB + "displayName: x\n")
    assert (fix.line, fix.column, fix.what) == (3, 1, "rename 'displayName' to 'display_name'")
    assert fix.on_key


def test_a_text_that_changed_meanwhile_is_not_edited() -> None:
    fixes = fixes_of(JOB + "displayName: x\n")
    assert apply(JOB + "description: x\n", fixes) == JOB + "description: x\n"


def test_odd_line_ends_do_not_shift_the_place() -> None:
    text = 'description: "a\u2028b"\r\ncommand: 7\renvironment: {image: a}\x85displayName: x\n'
    assert fixed(text) == text.replace("7", '"7"').replace("displayName", "display_name")


def test_what_can_be_fixed_at_all_is_known_beforehand() -> None:
    assert is_curable(Problem("yaml_date", "a", "m"))
    assert not is_curable(Problem("duplicate_key", "a", "m"))


ENTRIES: dict[str, tuple[Any, list[str]]] = {
    "display_name": (
        "a b",
        ["displayName: a b", "'Display-Name': 'a b' # c", "dislpay_name: a b", "display_name: a b"],
    ),
    "experiment_name": ("ü", ['experimentName:   "ü"', "experiment_nam: ü", "experiment_name: &x ü"]),
    "command": ("007", ["command: 007", 'command: "007"', "command: &c 007 # agent"]),
    "resources": (
        {"instance_count": 2, "shm_size": "2g"},
        ["resources: {instanceCount: 2, shm-size: 2g}", "resources:\n      nodeCount: 2 # n\n      shm_size: '2g'"],
    ),
    "tags": (
        {"a": "1.10", "on": "2020-01-01"},
        ["tags: {a: 1.10, on: 2020-01-01}", "tags:\n  on: 2020-01-01\n  a: 1.10"],
    ),
    "environment_variables": ({"A": "on", "B": 3}, ["environment_variables: {A: on, B: 3}"]),
    "description": ("displayName: 7\non: yes", ["description: |-\n  displayName: 7\n  on: yes"]),
    "type": ("command", ["type: Command", "type: 'COMMAND'", "type: command"]),
    "environment": ({"image": "a"}, ["environment: {image: a}", "environment:\n  baseImage: a"]),
}


@st.composite
def jobs(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A job in a random order, style and with random things between its keys; and the data that it should hold."""
    names = draw(
        st.permutations([name for name in ENTRIES if name in ("command", "environment") or draw(st.booleans())])
    )
    lines = []
    for name in names:
        lines += draw(st.lists(st.sampled_from(["", "# displayName: 7", "# é \U0001f600"]), max_size=2))
        lines.append(draw(st.sampled_from(ENTRIES[name][1])))
    return draw(st.sampled_from(["\n", "\r\n"])).join("\n".join(lines).split("\n")), {
        name: ENTRIES[name][0] for name in names
    }


@given(jobs())
def test_a_fixed_job_holds_what_was_meant_and_is_not_fixed_again(job: tuple[str, dict[str, Any]]) -> None:
    text, meant = job
    once = fixed(text)
    assert read_text(once, source="f").data == meant
    assert fixed(once) == once
    assert [line.partition("#")[2] for line in once.split("\n")] == [
        line.partition("#")[2] for line in text.split("\n")
    ]


KEYS = st.sampled_from(["aB", "a_b", "a-b", "on", "1.5", "inputs", "jobs", "é", "x.y", "2020-01-01", "file:x"])
TEXTS = st.sampled_from(
    ["x", "é: 'q'", "a\nb", "1.10", "on", "2020-01-01", "${{jobs.on.outputs.x}}", "", " # x", "f.yml"]
)
VALUES = st.one_of(TEXTS, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none())
DATA = st.dictionaries(
    KEYS,
    st.recursive(
        VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
    ),
    min_size=1,
    max_size=5,
)
STYLE = st.fixed_dictionaries(
    {
        "default_flow_style": st.sampled_from([True, False, None]),
        "indent": st.integers(2, 6),
        "allow_unicode": st.booleans(),
        "width": st.sampled_from([10, 80, 1000]),
        "line_break": st.sampled_from(["\n", "\r\n"]),
    }
)


@given(DATA, STYLE, st.randoms(use_true_random=False))
def test_no_problem_whatever_makes_a_fix_change_anything_else(data: Any, style: dict[str, Any], random: Any) -> None:
    document = read_text(yaml.safe_dump(data, **style), source="f")
    problems = [_any_problem(document, path, random) for path in document.marks if path and random.random() < 0.7]
    fixes = propose(document, problems, KINDS["commandJob"] if random.random() < 0.5 else None)
    old, new = _leaves(document.data), _leaves(read_text(apply(document.text, fixes), source="f").data)
    paths = {path: value for path, value in old.items() if not any(_is_about(fix, path) for fix in fixes)}
    assert all(new[path] == value and type(new[path]) is type(value) for path, value in paths.items())
    assert len(new) == len(old)


def _any_problem(document: Document, path: KeyPath, random: Any) -> Problem:
    mark = document.marks[path]
    code = random.choice(
        ["unknown_key", "wrong_type", "yaml_trap", "yaml_key", "yaml_date", "old_binding", "not_allowed"]
    )
    hints = ["did you mean 'a_b'?", "did you mean 'ON'?", f'write it in quotes: "{mark.raw}"', "known keys: a_b, on"]
    if random.random() < 0.2:
        code, hints = "invalid_reference", [f"for a file write file:{mark.raw}"]
    return document.problem(code, path, "m", hint=random.choice(hints), on_key=code in ("unknown_key", "yaml_key"))


def _is_about(fix: Fix, path: str) -> bool:
    return path == fix.path or path.startswith((f"{fix.path}.", f"{fix.path}["))


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        found: dict[str, Any] = {}
        for key, inner in value.items():
            found |= {f"{name}\0{len(found)}" if name in found else name: leaf
                      for name, leaf in _leaves(inner, f"{path}.{key}" if path else key).items()}  # fmt: skip
        return found
    if isinstance(value, list) and value:
        return {
            name: leaf for index, inner in enumerate(value) for name, leaf in _leaves(inner, f"{path}[{index}]").items()
        }
    return {path: value}


def _fields(problem: Problem) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in Problem._fields}
