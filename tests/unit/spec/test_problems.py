"""How a problem looks."""

from __future__ import annotations

from difflib import get_close_matches

from hypothesis import given
from hypothesis import strategies as st

from mlctl.spec.problems import Problem, close_matches, closest, line_of, render_problem, validation_result

WRONG = Problem(
    "not_allowed", "inputs.data.mode", "'inputs.data.mode' cannot be 'fast'", "fast", "one of: ro_mount",
    "did you mean 'direct'?", "job.yml", 4, 11, excerpt="    mode: fast",
)  # fmt: skip


def test_a_problem_shows_line_caret_expected_and_hint() -> None:
    assert render_problem(WRONG).splitlines() == [
        "job.yml:4:11: error[MLC1104 not_allowed]: 'inputs.data.mode' cannot be 'fast'",
        "  4 |     mode: fast",
        "    |           ^",
        "  expected: one of: ro_mount",
        "  hint: did you mean 'direct'?",
    ]


def test_the_text_of_the_file_wins_over_the_excerpt() -> None:
    assert "  4 | d" in render_problem(WRONG, "a\nb\nc\nd\n")


def test_a_tab_keeps_the_caret_under_its_place() -> None:
    problem = Problem("yaml", "", "m", source="f", line=1, column=3, excerpt="\tab")
    assert render_problem(problem).splitlines()[2] == "    | \t ^"


def test_a_long_line_is_cut_around_the_place() -> None:
    problem = Problem("yaml", "", "m", source="f", line=1, column=500, excerpt="x" * 499 + "Y" + "x" * 500)
    shown, caret = render_problem(problem).splitlines()[1:3]
    assert len(shown) < 200
    assert shown[caret.index("^")] == "Y"


def test_a_value_of_an_option_names_the_option() -> None:
    problem = Problem("wrong_type", "limits.timeout", "m", source="--set limits.timeout=x")
    assert render_problem(problem) == "--set limits.timeout=x: error[MLC1103 wrong_type]: m"


def test_validation_result_has_the_fields_of_az() -> None:
    warning = Problem("ignored", "a", "w", source="job.yml", line=1, column=1, severity="warning")
    result = validation_result([WRONG, warning])
    assert result["result"] == "Failed"
    error = result["errors"][0]
    assert (error["path"], error["value"], error["location"]) == ("inputs.data.mode", "fast", "job.yml#line 4")
    assert [found["message"] for found in result["warnings"]] == ["w"]
    assert validation_result([warning])["result"] == "Succeeded"


def test_near_words() -> None:
    assert closest("displayName", ["name", "display_name"]) == "display_name"
    assert closest("frobnicate", ["name", "display_name"]) is None


def test_lines_of_a_text() -> None:
    assert [line_of("a\r\nb", number) for number in (0, 1, 2, 3)] == [None, "a", "b", None]


@given(
    st.text("abcxyz_", max_size=8), st.lists(st.text("abcxyz_", max_size=8), max_size=12), st.sampled_from([0.6, 0.85])
)
def test_close_matches_are_those_of_difflib(word: str, known: list[str], cutoff: float) -> None:
    assert close_matches(word, known, most=3, cutoff=cutoff) == get_close_matches(word, known, n=3, cutoff=cutoff)
