"""What fits an input: types of what is bound to it, and literals."""

from __future__ import annotations

from typing import Any

import pytest

from mlctl.spec.check import SpecCheck, check_document
from mlctl.spec.document import Document
from mlctl.spec.kinds import KINDS
from mlctl.spec.rules.interface import (
    Port,
    as_number,
    declared_interface,
    fits,
    given_interface,
    refuse_literal,
    type_given,
)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("uri_folder", "uri_folder", True),
        ("uri_folder", "uri_file", True),
        ("uri_folder", "mlflow_model", True),
        ("uri_folder", "number", False),
        ("number", "uri_folder", False),
        ("string", "uri_file", False),
        ("integer", "number", True),
        ("integer", "string", True),
        ("number", "integer", False),
        ("number", "string", True),
        ("boolean", "string", True),
        ("boolean", "integer", False),
        ("boolean", "boolean", True),
        # text may hold anything; the run shows it
        ("string", "integer", True),
        (None, "number", True),
        ("uri_folder", None, True),
    ],
)
def test_fits(source: str | None, target: str | None, expected: bool) -> None:
    assert fits(Port("a", source), Port("b", target)) is expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", 3),
        ("integer", "3"),
        ("integer", 3.0),
        ("integer", " 3 "),
        ("number", "1e-3"),
        ("number", 2),
        ("boolean", True),
        ("boolean", "False"),
        ("string", "x"),
        ("string", 3),
        ("string", True),
        ("uri_folder", "azureml:x:1"),
        (None, [1]),
    ],
)
def test_a_literal_that_can_be_given(kind: str | None, value: Any) -> None:
    assert refuse_literal(value, Port("a", kind)) is None


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("integer", 2.5, "not a whole number"),
        ("integer", "two", "not a whole number"),
        ("integer", True, "not a whole number"),
        ("integer", float("nan"), "not a whole number"),
        ("integer", float("inf"), "not a whole number"),
        ("integer", "1e999", "not a whole number"),
        ("number", "fast", "not a number"),
        ("number", True, "not a number"),
        ("number", "", "not a number"),
        ("boolean", "yes", "not true or false"),
        ("boolean", 1, "not true or false"),
        ("uri_folder", 7, "a literal, uri_folder data is expected"),
        ("mltable", False, "a literal, mltable data is expected"),
    ],
)
def test_a_literal_of_the_wrong_type(kind: str, value: Any, reason: str) -> None:
    assert refuse_literal(value, Port("a", kind)) == reason


@pytest.mark.parametrize(
    ("kind", "declaration", "value", "reason"),
    [
        ("number", {"min": 0, "max": 1}, 0, None),
        ("number", {"min": 0, "max": 1}, 1, None),
        ("number", {"min": 0, "max": 1}, 1.01, "more than its max, 1"),
        ("integer", {"min": "2"}, 1, "less than its min, 2"),
        ("integer", {"max": "2"}, "3", "more than its max, 2"),
        ("number", {"min": "low"}, -5, None),
        ("string", {"enum": ["a", "b"]}, "a", None),
        ("string", {"enum": ["a", "b"]}, "A", "not one of: a, b"),
        ("string", {"enum": []}, "c", None),
        ("integer", {"enum": ["1", "2"]}, 1, None),
        ("integer", {"enum": ["1", "2"]}, 3, "not one of: 1, 2"),
        ("string", {"min": 5}, "1", None),
    ],
)
def test_range_and_enum(kind: str, declaration: dict[str, Any], value: Any, reason: str | None) -> None:
    assert refuse_literal(value, Port("a", kind, declaration=declaration)) == reason


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"),
        (3, "integer"),
        (0.5, "number"),
        # text may be a literal as well as a path
        ("x", None),
        ({"value": 2}, "integer"),
        ({"type": "uri_file", "path": "x"}, "uri_file"),
        ({"path": "x"}, None),
        (None, None),
    ],
)
def test_the_type_of_what_is_given(value: Any, kind: str | None) -> None:
    assert type_given(value) == kind


def _checked(kind: str, data: dict[str, Any]) -> SpecCheck:
    return check_document(Document(data, {}, "spec.yml"), KINDS[kind])


def test_what_a_component_declares() -> None:
    data = {
        "inputs": {
            "a": {"type": "number"},
            "b": {"type": "number", "optional": True},
            "c": {"type": "string", "default": "x"},
            "d": "odd",
        },
        "outputs": {"o": {"type": "uri_file"}},
    }
    interface = declared_interface(_checked("commandComponent", data))
    assert interface.inputs is not None
    assert interface.outputs is not None
    assert [name for name, port in interface.inputs.items() if port.required] == ["a", "d"]
    assert interface.outputs["o"].type == "uri_file"
    assert not interface.outputs["o"].required
    assert declared_interface(_checked("commandComponent", {"command": "x"})).inputs == {}
    assert declared_interface(_checked("commandComponent", {"inputs": "x"})).inputs is None


def test_what_a_step_gives() -> None:
    data = {"inputs": {"a": 1}, "outputs": {"o": {"mode": "upload"}, "p": None, "q": "x"}}
    interface = given_interface(_checked("commandJob", data))
    assert interface.inputs is not None
    assert interface.outputs is not None
    assert interface.inputs["a"].type == "integer"
    assert {name: port.type for name, port in interface.outputs.items()} == {"o": "uri_folder", "p": None, "q": None}


@pytest.mark.parametrize(
    ("value", "number"), [(3, 3.0), ("0.5", 0.5), (True, None), ("x", None), (None, None), ([], None)]
)
def test_as_number(value: Any, number: float | None) -> None:
    assert as_number(value) == number
