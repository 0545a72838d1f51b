"""The files for machines without mlctl, word for word, and read by what reads them there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlctl.errors import UnsupportedError
from mlctl.serving.edge import FORMATS, EdgeFile, EdgeService, compose, iot_edge, systemd
from mlctl.spec.reader import read_text

IMAGE = f"registry.example.com/team/iris@sha256:{'0' * 64}"
SERVICE = EdgeService(
    name="flowers-blue",
    image=IMAGE,
    port=5001,
    host_port=8080,
    variables={"GREETING": 'say "$hi" 5%'},
    secrets={"API_TOKEN": ""},
    health="ask $PATH",
)
HARD = "a \"b\" 'c' $d %e \\f #g \t;h"


def test_compose() -> None:
    assert compose(SERVICE) == [
        EdgeFile(
            "compose.yaml",
            f"""\
services:
  "flowers-blue":
    image: "{IMAGE}"
    restart: unless-stopped
    ports:
      # no key is asked: put what lets others in before it
      - "127.0.0.1:8080:5001"
    environment:
      "GREETING": "say \\"$$hi\\" 5%"
      "API_TOKEN": "${{API_TOKEN:?give it in .env}}"
    healthcheck:
      test: ["CMD-SHELL", "ask $$PATH"]
      interval: 10s
      timeout: 2s
      retries: 30
      start_period: 10s
""",
        ),
        EdgeFile(".env", "API_TOKEN=\n", is_private=True),
    ]


def test_compose_of_a_container_that_nothing_can_ask() -> None:
    (file,) = compose(EdgeService("own", IMAGE, 8080, 8080))
    service = read_text(file.text, source="compose.yaml").data["services"]["own"]
    assert service == {"image": IMAGE, "restart": "unless-stopped", "ports": ["127.0.0.1:8080:8080"]}


def test_signs_that_not_every_reader_takes_mean_themselves() -> None:
    value = "a\x7fb\x85c\u2028d\re"
    text = compose(replace(SERVICE, variables={"A": value}))[0].text
    assert text.isascii()
    assert read_text(text, source="compose.yaml").data["services"]["flowers-blue"]["environment"]["A"] == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("s3cret-1+/=", "s3cret-1+/="),
        ("two words # $1", "'two words # $1'"),
        ('it\'s \\ "here"', '"it\'s \\\\ \\"here\\""'),
        ("a\\b $c", "'a\\b $c'"),
        ("one\ntwo", '"one\\ntwo"'),
    ],
)
def test_a_secret_in_the_file_of_compose_means_itself(value: str, written: str) -> None:
    secret = compose(replace(SERVICE, secrets={"A": value}))[1]
    assert (secret.name, secret.text, secret.is_private) == (".env", f"A={written}\n", True)


@pytest.mark.parametrize("value", ["it's $1", "a\\\\b $c", "$a\\", "a\rb", "a\x85b", "a\x7fb"])
def test_a_secret_that_some_compose_reads_differently_is_refused(value: str) -> None:
    with pytest.raises(UnsupportedError, match="variable A has"):
        compose(replace(SERVICE, secrets={"A": value}))


def test_systemd() -> None:
    unit, secrets = systemd(replace(SERVICE, secrets={"API_TOKEN": "s3cret value"}))
    assert (unit.name, secrets.name) == ("flowers-blue.service", "flowers-blue.env")
    assert (secrets.text, secrets.is_private) == ("API_TOKEN=s3cret value\n", True)
    assert "s3cret" not in unit.text
    assert "Restart=always\n" in unit.text
    assert _command(unit.text, "ExecStart=") == [
        *("docker", "run", "--rm", "--name", "flowers-blue", "--publish", "127.0.0.1:8080:5001"),
        *("--env", 'GREETING=say "$hi" 5%', "--env-file", "/etc/flowers-blue.env", "--health-cmd", "ask $PATH"),
        *("--health-interval", "10s", "--health-timeout", "2s", "--health-retries", "30"),
        *("--health-start-period", "10s", IMAGE),
    ]
    (alone,) = systemd(replace(SERVICE, secrets={}))
    assert "/etc/flowers-blue.env" not in alone.text


def test_systemd_names_the_secret_that_was_not_filled_in(tmp_path: Path) -> None:
    unit, secrets = systemd(SERVICE)
    place = tmp_path / "flowers-blue.env"
    place.write_text(secrets.text)
    words = _command(unit.text.replace("/etc/flowers-blue.env", str(place)), "ExecStartPre=/bin/sh")
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, f"fill in API_TOKEN in {place}\n")
    place.write_text("API_TOKEN=given\n")
    assert subprocess.run(words, check=False).returncode == 0


def test_a_secret_of_several_lines_does_not_become_two_variables() -> None:
    with pytest.raises(UnsupportedError, match="variable KEY has several lines"):
        systemd(replace(SERVICE, secrets={"KEY": "one\nTWO=2"}))


@pytest.mark.parametrize("write", [compose, systemd])
@pytest.mark.parametrize("name", ["my.token", "a;reboot;_token", "a $b_token"])
def test_a_secret_whose_name_is_no_variables_is_refused(write: Callable[..., object], name: str) -> None:
    with pytest.raises(UnsupportedError, match="a secret cannot be a variable"):
        write(replace(SERVICE, secrets={name: ""}))


def test_a_variable_of_several_lines_stays_one_line_of_the_unit() -> None:
    unit = systemd(replace(SERVICE, variables={"A": "one\nExecStartPre=/bin/false"}))[0].text
    assert not any(line.startswith("ExecStartPre=/bin/false") for line in unit.splitlines())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    file = systemd(replace(SERVICE, variables={"A": HARD, "B": "one\ntwo"}))[0]
    # what it needs is on the other machine
    text = file.text.replace("Requires=docker.service\n", "").replace("docker.service ", "")
    (tmp_path / file.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / file.name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, file.name in done.stderr) == (0, False), done.stderr


def test_iot_edge() -> None:
    (file,) = iot_edge(SERVICE)
    assert (file.name, file.is_private) == ("deployment.json", True)
    content = json.loads(file.text)["modulesContent"]
    agent, hub = (content[name]["properties.desired"] for name in ("$edgeAgent", "$edgeHub"))
    assert (agent["schemaVersion"], hub["schemaVersion"]) == ("1.1", "1.1")
    assert (sorted(agent), sorted(hub)) == (
        ["modules", "runtime", "schemaVersion", "systemModules"],
        ["routes", "schemaVersion", "storeAndForwardConfiguration"],
    )
    assert sorted(agent["systemModules"]["edgeHub"]) == ["restartPolicy", "settings", "status", "type"]
    assert sorted(agent["systemModules"]["edgeAgent"]) == ["settings", "type"]
    module = agent["modules"]["flowers-blue"]
    assert (module["type"], module["status"], module["restartPolicy"]) == ("docker", "running", "always")
    assert module["settings"]["image"] == IMAGE
    assert module["env"] == {"GREETING": {"value": 'say "$hi" 5%'}, "API_TOKEN": {"value": "<API_TOKEN>"}}
    options = _options(module["settings"])
    assert options["HostConfig"]["PortBindings"] == {"5001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}
    assert options["Healthcheck"]["Test"] == ["CMD-SHELL", "ask $PATH"]
    assert options["Healthcheck"]["Interval"] == 10_000_000_000


@pytest.mark.parametrize("length", [1, 300, 512, 1400])
def test_create_options_stand_in_pieces_of_512_characters(length: int) -> None:
    (file,) = iot_edge(replace(SERVICE, health="x" * length))
    agent = json.loads(file.text)["modulesContent"]["$edgeAgent"]["properties.desired"]
    settings = agent["modules"]["flowers-blue"]["settings"]
    names = [name for name in settings if name != "image"]
    assert names == ["createOptions", *(f"createOptions{number:02}" for number in range(1, len(names)))]
    assert all(0 < len(settings[name]) <= 512 for name in names)
    assert _options(settings)["Healthcheck"]["Test"][1] == "x" * length


@pytest.mark.parametrize(("name", "value"), [("a.b", ""), ("a b", ""), ("A", "ä" * 2049)])
def test_what_a_module_twin_cannot_hold_is_refused(name: str, value: str) -> None:
    with pytest.raises(UnsupportedError, match="IoT Edge takes no variable"):
        iot_edge(replace(SERVICE, variables={name: value}))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_names_image_and_ports(name: str) -> None:
    text = FORMATS[name](SERVICE)[0].text
    assert all(word in text for word in (IMAGE, "5001", "8080"))
    assert "never" not in text


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_image_of_this_machine_is_never_fetched_from_a_registry(name: str) -> None:
    # its name may belong to somebody else there
    text = FORMATS[name](replace(SERVICE, image="mlctl/environment:1", pulled=False))[0].text
    assert re.search(r'pull_policy: never|"--pull" "never"|"imagePullPolicy": "never"', text)


def _options(settings: dict[str, str]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads("".join(settings[name] for name in settings if name != "image"))
    return found


def _command(unit: str, start: str) -> list[str]:
    """The words of a line of the unit, as systemd gives them to the program."""
    (line,) = [line for line in unit.splitlines() if line.startswith(start)]
    return [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(line.partition("=")[2])]
