"""The formats, as az writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlctl.errors import UsageError
from mlctl.output.encode import to_plain
from mlctl.output.formats import Look, render, to_spec, to_yaml
from mlctl.output.query import QueryFailedError, apply_query, check_query
from mlctl.spec.reader import read_text

PLAIN = Look()


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    made: datetime


class Colour(Enum):
    RED = "red"


def test_everything_becomes_plain_sorted_data() -> None:
    thing = Thing("é", datetime(2026, 1, 31, tzinfo=timezone.utc))
    value = {"z": {2, 1}, "a": Path("/x"), "m": (thing,), "e": Colour.RED, "b": b"\xff"}
    assert list(to_plain(value)) == ["a", "b", "e", "m", "z"]
    assert to_plain(value) == {
        "a": "/x",
        "b": "\\xff",
        "e": "red",
        "m": [{"made": "2026-01-31T00:00:00+00:00", "name": "é"}],
        "z": [1, 2],
    }


def test_numbers_without_json_word() -> None:
    assert to_plain([float("nan"), float("inf"), float("-inf"), 1.5]) == ["NaN", "Infinity", "-Infinity", 1.5]


def test_what_has_no_plain_form_is_a_bug() -> None:
    with pytest.raises(TypeError, match="object"):
        to_plain({"x": object()})


def test_json_is_sorted_indented_and_keeps_letters() -> None:
    assert render({"b": "é", "a": [1]}, "json", PLAIN) == '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}\n'


def test_json_survives_narrow_streams_and_odd_file_names() -> None:
    text = render({"a": "é😀"}, "json", Look(ascii_only=True))
    assert text.isascii()
    assert json.loads(text) == {"a": "é😀"}
    odd = render({"a": "x\udcff"}, "json", PLAIN)
    assert json.loads(odd) == {"a": "x\udcff"}
    assert odd.encode()


def test_colour_only_when_asked_and_content_unchanged() -> None:
    value = {"key": 'a "quoted": text', "n": -1.5, "t": True, "z": None}
    assert render(value, "jsonc", PLAIN) == render(value, "json", PLAIN)
    coloured = render(value, "jsonc", Look(colour=True))
    assert "\x1b[" in coloured
    assert _without_colour(coloured) == render(value, "json", PLAIN)
    assert _without_colour(render(value, "yamlc", Look(colour=True))) == render(value, "yaml", PLAIN)


def test_yaml_is_block_style() -> None:
    assert render({"b": [1, {"c": "é"}], "a": "no"}, "yaml", PLAIN) == "a: 'no'\nb:\n- 1\n- c: é\n"
    assert to_yaml("text") == "text\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text\n"),
        (True, "true\n"),
        (3, "3\n"),
        ({"b": 1, "a": None}, "None\t1\n"),
        ({"a": [1, 2], "b": {"x": 1}, "c": False}, "2\t\tFalse\n"),
        ([["b", "a"], ["d", None]], "b\ta\nd\tNone\n"),
        (["x", None, True], "x\nNone\ntrue\n"),
        ([], ""),
    ],
)
def test_tsv(value: object, expected: str) -> None:
    assert render(value, "tsv", PLAIN) == expected


def test_none_writes_nothing() -> None:
    assert render({"a": 1}, "none", PLAIN) == ""


def test_table_of_free_values() -> None:
    items = [{"id": 1, "name": "a", "etag": "e", "type": "t", "n": {"x": 1}}, {"name": "bb", "age": 3, "tags": []}]
    assert render(items, "table", PLAIN) == "Name  Age\n----  ---\na\nbb    3\n"


def test_table_of_a_view_has_its_columns_in_its_order() -> None:
    job = {"name": "j", "status": "Failed", "type": "command", "creation_context": {"created_at": "now"}}
    heading, _, row = render([job], "table", Look(view="job list")).splitlines()
    assert heading.split() == ["Name", "Status", "Experiment", "Compute", "Type", "Created"]
    assert row.split() == ["j", "Failed", "command", "now"]


def test_table_of_a_query_keeps_the_order_written() -> None:
    compiled = check_query("[].{z: name, id: type}")
    value = apply_query(compiled, [{"name": "n", "type": "t"}])
    text = render(value, "table", Look(view="job list", queried=True))
    assert text.splitlines()[0].split() == ["Z", "Id"]


def test_table_of_scalars_lists_and_nothing() -> None:
    assert render("x", "table", PLAIN) == "Result\n------\nx\n"
    assert render([["a", 1]], "table", PLAIN).splitlines()[0] == "Column1  Column2"
    assert render([], "table", PLAIN) == ""


def test_table_with_nothing_left_tells_another_format() -> None:
    with pytest.raises(UsageError) as caught:
        render({"tags": {"a": 1}, "id": "x"}, "table", PLAIN)
    assert "-o json" in (caught.value.hint or "")


def test_table_cells_cannot_break_lines_or_talk_to_the_terminal() -> None:
    text = render([{"a": "x\ny\x1b[31mz", "b": 1}], "table", PLAIN)
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text


def test_table_on_a_terminal_fits_its_width() -> None:
    text = render([{"a": "word " * 30, "b": "[not markup]"}], "table", Look(terminal_width=40))
    assert max(len(line) for line in text.splitlines()) <= 40
    assert "[not markup]" in text


def test_query_errors() -> None:
    with pytest.raises(UsageError, match="--query"):
        check_query("[")
    with pytest.raises(QueryFailedError) as caught:
        apply_query(check_query("length(@)"), 3)
    assert caught.value.exit_code == 1
    assert apply_query(check_query("missing"), {}) is None


def _without_colour(text: str) -> str:
    for code in ("31", "32", "34", "36", "0"):
        text = text.replace(f"\x1b[{code}m", "")
    return text


_TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "1e3",
        "yes",
        "012",
        "0o17",
        "1:30",
        "2024-01-01",
        "~",
        "null",
        "=",
        "<<",
        "- a",
        "a: b",
        "#",
        "a\n b \n",
        "\n",
        " a",
    ]
)
_VALUES = st.recursive(
    _TEXTS | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_TEXTS, _VALUES, min_size=1, max_size=4))
def test_a_spec_reads_back_as_the_same_data_in_the_same_order(data: dict[str, object]) -> None:
    read = read_text(to_spec(data), source="").data
    assert read == data
    assert list(read) == list(data)


def test_a_spec_is_written_as_people_write_it() -> None:
    shared = {"a": 1}
    data = {
        "command": "one\ntwo ${{inputs.x}}\n",
        "inputs": {"x": "1e3", "y": 0.1, "z": "plain"},
        "b": shared,
        "c": shared,
    }
    assert to_spec(data) == (
        'command: |\n  one\n  two ${{inputs.x}}\ninputs:\n  x: "1e3"\n  y: 0.1\n  z: plain\nb:\n  a: 1\nc:\n  a: 1\n'
    )
