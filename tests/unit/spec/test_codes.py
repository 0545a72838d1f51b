"""Codes: every word of a problem has a number and a text, and the examples of the texts are true."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlctl.spec
from mlctl.errors import InvalidSpecError, NotFoundError
from mlctl.spec.check import CheckOptions, check_document
from mlctl.spec.codes import GROUPS, NUMBERS, Entry, code_of, describe, entries, find
from mlctl.spec.kinds import KINDS
from mlctl.spec.problems import Problem
from mlctl.spec.reader import read_file

PACKAGE = Path(mlctl.spec.__file__).parents[1]
SOURCES = sorted(path for folder in ("spec", "operations") for path in (PACKAGE / folder).rglob("*.py"))
WITHOUT_EXAMPLE = {"unreadable"}
"""Words about files that cannot be opened."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def words_in(trees: dict[str, ast.Module]) -> tuple[dict[str, str], list[str]]:
    """Words that the code tells problems with (word -> a place), and places where the word cannot be read off.

    `Problem` takes a word as its `code`, and so does each function that hands a parameter of that name on to one that
    does. What is handed in is a word, a choice of words, the function's own `code`, or a variable that was given one.
    """
    tellers: dict[str, int | None] = {"Problem": 0}
    while found := _tellers(trees, tellers):
        tellers.update(found)
    words: dict[str, str] = {}
    unclear = []
    for name, tree in trees.items():
        for scope, call in _calls(tree):
            for given in _given(call, tellers):
                place = f"{name}:{call.lineno}"
                found = _constants(given, scope)
                if found is None:
                    unclear.append(place)
                else:
                    words.update(dict.fromkeys(found, place))
    return words, unclear


def _tellers(trees: dict[str, ast.Module], known: dict[str, int | None]) -> dict[str, int | None]:
    """Functions that hand their `code` on to a known one, with its place; None for one that is given by name only."""
    found: dict[str, int | None] = {}
    for scope, call in (pair for tree in trees.values() for pair in _calls(tree)):
        given = [part for part in _given(call, known) if isinstance(part, ast.Name) and part.id == "code"]
        if scope is not None and given and scope.name not in known:
            names = [argument.arg for argument in scope.args.args if argument.arg not in ("self", "cls")]
            if "code" in (*names, *(argument.arg for argument in scope.args.kwonlyargs)):
                found[scope.name] = names.index("code") if "code" in names else None
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[Function | None, ast.Call]]:
    """Every call, with the innermost function around it."""
    waiting: list[tuple[Function | None, ast.AST]] = [(None, tree)]
    while waiting:
        scope, node = waiting.pop()
        if isinstance(node, ast.Call):
            yield scope, node
        inner = node if isinstance(node, Function) else scope
        waiting += [(inner, child) for child in ast.iter_child_nodes(node)]


def _given(call: ast.Call, tellers: dict[str, int | None]) -> list[ast.expr]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in tellers:
        return []
    place = tellers[name]
    by_place = call.args[place : place + 1] if place is not None else []
    return [*by_place, *(word.value for word in call.keywords if word.arg == "code")]


def _constants(given: ast.expr, scope: Function | None) -> list[str] | None:
    """The words that an expression may be; none for a function's own parameter, None when it cannot be told."""
    if isinstance(given, ast.Constant):
        return [given.value] if isinstance(given.value, str) else []
    if isinstance(given, ast.IfExp):
        both = [_constants(part, scope) for part in (given.body, given.orelse)]
        return None if None in both else [word for part in both if part for word in part]
    if not isinstance(given, ast.Name) or scope is None:
        return None
    arguments = scope.args
    if given.id in [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]:
        defaults = (*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None))
        own = [default.value for default in defaults if isinstance(default, ast.Constant)] if given.id == "code" else []
        return [word for word in own if isinstance(word, str) and word.isidentifier()]
    values = [
        node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == given.id
    ]
    found = [_constants(value, scope) for value in values]
    return None if not found or None in found else [word for part in found if part for word in part]


def test_every_word_has_a_number_and_a_text() -> None:
    trees = {"/".join(path.parts[-2:]): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    words, unclear = words_in(trees)
    assert len(words) > 25
    assert not unclear, "write the word where the problem is told"
    assert not {word: place for word, place in words.items() if word not in NUMBERS}, "add it to codes.py and codes.yml"
    assert not set(NUMBERS) - set(words), "nobody tells this any more"


def test_the_search_for_words_sees_them_all() -> None:
    source = """
def tell(code, message): Problem(code, message)
def one(spec):
    tell("a", "")
    spec.tell(code="b", message="")
    word = "c" if spec else "d"
    tell(word, "")
    tell(table[0], "")
    Problem("e", "")
    also(spec, code="f")
    script(spec, "no word")
def also(spec, *, code="g"): tell(code, "")
def script(spec, code): open(code)
"""
    words, unclear = words_in({"x.py": ast.parse(source)})
    assert sorted(words) == ["a", "b", "c", "d", "e", "f", "g"]
    assert unclear == ["x.py:8"]


def test_only_what_is_no_text_lacks_an_example() -> None:
    assert {entry.name for entry in entries() if not entry.bad or not entry.good} == WITHOUT_EXAMPLE


@pytest.mark.parametrize("word", sorted(NUMBERS.keys() - WITHOUT_EXAMPLE))
def test_the_examples_are_true(word: str, tmp_path: Path) -> None:
    entry = find(word)
    bad = _problems(entry, entry.bad, tmp_path)
    assert [found for found in bad if found.code == word and found.severity == entry.severity], bad
    good = _problems(entry, entry.good, tmp_path)
    assert not [found for found in good if found.code == word or found.severity == "error"], good


def _problems(entry: Entry, text: str, folder: Path) -> list[Problem]:
    for name, content in {"spec.yml": text, **entry.files}.items():
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(content, encoding="utf-8")
    try:
        document = read_file(folder / "spec.yml")
    except InvalidSpecError as error:
        return list(error.problems)
    return check_document(document, KINDS[entry.kind], CheckOptions(secrets=entry.secrets)).problems


def test_numbers_are_in_groups_and_used_once() -> None:
    assert len(set(NUMBERS.values())) == len(NUMBERS)
    assert {number // 100 for number in NUMBERS.values()} == set(GROUPS)
    assert [entry.code for entry in entries()] == sorted(f"MLC{number}" for number in NUMBERS.values())


@pytest.mark.parametrize("text", ["MLC1101", "mlc1101", "1101", " mlc-1101 ", "unknown_key", "Unknown-Key"])
def test_a_code_is_found_by_number_and_word(text: str) -> None:
    assert find(text).name == "unknown_key"
    assert code_of(find(text).name) == "MLC1101"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("unknwon_key", "did you mean MLC1101 (unknown_key)?"),
        ("MLC1199", "there is: MLC1101, MLC1102"),
        ("9999", "'mlctl explain' lists all codes"),
        ("", "'mlctl explain' lists all codes"),
    ],
)
def test_an_unknown_code_names_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        find(text)
    assert caught.value.hint
    assert caught.value.hint.startswith(hint)


def test_a_word_without_a_number_is_shown_without_one() -> None:
    assert code_of("made_up") == ""
    assert describe(["made_up"]) == {}


def test_descriptions_are_by_code() -> None:
    found = describe(["unknown_key", "yaml", "unknown_key"])
    assert list(found) == ["MLC1001", "MLC1101"]
    assert found["MLC1101"]["name"] == "unknown_key"
    assert found["MLC1101"]["help"].startswith("https://learn.microsoft.com/azure/machine-learning/")
    assert all(text for row in found.values() for text in row.values())
