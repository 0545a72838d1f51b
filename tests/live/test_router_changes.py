"""Under load nothing fails: traffic moves, deployments restart, routers are renewed, replicas are killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.endpoints import Endpoint, Processes, end, free_port, loaded, until

from mlctl.serving.routes import Deployment


@pytest.fixture
def processes() -> Iterator[Processes]:
    started = Processes()
    yield started
    started.close()


@pytest.fixture
def endpoint(processes: Processes, tmp_path: Path) -> Endpoint:
    return Endpoint(tmp_path / "iris", processes)


def deployment(name: str, weight: int, *urls: str, **settings: object) -> Deployment:
    given = {"max_concurrent_requests_per_instance": 32, **settings}
    return Deployment(name, urls, weight, **given)  # type: ignore[arg-type]


def test_traffic_moves_and_a_deployment_restarts_under_load_without_a_failure(
    endpoint: Endpoint, processes: Processes
) -> None:
    blue, process = processes.stub("blue")
    green, _ = processes.stub("green")
    endpoint.set(deployment("blue", 100, blue), deployment("green", 0, green))
    endpoint.router()
    load = endpoint.load("--rate", "50", "--seconds", "6", path="/score?sleep=0.02")
    started = time.monotonic()

    def at(second: float) -> None:
        time.sleep(max(0.0, started + second - time.monotonic()))

    at(1.5)
    endpoint.follow(deployment("blue", 50, blue), deployment("green", 50, green))
    at(3)
    # blue restarts: the new replica joins, the old one leaves the routes, drains, ends
    fresh, _ = processes.stub("blue")
    version = endpoint.set(deployment("blue", 50, fresh), deployment("green", 50, green))
    endpoint.state(lambda state: state.version == version and not state.draining)
    assert end(process) is not None
    at(4.5)
    endpoint.follow(deployment("blue", 0, fresh), deployment("green", 100, green))
    result = loaded(load)
    assert result["failed"] == 0, result["statuses"]
    assert result["requests"] == 300
    assert result["deployments"]["blue"] > 100
    assert result["deployments"]["green"] > 100


def test_the_split_of_two_thousand_requests_is_that_of_the_weights(endpoint: Endpoint, processes: Processes) -> None:
    blue, green = processes.stub("blue")[0], processes.stub("green")[0]
    endpoint.set(deployment("blue", 90, blue), deployment("green", 10, green))
    endpoint.router()
    result = loaded(endpoint.load("--count", "2000", "--connections", "8"))
    assert result["failed"] == 0, result["statuses"]
    assert abs(result["deployments"]["blue"] / 2000 - 0.9) <= 0.03


def test_replicas_of_a_deployment_share_its_requests_and_one_that_refuses_is_passed_over(
    endpoint: Endpoint, processes: Processes
) -> None:
    (first, gone), (second, _) = processes.stub("one"), processes.stub("two")
    endpoint.set(deployment("blue", 100, first, second))
    endpoint.router()
    assert {endpoint.ask().json["name"] for _ in range(4)} == {"one", "two"}
    end(gone, signal.SIGKILL)
    answers = [endpoint.ask() for _ in range(20)]
    assert {(one.status, one.json["name"]) for one in answers} == {(200, "two")}
    tried_again = [line for line in endpoint.log() if line.get("retries")]
    assert tried_again
    assert {line["status"] for line in tried_again} == {200}


def test_a_replica_that_is_killed_with_a_request_gives_502_and_a_line(endpoint: Endpoint, processes: Processes) -> None:
    url, process = processes.stub("blue")
    endpoint.set(deployment("blue", 100, url, max_queue_wait_ms=100))
    endpoint.router()
    answer = endpoint.ask("/score?die=1")
    assert (answer.status, answer.json["error"]["code"]) == (502, "ReplicaBroke")
    line = endpoint.line(answer.headers["x-request-id"])
    # what was sent once is never sent again
    assert (line["status"], line["replica"], line.get("retries")) == (502, url, None)
    assert process.wait(5) == 9  # until then its port may still take a connection
    assert endpoint.ask().status == 503
    # a restart under the same address is found without any word
    processes.stub("blue", int(url.rpartition(":")[2]))
    until(lambda: endpoint.ask().status == 200, 5)


def test_an_answer_that_breaks_off_is_not_taken_for_whole(endpoint: Endpoint, processes: Processes) -> None:
    endpoint.set(deployment("blue", 100, processes.stub("blue")[0]))
    endpoint.router()
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        endpoint.ask("/score?cut=1")
    until(lambda: any(line["reason"] == "ReplicaBroke" for line in endpoint.log()))


def test_a_request_that_waits_for_a_deployment_that_is_deleted_goes_to_another(
    endpoint: Endpoint, processes: Processes
) -> None:
    green, _ = processes.stub("green")
    endpoint.set(deployment("blue", 100, max_queue_wait_ms=5000))
    endpoint.router()
    load = endpoint.load("--count", "1")
    until(lambda: endpoint.metric("mlctl_requests_waiting", deployment="blue") == 1)
    endpoint.follow(deployment("green", 100, green))
    assert loaded(load)["deployments"] == {"green": 1}


def test_a_new_router_takes_the_port_over_without_a_failure(endpoint: Endpoint, processes: Processes) -> None:
    url, _ = processes.stub("blue")
    endpoint.set(deployment("blue", 100, url))
    first = endpoint.router()
    steady = endpoint.load("--rate", "50", "--seconds", "4", path="/score?sleep=0.05")
    busy = endpoint.load("--connections", "4", "--seconds", "4")
    time.sleep(1)
    second = endpoint.router()
    time.sleep(1)
    third = endpoint.router()
    assert endpoint.state(lambda _: True).pid == third.pid
    for result in (loaded(steady), loaded(busy)):
        assert result["failed"] == 0, result["statuses"]
        assert result["requests"] >= 200
    assert [first.wait(25), second.wait(25)] == [0, 0]
    assert endpoint.ask().status == 200


def test_sigterm_finishes_what_is_there_and_refuses_what_comes(endpoint: Endpoint, processes: Processes) -> None:
    url, _ = processes.stub("blue")
    endpoint.set(deployment("blue", 100, url))
    router = endpoint.router()
    load = endpoint.load("--count", "1", path="/score?sleep=1")
    until(lambda: endpoint.metric("mlctl_requests_running", deployment="blue") == 1)
    os.kill(router.pid, signal.SIGTERM)
    until(lambda: refused(endpoint.routes.port), 1)
    assert loaded(load)["statuses"] == {"200": 1}
    assert router.wait(5) == 0
    assert not (endpoint.folder / "router.json").exists()
    assert not (endpoint.folder / "router.sock").exists()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_killed_router_is_followed_by_another_on_its_port(endpoint: Endpoint, processes: Processes) -> None:
    url, _ = processes.stub("blue")
    endpoint.set(deployment("blue", 100, url))
    end(endpoint.router(), signal.SIGKILL)
    endpoint.router()
    assert endpoint.ask().json["name"] == "blue"


def test_a_port_that_is_taken_is_told(endpoint: Endpoint) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint.set(port=other.getsockname()[1])
        done = started(endpoint.folder)
    assert done.returncode == 6
    assert f"port {endpoint.routes.port} on 127.0.0.1 is taken" in done.stderr


def started(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "mlctl.serving.router", str(folder)]
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)


def test_a_folder_without_an_endpoint_is_told(tmp_path: Path) -> None:
    done = started(tmp_path)
    assert done.returncode == 3
    assert "routes.json" in done.stderr


def test_routes_that_make_no_sense_leave_the_last_good_ones_in_force(endpoint: Endpoint, processes: Processes) -> None:
    url, _ = processes.stub("blue")
    endpoint.set(deployment("blue", 100, url))
    endpoint.router()
    for name, text in (("routes.json", '{"version": "x"'), ("keys.json", '{"primary": "leaked-secret-0123456789"}')):
        (endpoint.folder / name).write_text(text)
        until(lambda name=name: name in (endpoint.folder / "router.err").read_text())  # type: ignore[misc]
    assert endpoint.ask().status == 200
    assert "leaked" not in (endpoint.folder / "router.err").read_text()
    endpoint.follow(deployment("blue", 0, url))
    assert endpoint.ask().status == 404


def test_a_folder_deeper_than_a_sockets_path_may_be(tmp_path: Path, processes: Processes) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    endpoint = Endpoint(deep / "iris", processes)
    endpoint.set(deployment("blue", 100, processes.stub("blue")[0]))
    first = endpoint.router()
    endpoint.router()
    assert first.wait(20) == 0
    assert endpoint.ask().status == 200


def test_azures_scoring_server_behind_the_router(endpoint: Endpoint, processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(
        "import json\ndef init(): pass\ndef run(raw):\n    return [sum(row) for row in json.loads(raw)['data']]\n"
    )
    port = free_port()
    words = ("--entry_script", "score.py", "--model_dir", ".", "--port", str(port))
    with (tmp_path / "server.log").open("wb") as log:
        server = processes.start(
            "-m", "azureml_inference_server_http", *words, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
    until(lambda: not refused(port) or server.poll() is not None)
    endpoint.set(deployment("blue", 100, f"http://127.0.0.1:{port}"))
    endpoint.router()
    answer = endpoint.ask(
        body=json.dumps({"data": [[1, 2], [3, 4]]}), content_type="application/json", x_request_id="r"
    )
    assert (answer.status, answer.json) == (200, [3, 7])
    assert answer.headers["x-request-id"] == "r"
    # no JSON: the script fails, and the caller learns what the server answered
    broken = endpoint.ask(body=b"no json", content_type="application/json")
    assert (broken.status, broken.headers["ms-azureml-model-error-statuscode"]) == (424, "500")
    swagger = endpoint.ask("/swagger.json", None, "GET")
    assert swagger.json["swagger"] == "2.0"
    result = loaded(endpoint.load("--rate", "50", "--seconds", "2"))
    assert result["failed"] == 0, result["statuses"]
    end(server)
