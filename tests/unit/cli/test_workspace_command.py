"""mlctl workspace."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tests.unit.cli.calls import Call


def test_life_of_a_workspace(call: Call, tmp_path: Path) -> None:
    made = call("workspace", "create", "-n", "demo", "--location", "westus", "--tags", "a=1", "b", "--no-wait")
    assert made.err == ""
    assert made.json["tags"] == {"a": "1", "b": ""}
    assert made.json["location"] == "westus"
    assert made.json == call("workspace", "show", "--name", "demo").json
    assert [row["name"] for row in call("workspace", "list").json] == ["demo"]
    assert call("workspace", "list", "-o", "table").out.splitlines()[0].split() == ["Name", "Location", "Description"]
    assert call("workspace", "create", "-n", "demo").code == 6
    assert call("workspace", "delete", "-n", "demo", "--yes") == (0, "", "")
    assert not (tmp_path / "home" / "workspaces" / "demo").exists()
    assert call("workspace", "show", "-n", "demo").code == 3


def test_show_without_name_is_the_default_one(call: Call) -> None:
    assert call("workspace", "list").json == []
    assert call("workspace", "show", "--query", "name", "-o", "tsv").out == "default\n"
    call("workspace", "create", "-n", "other")
    assert call("workspace", "show", AZURE_DEFAULTS_WORKSPACE="other").json["name"] == "other"


def test_own_folder(call: Call, tmp_path: Path) -> None:
    made = call("workspace", "create", "-n", "demo", "--path", str(tmp_path / "elsewhere"))
    assert made.json["folder"] == str(tmp_path / "elsewhere")


def test_update(call: Call) -> None:
    call("workspace", "create", "-n", "demo", "--description", "old")
    shown = call(
        "workspace", "update", "-n", "demo", "--display-name", "D", "--set", "tags.x=1", "description=new"
    ).json
    assert (shown["display_name"], shown["tags"], shown["description"]) == ("D", {"x": "1"}, "new")
    shown = call("workspace", "update", "-n", "demo", "--remove", "tags.x", "--add", "tags", "y=2").json
    assert shown["tags"] == {"y": "2"}
    refused = call("workspace", "update", "-n", "demo", "--set", "name=x")
    assert refused.code == 2
    assert "cannot change name" in refused.err


def test_file_with_options_over_it(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "workspace.yml"
    file.write_text("name: from-file\ndescription: text\ntags:\n  a: b\n")
    made = call("workspace", "create", "-f", str(file), "-n", "given", "--set", "description=other")
    assert made.code == 0, made.err
    assert made.json["name"] == "given"
    assert made.json["description"] == "other"
    assert made.json["tags"] == {"a": "b"}


def test_azure_options_are_taken_with_a_warning(call: Call) -> None:
    answer = call("workspace", "create", "-n", "demo", "--storage-account", "x", "-k", "y", "-u")
    assert answer.code == 0
    warned = [line.split()[1] for line in answer.err.splitlines()]
    assert sorted(warned) == ["--key-vault", "--storage-account", "--update-dependent-resources"]


def test_name_is_needed(call: Call) -> None:
    assert call("workspace", "create").code == 2
    assert call("workspace", "create", "--set", "a=b").code == 2
    assert call("workspace", "delete", "-y").code == 2


def test_delete_asks(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("workspace", "create", "-n", "demo")
    silent = call("workspace", "delete", "-n", "demo")
    assert silent.code == 1
    assert "Unable to prompt for confirmation as no tty available. Use --yes." in silent.err

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("mlctl.output.streams.Streams.talks_to_terminal", lambda _: True)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    declined = call("workspace", "delete", "-n", "demo")
    assert declined.code == 1
    assert "everything in" in declined.err
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert call("workspace", "delete", "-n", "demo").code == 0
    call("workspace", "create", "-n", "demo")
    assert call("workspace", "delete", "-n", "demo", AZURE_CORE_DISABLE_CONFIRM_PROMPT="true").code == 0
