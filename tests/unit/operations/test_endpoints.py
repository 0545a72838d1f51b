"""Making online endpoints, their traffic, keys and end."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.operations.endpoint_desks import Desk

from mlctl.entities.endpoint import Endpoint
from mlctl.errors import ConflictError, InvalidSpecError, NotFoundError, UnavailableError, UsageError
from mlctl.operations import answering, endpoints
from mlctl.operations.services import systemd_unit


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Desk]:
    office = Desk(tmp_path / "home")
    yield office
    office.store.database.close()


@pytest.fixture
def iris(office: Desk) -> Endpoint:
    endpoint, _ = endpoints.create(office.desk, None, fields={"name": "iris"})
    return endpoint


def test_an_endpoint_from_a_file(office: Desk, tmp_path: Path) -> None:
    path = tmp_path / "endpoint.yml"
    path.write_text("name: Iris\nauth_mode: aad_token\ntraffic: {blue: 100}\ntags: {a: 1}\n")
    endpoint, warnings = endpoints.create(office.desk, path)
    assert (endpoint.name, endpoint.auth_mode, endpoint.host) == ("iris", "aml_token", "127.0.0.1")
    assert endpoint.port >= endpoints.FIRST_PORT
    assert endpoint.traffic == {}
    assert [word for word in ("aad_token", "no deployments yet") if not any(word in text for text in warnings)] == []
    assert office.endpoints.asked == ["look after iris"]
    shown = endpoints.show(office.desk, "iris")
    assert shown["scoring_uri"] == f"http://127.0.0.1:{endpoint.port}/score"
    assert shown["tags"] == {"a": "1"}
    keys = json.loads((office.endpoints.folder("iris") / "keys.json").read_text())
    assert not any(secret in json.dumps(shown) for secret in keys.values())
    with pytest.raises(ConflictError, match="exists already"):
        endpoints.create(office.desk, path)
    assert json.loads((office.endpoints.folder("iris") / "keys.json").read_text()) == keys


@pytest.mark.parametrize("name", ["a", "../x", "1abc", "a_b", "abc-", "x" * 33])
def test_names_that_cannot_be(office: Desk, name: str) -> None:
    with pytest.raises(InvalidSpecError):
        endpoints.create(office.desk, None, fields={"name": name})
    assert office.store.endpoints.list("online") == []


def test_ports(office: Desk, iris: Endpoint) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConflictError, match=f"port {port} of 127.0.0.1 is taken"):
            endpoints.create(office.desk, None, fields={"name": "second"}, port=port)
    with pytest.raises(ConflictError, match="belongs to the endpoint 'iris'"):
        endpoints.create(office.desk, None, fields={"name": "second"}, port=iris.port)


def test_of_two_who_are_given_the_same_port_one_takes_the_next(
    office: Desk, iris: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = iter([iris.port, iris.port + 50])
    monkeypatch.setattr(endpoints, "_free_port", lambda _: next(offered))
    second, _ = endpoints.create(office.desk, None, fields={"name": "second"})
    assert second.port == iris.port + 50


@pytest.mark.parametrize(
    ("key", "given", "error", "said"),
    [
        ("traffic", {"blue": "110"}, UsageError, "'blue' cannot be '110'"),
        ("traffic", {"blue": "-1"}, UsageError, "cannot be '-1'"),
        ("traffic", {"blue": 60, "green": 50}, UsageError, "adds up to 110, not to 100"),
        ("traffic", {"red": 100}, NotFoundError, "no deployment 'red'"),
        ("traffic", {"young": 100}, ConflictError, "'young' has never answered"),
        ("mirror_traffic", {"green": 51}, UsageError, "'green' cannot be 51"),
        ("mirror_traffic", {"green": 10, "blue": 10}, UsageError, "only one deployment"),
        ("mirror_traffic", {"blue": 10}, UsageError, "has traffic and mirror traffic"),
        ("port", 1, UsageError, "cannot change port"),
        ("auth_mode", "none", UsageError, "auth_mode cannot be 'none'"),
    ],
)
@pytest.mark.usefixtures("iris")
def test_traffic_that_makes_no_sense(office: Desk, key: str, given: Any, error: type[Exception], said: str) -> None:
    for name in ("blue", "green"):
        office.put(name)
    office.put("young", answers=False)
    endpoints.update(office.desk, "iris", {"traffic": {"blue": 100}})
    with pytest.raises(error, match=said):
        endpoints.update(office.desk, "iris", {key: given})
    assert endpoints.show(office.desk, "iris")["traffic"] == {"blue": 100}


def test_no_traffic_at_all_and_mirror(office: Desk, iris: Endpoint) -> None:
    for name in ("blue", "green"):
        office.put(name)
    shown = endpoints.update(office.desk, "iris", {"traffic": {"blue": "100", "green": "0"}})
    assert shown["traffic"] == {"blue": 100, "green": 0}
    assert endpoints.update(office.desk, "iris", {"mirror_traffic": {"green": 10}})["mirror_traffic"] == {"green": 10}
    assert endpoints.update(office.desk, "iris", {"mirror_traffic": {"green": 0}})["mirror_traffic"] == {}
    assert endpoints.update(office.desk, "iris", {"traffic": {"blue": 0}})["traffic"] == {"blue": 0}


def test_stop_start_delete(office: Desk, iris: Endpoint) -> None:
    office.endpoints.asked.clear()
    assert endpoints.stop(office.desk, "iris")["state"] == "Stopped"
    endpoints.update(office.desk, "iris", {"description": "still stopped"})
    (office.endpoints.folder("iris") / "keys.json").unlink()  # whoever made it was killed too early
    assert endpoints.start(office.desk, "iris")["state"] == "Running"
    assert endpoints.credentials(office.desk, "iris")["primaryKey"]
    endpoints.delete(office.desk, "iris")
    assert office.endpoints.asked == ["stop iris", "look after iris", "stop iris", "remove iris"]
    with pytest.raises(NotFoundError):
        endpoints.show(office.desk, "iris")


def test_keys(office: Desk, iris: Endpoint) -> None:
    before = endpoints.credentials(office.desk, "iris")
    after = endpoints.regenerate(office.desk, "iris", "Secondary")
    assert before["primaryKey"] == after["primaryKey"]
    assert before["secondaryKey"] != after["secondaryKey"]
    with pytest.raises(UsageError, match="'third'"):
        endpoints.regenerate(office.desk, "iris", "third")
    endpoints.update(office.desk, "iris", {"auth_mode": "aml_token"})
    assert endpoints.credentials(office.desk, "iris")["tokenType"] == "Bearer"
    with pytest.raises(UsageError, match="has no keys"):
        endpoints.regenerate(office.desk, "iris", "primary")


def test_a_router_that_cannot_listen_is_told_at_once(
    office: Desk, iris: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = office.endpoints.folder("iris") / "router.log"
    log.write_text("error[conflict]: an older story\n")

    def router(_: str) -> None:
        with log.open("a") as file:
            file.write("error[conflict]: port 5001 is taken\nhint: …\n")

    monkeypatch.setattr(office.endpoints, "router", router)
    with pytest.raises(UnavailableError, match="cannot listen: port 5001 is taken"):
        answering.wait_until_it_answers(office.desk, iris)
    monkeypatch.setattr(office.endpoints, "router", lambda _: None)
    with pytest.raises(UnavailableError, match="does not listen on port"):
        answering.wait_until_it_answers(office.desk, iris, patience=0.1)


def test_a_systemd_unit(office: Desk, iris: Endpoint) -> None:
    unit = systemd_unit(office.desk, "iris")
    assert 'ExecStart="/opt/a python" "-m" "keeper" "100%%" "iris"\n' in unit
    assert "KillMode=process\n" in unit
    assert f'"MLCTL_HOME={office.desk.settings.home}" "PATH=/bin"' in unit
    with pytest.raises(NotFoundError):
        systemd_unit(office.desk, "other")
