"""Which alternative was meant."""

from __future__ import annotations

from typing import Any

import pytest

from mlctl.spec.branches import choose_branch, unknown_discriminator
from mlctl.spec.schema import Schema


def branch(title: str, required: tuple[str, ...] = (), **properties: Any) -> Schema:
    return {"title": title, "type": "object", "required": list(required), "properties": properties}


UNIFORM = branch("uniform", ("type", "low", "high"), type={"enum": ["uniform"]}, low={}, high={})
CHOICE = branch("choice", ("type", "values"), type={"enum": ["choice"]}, values={"type": "array"})
WORD: Schema = {"title": "a word", "enum": ["auto", "none"]}
EXPRESSION: Schema = {"title": "an expression", "type": "string", "pattern": r"^\$\{\{"}
NUMBER: Schema = {"title": "a number", "type": "number"}
ALL: list[Schema] = [EXPRESSION, WORD, NUMBER, UNIFORM, CHOICE]
ROOT: Schema = {"$defs": {"uniform": UNIFORM, "both": {"anyOf": [UNIFORM, CHOICE]}}}


@pytest.mark.parametrize(
    ("value", "title"),
    [
        (3, "a number"),
        (0.5, "a number"),
        ("AUTO", "a word"),
        ("${{inputs.a}}", "an expression"),
        # neither a word nor an expression: a wrong word is likelier
        ("aut", "a word"),
        ({"type": "choice"}, "choice"),
        ({"type": "Uniform", "values": []}, "uniform"),
        ({"low": 1}, "uniform"),
        ({"values": [1]}, "choice"),
        ({"type": "choice", "hi": 1}, "choice"),
    ],
)
def test_the_branch_that_was_meant(value: Any, title: str) -> None:
    found = choose_branch(value, ALL, ROOT)
    assert found is not None
    assert found["title"] == title


@pytest.mark.parametrize("value", [[1], None, True, {"type": "normal"}])
def test_no_branch(value: Any) -> None:
    assert choose_branch(value, ALL, ROOT) is None


def test_the_words_that_were_possible() -> None:
    assert unknown_discriminator({"type": "normal"}, ALL, ROOT) == ("type", ["uniform", "choice"])
    assert unknown_discriminator({"type": "choice"}, ALL, ROOT) is None
    assert unknown_discriminator({"type": 3}, ALL, ROOT) is None


def test_references_and_choices_in_choices_are_followed() -> None:
    for nested in ([{"$ref": "#/$defs/both"}, NUMBER], [NUMBER, {"$ref": "#/$defs/uniform"}, CHOICE]):
        found = choose_branch({"type": "uniform"}, nested, ROOT)
        assert found is not None
        assert found["title"] == "uniform"


def test_the_task_decides_after_the_type() -> None:
    copy = branch("copy", ("type", "task"), type={"enum": ["transfer"]}, task={"enum": ["copy"]})
    load = branch("load", ("type", "task"), type={"enum": ["transfer"]}, task={"enum": ["load"]})
    found = choose_branch({"type": "transfer", "task": "load"}, [copy, load], ROOT)
    assert found is load
    assert unknown_discriminator({"type": "transfer", "task": "x"}, [copy, load], ROOT) == ("task", ["copy", "load"])


def test_a_misspelt_key_counts_for_the_branch_that_needs_it() -> None:
    file = branch("a file", ("component",), component={}, inputs={})
    inline = branch("inline", ("command",), command={}, inputs={})
    for branches in ([file, inline], [inline, file]):
        found = choose_branch({"comand": "x", "inputs": {}}, branches, ROOT)
        assert found is inline
        found = choose_branch({"componnent": "x", "inputs": {}}, branches, ROOT)
        assert found is file


def test_the_types_of_what_it_holds_count() -> None:
    words = branch("words", values={"type": "string"})
    numbers = branch("numbers", values={"type": "number"})
    assert choose_branch({"values": 3}, [words, numbers], ROOT) is numbers
    assert choose_branch({"values": "a"}, [numbers, words], ROOT) is words
