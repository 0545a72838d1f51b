"""Every schema: documents made from it pass, and one thing wrong in them is told as what it is, at its line.

Every place that a schema describes is visited, not a sample of them. A shared definition is visited with the first kind
that has it.
"""

from __future__ import annotations

import functools
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.spec.schema_documents import Author, Site, document_at, own_sites, sites, written
from tests.unit.spec.schema_mutations import Mutation, mutations

from mlctl.spec.coercion import coerce
from mlctl.spec.document import Document, dotted
from mlctl.spec.kinds import KINDS
from mlctl.spec.problems import ERROR, Problem
from mlctl.spec.reader import read_text
from mlctl.spec.schema import complete_schema, load_schema, resolve, types_of
from mlctl.spec.validate import check

RICH_DOCUMENTS = 25
LONGEST_MESSAGE = 400
ODD_VALUES: tuple[Any, ...] = (
    None, "", "x", "azureml:x:1", "${{inputs.x}}", "${{inputs.x}}\n", "\u0661", "10\n", 0, 2**70, 1.0, -0.5, True, [],
    [None], [[]], ["x"], {}, {"type": None}, {"type": []}, {"x": {"x": 1}},
)  # fmt: skip
READ_VALUES: tuple[Any, ...] = (None, 1, "x", [], {"entry": [{"type": 7}]})
HARMLESS = {"yaml_key"}
"""What the author's own choice of names brings about."""


def problems(data: Any, kind: str) -> list[Problem]:
    """Everything that is told about a document: errors, what is incomplete, and warnings."""
    document = read_text(written(data).text, source="job.yml")
    checked = check(document, kind)
    return [found for found in (*checked.problems, *checked.warnings) if found.code not in HARMLESS]


@functools.cache
def oracle(kind: str) -> Any:
    """The schema as a validator of JSON reads it: no coercion, no choice of an alternative."""
    return jsonschema_rs.Draft202012Validator(complete_schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_is_read_line_by_line(kind: str) -> None:
    for seed in range(RICH_DOCUMENTS):
        data = Author(kind, seed).document()
        text, lines = written(data)
        document = read_text(text, source="job.yml")
        assert document.data == data, text
        assert {path: (mark.key_line, mark.line) for path, mark in document.marks.items() if path} == lines, text


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_document_with_each_key_passes(kind: str) -> None:
    for site in sites(kind):
        data = document_at(site)
        assert oracle(kind).is_valid(data), site
        assert problems(data, kind) == [], site


@pytest.mark.parametrize("kind", KINDS)
def test_rich_documents_pass(kind: str) -> None:
    for seed in range(RICH_DOCUMENTS):
        data = Author(kind, seed).document()
        assert oracle(kind).is_valid(data), seed
        assert problems(data, kind) == [], (seed, written(data).text)


def test_rich_documents_are_rich() -> None:
    counts = [len(written(Author("pipelineJob", seed).document()).lines) for seed in range(RICH_DOCUMENTS)]
    assert max(counts) > 60


@pytest.mark.parametrize("kind", KINDS)
def test_one_thing_wrong_is_told_alone_and_at_its_line(kind: str) -> None:
    for site in own_sites()[kind]:
        for mutation in mutations(site):
            _check(kind, mutation)


def _check(kind: str, mutation: Mutation) -> None:
    told = problems(mutation.data, kind)
    shown = f"{mutation.what}\n{written(mutation.data).text}\n{told}"
    for found in told:
        assert len(found.message) <= LONGEST_MESSAGE, shown
        assert "anyOf" not in found.message, shown
        assert found.hint or found.severity != ERROR, shown
    if oracle(kind).is_valid(mutation.data):
        # another alternative takes it
        assert told == [], shown
    elif mutation.undecided:
        _check_undecided(mutation, told, shown)
    else:
        expected = (dotted(mutation.path), mutation.line, mutation.code, mutation.severity)
        assert [(found.path, found.line, found.code, found.severity) for found in told] == [expected], shown


def _check_undecided(mutation: Mutation, told: list[Problem], shown: str) -> None:
    """What is told is about the map that was changed, and what is missing in it is told at its own line."""
    above = dotted(mutation.path[:-1])
    assert told, shown
    for found in told:
        assert found.path.startswith(above), shown
        if found.code == mutation.code == "missing_key" and found.path.count(".") == dotted(mutation.path).count("."):
            assert found.line == mutation.line, shown
    if mutation.code in ("wrong_type", "empty_value"):
        place = (dotted(mutation.path), mutation.line, mutation.code)
        assert place in [(found.path, found.line, found.code) for found in told], shown


def test_nearly_every_mutation_breaks_the_document() -> None:
    kept = [
        mutation.what
        for kind in KINDS
        for site in own_sites()[kind]
        for mutation in mutations(site)
        if oracle(kind).is_valid(mutation.data)
    ]
    count = sum(1 for kind in KINDS for site in own_sites()[kind] for _ in mutations(site))
    assert count > 5000
    assert len(kept) < count / 200, kept


def test_something_is_told_exactly_when_the_validator_refuses() -> None:
    """It is asked about what is in doubt only; what is not has to be valid, whatever stands wherever."""
    count = {True: 0, False: 0}
    for kind in KINDS:
        for site in own_sites()[kind]:
            tried = [mutation.data for mutation in mutations(site)]
            tried += [_with(site, value) for value in ODD_VALUES if site.path]
            for data in tried:
                checked = check(Document(data, {}, "job.yml"), kind)
                is_valid = oracle(kind).is_valid(checked.data)
                count[is_valid] += 1
                assert is_valid != bool(checked.problems or checked.warnings), (kind, site.path, data)
    assert min(count.values()) > 1000


def test_nearly_all_rich_documents_certainly_fit() -> None:
    documents = [(Author(kind, seed).document(), load_schema(kind)) for kind in KINDS for seed in range(RICH_DOCUMENTS)]
    doubted = [data for data, root in documents if coerce(Document(data, {}, "job.yml"), root).doubts]
    assert len(doubted) < len(documents) / 50


def _with(site: Site, value: Any) -> Any:
    data = document_at(site)
    here = data
    for part in site.path[:-1]:
        here = here[part]
    here[site.path[-1]] = value
    return data


def closed_words(kind: str) -> list[Site]:
    """Places with a set of words, where case does not count."""
    return [
        site
        for site in own_sites()[kind]
        if "enum" in site.schema and not site.schema.get("x-case-sensitive") and site.path and not site.is_alternative
    ]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if closed_words(kind)])
def test_words_pass_in_any_case(kind: str) -> None:
    for site in closed_words(kind):
        data = document_at(site)
        here = data
        for part in site.path[:-1]:
            here = here[part]
        for word in [word for word in site.schema["enum"] if word]:
            here[site.path[-1]] = word.swapcase()
            told = [found for found in problems(data, kind) if found.path == dotted(site.path)]
            assert told == [], (site.path, word)


def forgiven(kind: str) -> list[tuple[Site, str]]:
    """Places that take a whole number or a boolean only, and such a value as text."""
    words: dict[tuple[str, ...], str] = {("integer",): "2000", ("boolean",): "yes"}
    return [
        (site, words[types_of(site.schema)])
        for site in own_sites()[kind]
        if types_of(site.schema) in words and site.path and not site.is_alternative and "maximum" not in site.schema
    ]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if forgiven(kind)])
def test_numbers_and_booleans_pass_as_text(kind: str) -> None:
    for site, text in forgiven(kind):
        data = document_at(site)
        here = data
        for part in site.path[:-1]:
            here = here[part]
        here[site.path[-1]] = text
        assert problems(data, kind) == [], site


def read_only(kind: str) -> list[tuple[Site, str]]:
    """Maps, and the name of a key in them that az writes and never reads."""
    root = load_schema(kind)
    return [
        (site, key)
        for site in own_sites()[kind]
        for key, part in site.schema.get("properties", {}).items()
        if resolve(part, root).get("readOnly")
    ]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if read_only(kind)])
def test_read_only_keys_are_dropped_whatever_they_hold(kind: str) -> None:
    for site, key in read_only(kind):
        for value in READ_VALUES:
            data = document_at(site)
            here = data
            for part in site.path:
                here = here[part]
            here[key] = value
            assert problems(data, kind) == [], (site.path, key, value)
