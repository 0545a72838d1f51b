"""mlctl gc and mlctl workspace verify."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.calls import Call


@pytest.fixture
def versions(call: Call, tmp_path: Path) -> None:
    """Three versions of one data asset, two of them archived."""
    (tmp_path / "data").mkdir()
    for number in range(3):
        (tmp_path / "data/file").write_text(f"text {number}")
        assert call("data", "create", "-n", "x", "--path", str(tmp_path / "data"), "--type", "uri_folder").code == 0
    for number in (1, 2):
        assert call("data", "archive", "-n", "x", "-v", str(number)).code == 0


@pytest.mark.usefixtures("versions")
def test_a_plan_changes_nothing_and_says_what_goes(call: Call) -> None:
    assert call("gc").json == []
    plan = call("gc", "--plan", "--archived")
    assert [(row["kind"], row["name"], row["removed"]) for row in plan.json][:2] == [
        ("data", "x:2", True),
        ("data", "x:1", True),
    ]
    assert plan.err.endswith(" MB would be freed; without --plan they are\n")
    assert call("gc", "--plan", "--archived", "--only-show-errors").err == ""
    done = call("gc", "--archived")
    assert (done.json, done.err[-14:]) == (plan.json, "MB were freed\n")
    assert call("gc", "--archived", "-o", "table").out == ""
    verified = call("workspace", "verify")
    assert (verified.code, verified.json) == (0, [])
    assert verified.err == "1 stored file (0.0 MB read), no problems\n"


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(
    ("words", "environ", "left"),
    [
        (["--keep-last", "1"], {}, ["3", "2"]),
        ([], {"MLCTL_GC_KEEP_LAST": "5"}, ["3", "2", "1"]),
        (["--keep-last", "1"], {"MLCTL_GC_KEEP_LAST": "5"}, ["3", "2"]),
        (["--older-than", "1h"], {}, ["3", "2", "1"]),
        ([], {"MLCTL_GC_OLDER_THAN": "1d"}, ["3", "2", "1"]),
    ],
)
def test_rules_come_from_options_and_settings(
    call: Call, words: list[str], environ: dict[str, str], left: list[str]
) -> None:
    assert call("gc", "--archived", *words, **environ).code == 0
    rows = call("data", "list", "-n", "x", "--include-archived").json
    assert [row["version"] for row in rows] == left


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--older-than", "soon"], "--older-than: 'soon' is not a duration"),
        (["--keep-last", "0"], "--keep-last: gc.keep_last is '0'"),
    ],
)
def test_wrong_rules_are_named(call: Call, words: list[str], text: str) -> None:
    answer = call("gc", *words)
    assert answer.code == 2
    assert text in answer.err


@pytest.mark.usefixtures("versions")
def test_what_is_damaged_is_told_and_put_aside(call: Call, tmp_path: Path) -> None:
    stored = next((tmp_path / "home/workspaces/default/content/files").glob("*/*"))
    stored.chmod(0o644)
    stored.write_text("TEXT X")
    verified = call("workspace", "verify", "--name", "default")
    assert (verified.code, [row["kind"] for row in verified.json]) == (7, ["file"])
    assert verified.err.endswith("1 problem\n")
    assert "was put aside in" in call("workspace", "verify", "--repair").err
    assert (tmp_path / "home/workspaces/default/content/damaged").is_dir()
