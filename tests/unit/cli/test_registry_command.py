"""`mlctl registry …`, `share` and `--registry-name`, as they are called."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.unit.cli.calls import Call

SPEC = "name: team\nlocation: westeurope\nreplication_locations: [{location: westeurope}]\ndescription: Ours\n"


@pytest.fixture
def shared(call: Call) -> Path:
    """A registry with a model of two versions in a folder; returns the folder."""
    Path("m").mkdir()
    Path("m/weights").write_bytes(b"1")
    assert call("registry", "create", "-n", "team", "--path", "share").code == 0
    assert call("model", "create", "-n", "iris", "--path", "m").code == 0
    assert call("model", "share", "-n", "iris", "-v", "1", "--registry-name", "team").code == 0
    return Path("share").absolute()


def test_a_registry_is_made_shown_listed_changed_and_forgotten(call: Call) -> None:
    made = call("registry", "create", "-n", "team", "--path", "share", "--tags", "a=1", "--no-wait")
    assert made.code == 0, made.err
    assert made.json["path"] == str(Path("share").absolute())
    assert call("registry", "show", "-n", "team").json == made.json
    assert call("registry", "update", "-n", "team", "--set", "tags.b=2", "--description", "d").json["tags"] == {
        "a": "1", "b": "2"
    }  # fmt: skip
    assert call("registry", "update", "-n", "team", "--remove", "tags.b", "--display-name", "T").json["tags"] == {
        "a": "1"
    }
    assert call("registry", "update", "-n", "team", "--set", "path=x").code == 2
    listed = call("registry", "list", "-o", "table").out
    assert "team" in listed
    assert "Available" in listed
    gone = call("registry", "delete", "-n", "team")
    assert gone.code == 0
    assert "still in" in gone.err
    assert call("registry", "list").json == []
    assert call("registry", "create", "--path", "share").json["name"] == "team"


def test_a_yaml_file_of_azure_makes_a_registry_and_says_what_it_does_not_use(call: Call) -> None:
    Path("r.yml").write_text(SPEC)
    made = call("registry", "create", "-f", "r.yml", "--set", "tags.a=1")
    assert (made.code, made.json["description"]) == (0, "Ours")
    assert "r.yml:2:" in made.err
    assert "'location'" in made.err
    Path("r.yml").write_text(SPEC.replace("Ours", "Others'"))
    assert call("registry", "update", "-f", "r.yml").json["description"] == "Others'"
    Path("r.yml").write_text("name: team\nlocatoin: x\n")
    assert call("registry", "create", "-f", "r.yml").code == 5
    assert call("registry", "create", "-n", "abc", "--set", "tags.a=1").code == 2


def test_content_is_removed_only_when_somebody_says_so_twice(call: Call, shared: Path) -> None:
    refused = call("registry", "delete", "-n", "team", "--delete-content")
    assert refused.code == 1
    assert "--yes" in refused.err
    assert call("model", "list", "--registry-name", "team").json[0]["name"] == "iris"
    assert call("registry", "delete", "-n", "team", "--delete-content", "--yes").code == 0
    assert not shared.exists()


def test_a_registry_out_of_reach_is_listed_with_the_reason(call: Call, shared: Path) -> None:
    shared.rename("elsewhere")
    (listed,) = call("registry", "list").json
    assert listed["state"] == "Unavailable"
    assert str(shared) in listed["state_reason"]
    assert call("registry", "show", "-n", "team").code == 3
    assert call("registry", "delete", "-n", "team", "--delete-content", "-y").code == 3
    for words in (
        ("model", "share", "-n", "iris", "-v", "1", "--registry-name", "team"),
        ("model", "list", "--registry-name", "team"),
        ("registry", "import", "-n", "team", "--from", "x.tar"),
        ("model", "create", "-n", "own", "--path", "azureml://registries/team/models/iris/versions/1"),
    ):
        answer = call(*words)
        assert (answer.code, "not at" in answer.err) == (3, True), answer.err
    assert not shared.exists()


def test_sharing_again_changes_nothing_and_other_content_is_refused(call: Call, shared: Path) -> None:
    words = ("model", "share", "-n", "iris", "-v", "1", "--registry-name", "team")
    first, again = call(*words), call(*words)
    assert (again.code, again.json) == (0, first.json)
    assert first.json["id"] == "azureml://registries/team/models/iris/versions/1"
    Path("m/weights").write_bytes(b"2")
    call("model", "create", "-n", "iris", "--path", "m")
    refused = call(*words[:5], "2", "--registry-name", "team", "--share-with-version", "1")
    assert refused.code == 6
    renamed = call(
        "model", "share", "-n", "iris", "-v", "2", "--registry-name", "team", "--share-with-name", "flower",
        "--share-with-version", "2.0",
    )  # fmt: skip
    assert (renamed.json["name"], renamed.json["version"]) == ("flower", "2.0")
    for option in ("--share-with-name", "--share-with-version"):
        assert call("model", "share", "-n", "iris", "-v", "2", "--registry-name", "team", option, "../x").code == 2
    assert call("model", "share", "-n", "iris", "-v", "9", "--registry-name", "team").code == 3
    assert call("model", "share", "-n", "iris", "-v", "1", "--registry-name", "other").code == 3
    assert call("data", "share", "-n", "iris", "-v", "1", "--registry-name", "team").code == 3


def test_what_only_the_workspace_has_is_told(call: Call, shared: Path) -> None:
    Path("c.yml").write_text("name: step\ntype: command\ncommand: ls\nenvironment: azureml:mine:1\n")
    assert call("component", "create", "-f", "c.yml").code == 0
    told = call("component", "share", "-n", "step", "-v", "1", "--registry-name", "team")
    assert told.code == 0
    assert "azureml:mine:1" in told.err


def test_the_verbs_of_assets_work_on_a_registry(call: Call, shared: Path) -> None:
    there = ("--registry-name", "team")
    made = call("model", "create", "-n", "iris", "--path", "m", *there)
    assert made.json["version"] == "2"
    assert [one["version"] for one in call("model", "list", "-n", "iris", *there).json] == ["2", "1"]
    assert call("model", "list", "-n", "iris").json[0]["version"] == "1"
    assert call("model", "update", "-n", "iris", "--stage", "Production", *there).json["stage"] == "Production"
    assert call("model", "list", "-n", "iris", "--stage", "Production", *there).json[0]["version"] == "2"
    assert call("model", "label", "-n", "iris", "-v", "1", "--label", "good", *there).json == {"good": "1"}
    assert call("model", "show", "-n", "iris", "-l", "good", *there).json["version"] == "1"
    assert call("model", "archive", "-n", "iris", "-v", "2", *there).code == 0
    assert call("model", "show", "-n", "iris", *there).json["version"] == "1"
    assert call("model", "restore", "-n", "iris", "-v", "2", *there).code == 0
    assert call("model", "show", "-n", "iris", *there).json["version"] == "2"
    assert call("model", "download", "-n", "iris", "-v", "1", "-p", "out", "-w", "default", *there).code == 0
    assert Path("out/iris/weights").read_bytes() == b"1"
    assert call("model", "show", "-n", "iris", "--registry-name", "unknown").code == 3


def test_assets_travel_in_one_file(call: Call, shared: Path, tmp_path: Path) -> None:
    written = call("registry", "export", "-n", "team", "--to", "team.tar.gz", "--kind", "model", "--asset", "iris:1")
    assert written.code == 0, written.err
    assert written.json["sha256"] == hashlib.sha256(Path("team.tar.gz").read_bytes()).hexdigest()
    far = {"MLCTL_HOME": str(tmp_path / "far")}
    assert call("registry", "create", "-n", "team", **far).code == 0
    assert call("registry", "import", "-n", "team", "--from", "team.tar.gz", **far).json == {
        "registry": "team", "imported": ["model iris:1"], "unchanged": []
    }  # fmt: skip
    assert call("registry", "import", "-n", "team", "--from", "team.tar.gz", **far).json["unchanged"]
    assert call("model", "download", "-n", "iris", "--registry-name", "team", "-p", "far", **far).code == 0
    assert Path("far/iris/weights").read_bytes() == b"1"
    assert call("registry", "export", "-n", "team", "--to", "x.tar", "--kind", "models").code == 2
    assert call("registry", "import", "-n", "team", "--from", "none.tar").code == 3
    Path("bad.tar").write_bytes(b"bad")
    assert call("registry", "import", "-n", "team", "--from", "bad.tar").code == 5


def test_names_are_completed(call: Call, shared: Path) -> None:
    found = call("__complete", "--", "registry", "show", "-n", "te")
    assert "team" in found.out
    assert "team" in call("__complete", "--", "model", "share", "--registry-name", "").out


EMPTY = [
    ("data share -n d -v 1 --registry-name team", "--share-with-name"),
    ("data share -n d -v 1 --registry-name team", "--share-with-version"),
    ("data share -n d -v 1", "--registry-name"),
    ("data create --name d", "--version"),
    ("data create --name d", "--path"),
    ("data list", "--name"),
    ("model show -n m", "--label"),
    ("job create -f job.yml", "--name"),
    ("workspace show", "--name"),
    ("online-deployment show -n d", "--endpoint-name"),
]


@pytest.mark.parametrize(("words", "option"), EMPTY)
def test_an_option_that_names_something_is_not_empty(call: Call, words: str, option: str) -> None:
    answer = call(*words.split(), option, "")
    assert (answer.code, answer.err.splitlines()[0]) == (2, f"error[usage]: {option} is empty"), answer
