"""`--set` of create, and the four options of update."""

from __future__ import annotations

from typing import Any

import pytest

from mlctl.errors import UsageError
from mlctl.spec.overrides import apply_overrides, apply_update


def overridden(data: dict[str, Any], *assignments: str) -> dict[str, Any]:
    apply_overrides(data, assignments)
    return data


def updated(data: dict[str, Any], *operations: tuple[str, list[str]], force_string: bool = False) -> dict[str, Any]:
    return apply_update(data, operations, force_string=force_string)


def test_values_stay_text_and_maps_are_made() -> None:
    assert overridden({}, "a.b.c=1", "d=x=y", "e=") == {"a": {"b": {"c": "1"}}, "d": "x=y", "e": ""}


def test_an_empty_key_becomes_a_map() -> None:
    assert overridden({"inputs": None}, "inputs.lr=0.1") == {"inputs": {"lr": "0.1"}}


def test_a_list_item_is_set_by_its_index() -> None:
    assert overridden({"a": [{"b": 1}, 2]}, "a[0].b=x", "a[1]=y") == {"a": [{"b": "x"}, "y"]}


def test_the_last_one_wins() -> None:
    assert overridden({}, "a=1", "a=2") == {"a": "2"}


@pytest.mark.parametrize(
    ("assignment", "message", "hint"),
    [
        ("inputs", "'=' is missing", "key=value"),
        ("=1", "'=' is missing", "key=value"),
        ("items.0=x", "'items' is a list", "items[0]"),
        ("items.name=x", "'items' is a list", "items[0].name"),
        ("items[7]=x", "has no item [7]", "[0] to [1]"),
        ("inputs[0]=x", "'inputs' is not a list", "inputs.name=value"),
        ("environment.image=x", "reference 'azureml:env:1'", "--set environment="),
        ("command.x=1", "has no part 'x'", "--set command="),
        ("a..b=1", "is not a path", "a.b.c"),
        ("[0]=1", "the path is empty", "a.b.c"),
        ("items[name=x].y=1", "is not a path", "a.b.c"),
    ],
)
def test_what_cannot_be_set_says_why(assignment: str, message: str, hint: str) -> None:
    data = {"items": [1, 2], "inputs": {}, "environment": "azureml:env:1", "command": "echo"}
    with pytest.raises(UsageError) as caught:
        overridden(data, assignment)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_update_reads_json_and_leaves_the_original() -> None:
    before = {"tags": {"a": "1"}}
    after = updated(before, ("set", ["tags.b=2", "tags.c=[1]", "d=text", "e=null"]))
    assert after == {"tags": {"a": "1", "b": 2, "c": [1]}, "d": "text", "e": None}
    assert before == {"tags": {"a": "1"}}


def test_update_fills_an_empty_map() -> None:
    assert updated({"tags": None}, ("set", ["tags.a=x"])) == {"tags": {"a": "x"}}


def test_update_with_force_string() -> None:
    assert updated({}, ("set", ["a=1"]), force_string=True) == {"a": "1"}


def test_update_picks_an_item_by_a_key() -> None:
    data = {"rules": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}
    assert updated(data, ("set", ["rules[name=b].port=3"]))["rules"][1] == {"name": "b", "port": 3}
    assert updated(data, ("remove", ["rules[name=a]"]))["rules"] == [{"name": "b", "port": 2}]


def test_add_gathers_pairs_into_one_item() -> None:
    after = updated({"rules": []}, ("add", ["rules", "name=a", "port=1", "plain", "name=b"]))
    assert after["rules"] == [{"name": "a", "port": 1}, "plain", {"name": "b"}]
    assert updated({}, ("add", ["tags", "x"]))["tags"] == ["x"]
    assert updated({"tags": {"a": "1"}}, ("add", ["tags", "b=2"]))["tags"] == {"a": "1", "b": 2}


def test_remove_takes_keys_and_indexes() -> None:
    data = {"tags": {"a": "1", "b": "2"}, "list": [1, 2, 3]}
    assert updated(data, ("remove", ["tags.a"]), ("remove", ["list", "0"])) == {"tags": {"b": "2"}, "list": [2, 3]}


def test_operations_run_in_the_order_given() -> None:
    assert updated({}, ("set", ["a=1"]), ("remove", ["a"]), ("set", ["a=2"])) == {"a": 2}
    with pytest.raises(UsageError):
        updated({}, ("remove", ["a"]), ("set", ["a=1"]))


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (("remove", ["tagz"]), "has no 'tagz' (there is: list, tags)"),
        (("remove", ["list", "x"]), "'x' is not an index"),
        (("remove", ["list", "5"]), "has no item [5]"),
        (("remove", []), "the path is missing"),
        (("add", ["list"]), "the value is missing"),
        (("add", ["tags", "word"]), "not key=value"),
        (("set", ["tags"]), "'=' is missing"),
        (("set", ["list.x=1"]), "is not a map"),
        (("set", ["tags[0]=1"]), "is not a list"),
        (("set", ["list[name=a]=1"]), "no item with name=a"),
        (("set", ["nothing.here.at=1"]), "has no 'nothing'"),
    ],
)
def test_update_says_what_is_there(operation: tuple[str, list[str]], message: str) -> None:
    data = {"tags": {"a": "1"}, "list": [1]}
    with pytest.raises(UsageError) as caught:
        updated(data, operation)
    assert message in caught.value.message
    assert caught.value.hint
