"""What one mistake makes several problems of, and what only looks like it."""

from __future__ import annotations

import time

import pytest

from mlctl.spec.check import check_document
from mlctl.spec.kinds import KINDS
from mlctl.spec.mistakes import join_problems
from mlctl.spec.problems import Problem
from mlctl.spec.reader import read_bytes
from mlctl.spec.schema import load_schema


def told(kind: str, text: str) -> list[tuple[str, str]]:
    return [(found.code, found.path) for found in problems(kind, text)]


def problems(kind: str, text: str) -> list[Problem]:
    return check_document(read_bytes(text.encode(), source="spec.yml"), KINDS[kind]).problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # a key that is empty on purpose has nothing below it
        (
            "command: x\nenvironment: azureml:e:1\ninputs: null\nrows: 1\n",
            [("empty_value", "inputs"), ("unknown_key", "rows")],
        ),
        # a slip of the pen after an empty key is a slip of the pen
        ("inputs:\ncomand: x\nenvironment: azureml:e:1\n", [("empty_value", "inputs"), ("unknown_key", "comand")]),
        # what follows does not fit into it
        (
            "command: x\nenvironment: azureml:e:1\ntags:\nmore: [1]\n",
            [("empty_value", "tags"), ("unknown_key", "more")],
        ),
        # known where it stands
        ("inputs:\ncommand: x\nenvironment: azureml:e:1\n", [("empty_value", "inputs")]),
        # two keys for one: the first was meant, the second is merely unknown
        (
            "comand: x\ncommnd: y\nenvironment: azureml:e:1\n",
            [("unknown_key", "comand"), ("unknown_key", "commnd")],
        ),
    ],
)  # fmt: skip
def test_what_only_looks_like_one_mistake(text: str, expected: list[tuple[str, str]]) -> None:
    assert told("commandJob", text) == expected


def test_a_misspelt_group_hides_what_it_declares() -> None:
    text = "command: x ${{inputs.rows}}\nenvironment: azureml:e:1\ninptus: {rows: 1}\n"
    assert told("commandJob", text) == [("unknown_key", "inptus")]


def test_a_misspelt_key_is_an_error_when_it_is_needed_and_a_warning_when_not() -> None:
    text = "command: x ROWS\nenvironment: azureml:e:1\nname: c\ninptus: {rows: {type: integer}}\n"
    (needless,) = problems("commandComponent", text)
    assert needless.severity == "warning"
    (needed,) = problems("commandComponent", text.replace("ROWS", "${{inputs.rows}}"))
    assert (needed.severity, needed.message) == ("error", "unknown key 'inptus'")


def test_many_unknown_keys_are_joined_in_linear_time() -> None:
    keys = [f"odd{number}" for number in range(5000)]
    text = "type: pipeline\njobs:\n  train:\n    component: azureml:c:1\n    inputs:\n"
    document = read_bytes((text + "".join(f"    {key}: 1\n" for key in keys)).encode(), source="spec.yml")
    place = ("jobs", "train", "inputs")
    found = [document.problem("empty_value", place, "empty")]
    found += [document.warning("unknown_key", (*place[:-1], key), "unknown") for key in keys]
    start = time.process_time()
    (only,) = join_problems(document, load_schema("pipelineJob"), found).problems
    assert "'odd0' below it belongs into it" in only.message
    assert time.process_time() - start < 2
