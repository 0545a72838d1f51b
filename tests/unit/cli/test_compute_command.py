"""mlctl compute."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.calls import Call


def test_life_of_a_compute(call: Call) -> None:
    made = call("compute", "create", "-n", "c1", "-t", "Local", "--max-concurrent", "2", "--tags", "a=1").json
    assert (made["type"], made["backend"], made["max_concurrent"]) == ("local", "local", 2)
    assert [row["name"] for row in call("compute", "list").json] == ["local", "c1"]
    heading, _, first, _ = call("compute", "list", "-o", "table").out.splitlines()
    assert heading.split() == ["Name", "Type", "State", "MaxConcurrent", "Running", "Queued"]
    assert first.split() == ["local", "local", "Succeeded", "0", "0"]
    changed = call("compute", "update", "-n", "c1", "--set", "max_concurrent=5", "tags.b=2", "--description", "d").json
    assert (changed["max_concurrent"], changed["tags"], changed["description"]) == (5, {"a": "1", "b": "2"}, "d")
    assert changed["creation_context"] == made["creation_context"]
    assert call("compute", "delete", "-n", "c1").code == 1
    assert call("compute", "delete", "-n", "c1", "-y") == (0, "", "")
    assert call("compute", "update", "-n", "c1", "--max-concurrent", "1").code == 3


def test_create_again_changes_it_as_az_does(call: Call) -> None:
    call("compute", "create", "-n", "c1", "--type", "local", "--max-concurrent", "2")
    assert call("compute", "create", "-n", "c1", "--type", "local", "--max-concurrent", "3").json["max_concurrent"] == 3


def test_local_can_be_limited_and_not_deleted(call: Call) -> None:
    assert call("compute", "update", "-n", "local", "--max-concurrent", "3").json["max_concurrent"] == 3
    assert call("compute", "update", "-n", "local", "--set", "max_concurrent=").json["max_concurrent"] is None
    assert call("compute", "delete", "-n", "local", "-y").code == 6


def test_docker_with_a_host(call: Call) -> None:
    made = call("compute", "attach", "-n", "far", "--type", "docker", "--host", "tcp://far:2375").json
    assert (made["backend"], made["host"]) == ("docker", "tcp://far:2375")
    assert call("compute", "update", "-n", "far", "--set", "host=tcp://near:2375").json["host"] == "tcp://near:2375"
    assert "host" not in call("compute", "update", "-n", "far", "--remove", "host").json
    assert call("compute", "list", "--type", "docker", "--query", "[].name", "-o", "tsv").out == "far\n"
    assert call("compute", "detach", "-n", "far", "--yes").code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-n", "cpu-cluster", "--type", "AmlCompute", "--min-instances", "0"], 9, "local, docker"),
        (["-n", "c1", "--type", "local", "--host", "tcp://x"], 5, "unknown key 'host'"),
        (["-n", "c1"], 2, "needs a type"),
        (["--type", "local"], 2, "needs a name"),
        (["-n", "local", "--type", "docker"], 6, "is this machine"),
        (["-n", "c1", "--type", "local", "--max-concurrent", "0"], 2, "--max-concurrent"),
    ],
)
def test_refused(call: Call, words: list[str], code: int, message: str) -> None:
    answer = call("compute", "create", *words)
    assert answer.code == code
    assert message in answer.err


def test_update_refuses_what_it_cannot_change(call: Call) -> None:
    assert "cannot change type" in call("compute", "update", "-n", "local", "--set", "type=docker").err
    assert "max_concurrent is 'many'" in call("compute", "update", "-n", "local", "--set", "max_concurrent=many").err


def test_file(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "compute.yml"
    file.write_text("name: from-file\ntype: local\ndescription: text\nmax_concurrent: 4\n")
    made = call("compute", "create", "-f", str(file), "-n", "given")
    assert made.code == 0, made.err
    assert (made.json["name"], made.json["max_concurrent"], made.json["description"]) == ("given", 4, "text")
    file.write_text("name: cpu-cluster\ntype: amlcompute\nsize: STANDARD_DS3_V2\nmin_instances: 0\nmax_instances: 4\n")
    assert call("compute", "create", "-f", str(file)).code == 9


def test_show_says_whether_it_can_be_used(call: Call) -> None:
    shown = call("compute", "show", "-n", "local").json
    assert shown["state"] == "Available"
    assert call("compute", "show", "-n", "locla").code == 3
