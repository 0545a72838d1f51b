"""YAML in, data with marks out; nothing hangs, nothing is guessed in silence."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlctl.errors import AuthError, InvalidSpecError, NotFoundError, UsageError
from mlctl.spec.document import Document
from mlctl.spec.problems import Problem
from mlctl.spec.reader import LARGEST_EXPANSION, LARGEST_FILE, read_bytes, read_file, read_text


def data(text: str) -> Any:
    return read_text(text, source="f.yml").data


def warnings(text: str) -> list[tuple[str, int, int]]:
    return [(found.code, found.line, found.column) for found in read_text(text, source="job.yml").warnings]


def problems(text: str | bytes) -> list[tuple[str, int, int]]:
    with pytest.raises(InvalidSpecError) as caught:
        read_text(text, source="f.yml") if isinstance(text, str) else read_bytes(text, source="f.yml")
    return [(problem.code, problem.line, problem.column) for problem in caught.value.problems]


def test_scalars_have_their_yaml_types() -> None:
    read = data("a: 1\nb: 1.5\nc: true\nd:\ne: text\nf: '1'\ng: 1e-3\nh: 2024-01-31\ni: .inf\nj: 0x_\nk: !!str 7\n")
    assert read == {
        "a": 1, "b": 1.5, "c": True, "d": None, "e": "text", "f": "1", "g": "1e-3", "h": "2024-01-31", "i": ".inf",
        "j": "0x_", "k": "7",
    }  # fmt: skip


def test_keys_are_the_text_that_was_written() -> None:
    document = read_text("no: 1\n1.10: 2\n3: 3\n", source="f.yml")
    assert document.data == {"no": 1, "1.10": 2, "3": 3}
    assert [warning.code for warning in document.warnings] == ["yaml_key", "yaml_key"]


def test_marks_count_from_one_and_know_key_and_value() -> None:
    marks = read_text("a: 1\nb:\n  - x\n  - c: 'ö'\n", source="f").marks
    places = {path: (mark.line, mark.column, mark.key_line, mark.key_column) for path, mark in marks.items()}
    assert places[("a",)] == (1, 4, 1, 1)
    assert places[("b", 0)] == (3, 5, 3, 5)
    assert places[("b", 1, "c")] == (4, 8, 4, 5)
    assert (marks[("b", 1, "c")].raw, marks[("b", 1, "c")].plain, marks[("a",)].plain) == ("ö", False, True)


def test_columns_count_characters_not_bytes() -> None:
    assert warnings("ä: {ö: 1, ö: 2}\n") == [("duplicate_key", 1, 11)]


def test_all_duplicate_keys_are_told_and_the_last_one_wins() -> None:
    text = "a: 1\na: 2\nb:\n  c: 1\n  c: 2\n"
    assert warnings(text) == [("duplicate_key", 2, 1), ("duplicate_key", 5, 3)]
    assert data(text) == {"a": 2, "b": {"c": 2}}


def test_merge_keys_yield_to_own_keys_and_to_earlier_maps() -> None:
    read = data("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 3\n")
    assert read["z"] == {"a": 3, "b": 1, "c": 2}


def test_aliases_are_copies() -> None:
    read = data("a: &a {k: 1}\nb: *a\n")
    read["b"]["k"] = 2
    assert read["a"] == {"k": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark_and_windows_line_ends(encoding: str) -> None:
    document = read_bytes("a: ä\r\nb: 1\r\n".encode(encoding), source="f.yml")
    assert document.data == {"a": "ä", "b": 1}
    assert document.marks[("b",)].line == 2


def test_other_bytes_are_refused_at_their_place() -> None:
    assert problems(b"a: 1\nb: \xe4\n") == [("not_text", 2, 4)]
    assert problems(b"a: 1\nb: \x00\n") == [("not_text", 2, 4)]
    assert problems("a: 1".encode("utf-16-le")) == [("not_text", 1, 2)]


@pytest.mark.parametrize("text", ["[" * 100_000, "a:\n" + "- " * 50_000 + "x", "{a: " * 5_000])
def test_deep_nesting_is_refused_at_once(text: str) -> None:
    started = time.monotonic()
    assert problems(text)[0][0] == "too_deep"
    assert time.monotonic() - started < 2


def test_aliases_do_not_explode() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, here in zip("abcdefgh", "bcdefghi", strict=True):
        text += f"{here}: &{here} [{', '.join([f'*{before}'] * 9)}]\n"
    assert problems(text)[0][0] == "too_large"


def test_merges_do_not_explode() -> None:
    text = "a: &a {k: 1}\n"
    for before, here in zip("abcdefgh", "bcdefghi", strict=True):
        text += f"{here}: &{here} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    assert problems(text)[0][0] == "too_large"


def test_honest_use_of_aliases_is_not_an_explosion() -> None:
    count = LARGEST_EXPANSION // 10
    assert len(data("a: &a [1, 2]\nb: [" + ", ".join(["*a"] * count) + "]\n")["b"]) == count


def test_a_large_file_is_refused_and_one_below_is_read_in_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "big.yml"
    path.write_bytes(b"# " + b"x" * LARGEST_FILE)
    with pytest.raises(InvalidSpecError, match="more than 4 MB"):
        read_file(path)

    def once(text: str) -> float:
        started = time.process_time()
        read_text(text, source="f.yml")
        return time.process_time() - started

    def seconds(lines: int) -> float:
        # the best of several: collecting the garbage of other tests is not what is measured
        text = "".join(f"key{number}: value\n" for number in range(lines))
        return min(once(text) for _ in range(5))

    assert seconds(8000) < 12 * seconds(2000) + 0.1


def test_too_many_values_are_refused() -> None:
    assert problems("a: [" + "1," * 120_000 + "]")[0][0] == "too_large"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        read_file(tmp_path / "none.yml")
    with pytest.raises(UsageError, match="is a folder"):
        read_file(tmp_path)


def test_a_file_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError

    (tmp_path / "a.yml").touch()
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(AuthError, match="may not be read"):
        read_file(tmp_path / "a.yml")


def test_many_problems_are_cut_off() -> None:
    assert len(warnings("a: 1\n" * 5000)) == 100


@settings(max_examples=150, deadline=2000)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    _read_or_refuse(content)


@settings(max_examples=200, deadline=2000)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#,? \n\t<0.%@", max_size=80))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    _read_or_refuse(text.encode())


@settings(max_examples=50, deadline=2000)
@given(st.integers(1, 300), st.sampled_from(["[", "{a: ", "- ", "? "]), st.booleans())
def test_any_depth_is_read_or_refused(depth: int, opening: str, anchored: bool) -> None:
    _read_or_refuse(("&x " * anchored + opening * depth + "*x" * anchored).encode())


def _read_or_refuse(content: bytes) -> None:
    document, told = _read(content)
    assert (document is None) == bool(told)
    assert all(problem.line >= 1 and problem.column >= 1 and problem.hint for problem in told)
    if document is not None:
        assert isinstance(document.data, dict)
        assert document.marks[()]


def _read(content: bytes) -> tuple[Document | None, list[Problem]]:
    """The document, or the problems that kept it from being one; any other exception is a bug."""
    try:
        return read_bytes(content, source="f.yml"), []
    except InvalidSpecError as error:
        return None, error.problems
