"""`mlctl explain`: a text for people, data with -o, and the nearest code for a wrong one."""

from __future__ import annotations

import pytest
from tests.unit.cli.calls import Call

from mlctl.cli.explain import complete_codes
from mlctl.spec.codes import NUMBERS, entries, find


def test_the_text_has_title_meaning_fix_and_examples(call: Call) -> None:
    answer = call("explain", "mlc1301")
    entry = find("MLC1301")
    assert answer.code == 0
    assert answer.out.startswith("MLC1301 missing_path (error): A file or folder that is not there\n\n")
    flat = " ".join(answer.out.split())
    assert entry.meaning in flat
    assert f"What to do: {entry.fix}" in flat
    assert "Wrong:\n\n    command: python train.py\n    code: ./source\n" in answer.out
    assert "Right:\n\n    command: python train.py\n    code: ./src\n" in answer.out
    assert '  src/train.py:\n\n    print("trained")\n' in answer.out
    assert answer.out.endswith(f"\n\nMore: {entry.page}\n")


def test_the_word_of_a_code_will_do(call: Call) -> None:
    assert call("explain", "unknown_key").out == call("explain", "1101").out


def test_with_an_output_format_it_is_data(call: Call) -> None:
    answer = call("explain", "MLC1301", "-o", "json")
    assert answer.json["code"] == "MLC1301"
    assert answer.json["bad"] == find("MLC1301").bad
    assert answer.json["files"] == {"src/train.py": 'print("trained")\n'}
    assert call("explain", "MLC1301", "--query", "name", "-o", "tsv").out == "missing_path\n"


def test_without_a_code_all_are_listed_by_group(call: Call) -> None:
    answer = call("explain")
    assert [line.split()[0] for line in answer.out.splitlines() if line.startswith("  MLC")] == [
        entry.code for entry in entries()
    ]
    assert answer.out.startswith("Reading YAML\n  MLC1001  yaml ")
    rows = call("explain", "-o", "json").json
    assert {"code": "MLC1101", "name": "unknown_key", "title": find("1101").title} in rows
    assert len(rows) == len(NUMBERS)


@pytest.mark.parametrize(
    ("code", "hint"), [("unknwon_key", "did you mean MLC1101"), ("MLC9999", "'mlctl explain' lists all")]
)
def test_a_wrong_code_is_not_found(call: Call, code: str, hint: str) -> None:
    answer = call("explain", code)
    assert answer.code == 3
    assert not answer.out
    assert hint in answer.err


@pytest.mark.parametrize("word", NUMBERS)
def test_no_text_of_a_code_disturbs_a_terminal(call: Call, word: str) -> None:
    text = call("explain", word).out
    assert text.replace("\n", "").isprintable()


def test_codes_and_words_are_completed() -> None:
    assert complete_codes(None, "mlc11")[:2] == ["MLC1101", "MLC1102"]  # type: ignore[arg-type]
    assert complete_codes(None, "unknown_k") == ["unknown_key"]  # type: ignore[arg-type]
