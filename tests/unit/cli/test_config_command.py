"""mlctl config and configure."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.calls import Call


def test_set_get_unset_with_sources(call: Call, tmp_path: Path) -> None:
    assert call("config", "set", "core.output=tsv", "jobs.grace_period=5") == (0, "", "")
    assert call("config", "get", "jobs.grace-period", "-o", "json").json == {
        "key": "jobs.grace_period",
        "value": "5",
        "source": f"{tmp_path}/home/config:5",
    }
    assert call("config", "unset", "core.output", "jobs.grace_period").code == 0
    assert call("config", "get", "jobs.grace_period").json["source"] == "default"


def test_local_file_wins_and_lies_in_the_folder(call: Call, tmp_path: Path) -> None:
    call("config", "set", "defaults.workspace=user")
    call("config", "set", "--local", "defaults.workspace=project")
    shown = call("config", "get", "defaults.workspace").json
    assert shown["value"] == "project"
    assert shown["source"] == f"{tmp_path}/project/.mlctl/config:2"
    call("config", "unset", "--local", "defaults.workspace")
    assert call("config", "get", "defaults.workspace").json["value"] == "user"


def test_list_and_sections(call: Call) -> None:
    listed = call("config", "list").json
    assert {"key", "value", "source", "description"} == set(listed[0])
    assert [row["key"] for row in call("config", "get", "proxy").json] == [
        "proxy.http",
        "proxy.https",
        "proxy.no_proxy",
    ]
    assert call("config", "get").json == listed
    assert call("config", "list", "-o", "table").out.splitlines()[0].split() == ["Key", "Value", "Source"]


def test_wrong_keys_and_values(call: Call) -> None:
    assert "did you mean 'core.output'" in call("config", "set", "core.outptu=tsv").err
    assert "core.output is 'xml'" in call("config", "set", "core.output=xml").err
    assert "is not KEY=VALUE" in call("config", "set", "core.output").err
    assert "MLCTL_HOME" in call("config", "set", "home=/x").err
    assert call("config", "get", "tracking.uri").code == 3
    unset = call("config", "unset", "tracking.uri")
    assert unset.code == 0


def test_configure_as_az_does(call: Call) -> None:
    assert call("configure", "--defaults", "workspace=w", "group=g").code == 0
    rows = {row["key"]: row["value"] for row in call("configure", "--list-defaults").json}
    assert rows["defaults.workspace"] == "w"
    assert rows["defaults.group"] == "g"
    assert call("configure", "--defaults", "group=").code == 0
    assert call("config", "get", "defaults.group").code == 3
    assert call("configure", "-d", "workspace=here", "--scope", "local").code == 0
    assert call("config", "get", "defaults.workspace").json["value"] == "here"
    assert call("configure").code == 2
    assert call("configure", "-d", "a=b", "--scope", "moon").code == 2
