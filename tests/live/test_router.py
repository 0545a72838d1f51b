"""The router as a process: what goes through it and what it says itself."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live.endpoints import Endpoint, Processes, end, until

from mlctl.serving.keys import issue_token, renewed, save_keys
from mlctl.serving.routes import Collector, Deployment


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    started = Processes()
    yield started
    started.close()


@pytest.fixture(scope="module")
def blue_url(processes: Processes) -> str:
    return processes.stub("blue")[0]


@pytest.fixture(scope="module")
def served(processes: Processes, blue_url: str, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    """One router for the tests that leave it as it is."""
    endpoint = Endpoint(tmp_path_factory.mktemp("router") / "iris", processes)
    endpoint.set(deployment(blue_url))
    endpoint.router()
    return endpoint


@pytest.fixture
def endpoint(served: Endpoint, blue_url: str) -> Endpoint:
    if served.routes.deployments != (deployment(blue_url),) or served.routes.auth_mode != "key":
        served.follow(deployment(blue_url), auth_mode="key", max_body_bytes=100 * 1024 * 1024)
    return served


def deployment(*urls: str, name: str = "blue", weight: int = 100, **settings: object) -> Deployment:
    given = {"max_concurrent_requests_per_instance": 16, **settings}
    return Deployment(name, urls, weight, **given)  # type: ignore[arg-type]


def test_a_request_and_its_answer_go_through_as_they_are(endpoint: Endpoint) -> None:
    body = os.urandom(1000)
    answer = endpoint.ask(
        "/score?a=%2F&b=c%20d",
        body,
        content_type="application/x-thing",
        x_mine="ä".encode().decode("latin-1"),
        connection="close, x-hop",
        x_hop="ends here",
        x_ms_client_request_id="mine-1",
        x_request_id="given-1",
    )
    seen = answer.json
    assert answer.status == 200
    assert (seen["method"], seen["path"], seen["sha256"]) == (
        "POST",
        "/score?a=%2F&b=c%20d",
        hashlib.sha256(body).hexdigest(),
    )
    assert seen["headers"]["content-type"] == "application/x-thing"
    assert seen["headers"]["x-request-id"] == "given-1"
    assert seen["headers"]["content-length"] == "1000"
    # the key is for the router, and what the connection names ends with it
    assert not {"authorization", "x-hop", "connection", "transfer-encoding"} & set(seen["headers"])
    assert answer.headers["x-stub"] == "blue"
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert answer.headers["x-request-id"] == "given-1"
    assert answer.headers["x-ms-client-request-id"] == "mine-1"


def test_a_request_without_an_id_gets_one_and_one_that_no_log_should_have_is_replaced(endpoint: Endpoint) -> None:
    made = endpoint.ask()
    assert re.fullmatch(r"[0-9a-f-]{36}", made.headers["x-request-id"])
    assert made.json["headers"]["x-request-id"] == made.headers["x-request-id"]
    assert len(endpoint.ask(x_request_id="x" * 101).headers["x-request-id"]) == 36


def test_large_bodies_stream_both_ways_in_bounded_memory(endpoint: Endpoint, served: Endpoint) -> None:
    pid = served.state(lambda _: True).pid
    body = os.urandom(1024 * 1024) * 48
    before = peak_memory(pid)
    assert endpoint.ask(body=body).json["sha256"] == hashlib.sha256(body).hexdigest()
    assert endpoint.ask(body=iter([body])).json["size"] == len(body)  # chunked
    assert len(endpoint.ask("/score?size=50000000").body) == 50_000_000
    assert peak_memory(pid) - before < 16 * 1024


def peak_memory(pid: int) -> int:
    """KiB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def test_an_answer_in_pieces_arrives_piece_by_piece(endpoint: Endpoint) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.routes.port, timeout=10)
    start = time.monotonic()
    connection.request("POST", "/score?trickle=5", b"{}", {"Authorization": f"Bearer {endpoint.keys.primary}"})
    answer = connection.getresponse()
    assert answer.read1(10) == b"0\n"
    assert time.monotonic() - start < 0.4
    assert answer.read() == b"1\n2\n3\n4\n"
    connection.close()


def test_an_answer_of_a_model_but_200_is_424_with_the_models_own_status_and_body(endpoint: Endpoint) -> None:
    answer = endpoint.ask("/score?status=400")
    assert (answer.status, answer.json["name"]) == (424, "blue")
    assert answer.headers["ms-azureml-model-error-statuscode"] == "400"
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    line = endpoint.line(answer.headers["x-request-id"])
    assert (line["status"], line["model_status"], line["reason"]) == (424, 400, "ModelError")


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Basic x"])
def test_without_a_key_401_and_the_scoring_server_sees_nothing(endpoint: Endpoint, given: str) -> None:
    answer = endpoint.ask(authorization=given)
    assert (answer.status, answer.json["error"]["code"]) == (401, "Unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    line = endpoint.line(answer.headers["x-request-id"])
    assert (line["status"], line["replica"], line["reason"]) == (401, "", "Unauthorized")


def test_a_key_that_is_renewed_counts_at_once_and_the_other_one_goes_on(endpoint: Endpoint) -> None:
    old = endpoint.keys
    endpoint.keys = renewed(old, "primary")
    save_keys(endpoint.folder, endpoint.keys)
    until(lambda: endpoint.ask().status == 200, 1.0)
    assert endpoint.ask(authorization=f"Bearer {old.primary}").status == 401
    assert endpoint.ask(authorization=f"Bearer {old.secondary}").status == 200


def test_tokens_expire(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url), auth_mode="aml_token")
    good = issue_token(endpoint.keys, now=time.time(), seconds=60).access_token
    late = issue_token(endpoint.keys, now=time.time() - 120, seconds=60).access_token
    assert endpoint.ask(authorization=f"Bearer {good}").status == 200
    assert "expired" in endpoint.ask(authorization=f"Bearer {late}").json["error"]["message"]
    assert endpoint.ask().status == 401  # a key is no token


def test_no_secret_is_in_any_file_that_the_router_writes(endpoint: Endpoint) -> None:
    token = issue_token(endpoint.keys, now=time.time()).access_token
    endpoint.ask(f"/score?code={endpoint.keys.primary}")
    endpoint.ask(authorization=f"Bearer {token}")
    endpoint.ask("/score?status=500")
    secrets = (endpoint.keys.primary, endpoint.keys.secondary, endpoint.keys.token_secret, token)
    written = [path for path in endpoint.folder.iterdir() if path.is_file() and path.name != "keys.json"]
    assert {"access.log", "router.json", "router.err"} <= {path.name for path in written}
    for path in written:
        assert not any(secret in path.read_text() for secret in secrets), path
        assert path.stat().st_mode & 0o077 == 0 or path.name in ("router.err", "router.lock"), path


def test_a_deployment_is_named_by_header_and_an_unknown_one_is_404(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url), deployment(blue_url, name="green", weight=0))
    assert endpoint.ask(azureml_model_deployment="green").headers["azureml-model-deployment"] == "green"
    answer = endpoint.ask(azureml_model_deployment="red")
    assert (answer.status, answer.json["error"]["code"]) == (404, "DeploymentNotFound")
    assert "blue, green" in answer.json["error"]["message"]
    assert endpoint.ask("/other").status == 404


def test_an_endpoint_without_traffic_is_404_and_one_without_replicas_503(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url, weight=0))
    assert endpoint.ask().json["error"]["code"] == "NoTraffic"
    endpoint.follow(deployment(max_queue_wait_ms=50))
    answer = endpoint.ask()
    assert (answer.status, answer.json["error"]["code"]) == (503, "NotReady")
    assert answer.headers["ms-azureml-model-error-reason"] == "model_not_ready"
    assert endpoint.line(answer.headers["x-request-id"])["reason"] == "NotReady"


def test_a_request_past_its_time_is_408_and_the_slot_is_free_again(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url, request_timeout_ms=200, max_concurrent_requests_per_instance=1))
    answer = endpoint.ask("/score?sleep=5")
    assert (answer.status, answer.json["error"]["code"]) == (408, "RequestTimeout")
    assert "0.2 s (request_timeout_ms)" in answer.json["error"]["message"]
    assert endpoint.line(answer.headers["x-request-id"])["duration_ms"] < 1000
    assert endpoint.ask().status == 200


def test_beyond_concurrency_and_queue_429(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url, max_concurrent_requests_per_instance=2, max_queue_wait_ms=100))
    before = endpoint.metric("mlctl_request_errors_total", reason="TooManyPendingRequests")
    sent = [raw(endpoint, "/score?sleep=0.5") for _ in range(8)]
    answers = sorted(status_of(one) for one in sent)
    assert answers == [200, 200, 429, 429, 429, 429, 429, 429]
    assert endpoint.metric("mlctl_request_errors_total", reason="TooManyPendingRequests") - before == 6
    refused = [line for line in endpoint.log() if line["reason"] == "TooManyPendingRequests"]
    # as many as run may wait, for max_queue_wait_ms; the rest is refused at once
    assert [line["duration_ms"] > 90 for line in sorted(refused[-6:], key=lambda line: line["duration_ms"])] == [
        False, False, False, False, True, True,
    ]  # fmt: skip


def raw(endpoint: Endpoint, path: str, head: str = "", body: bytes = b"{}", length: int | None = None) -> socket.socket:
    """A connection with a request on it."""
    connection = socket.create_connection(("127.0.0.1", endpoint.routes.port), 20)
    lines = f"POST {path} HTTP/1.1\r\nHost: e\r\nAuthorization: Bearer {endpoint.keys.primary}\r\n{head}"
    size = len(body) if length is None else length
    connection.sendall(f"{lines}Content-Length: {size}\r\n\r\n".encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    with connection:
        return int(connection.recv(4096)[9:12])


def test_a_body_that_is_too_large_is_413_announced_or_not(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url), max_body_bytes=2_000_000)
    assert status_of(raw(endpoint, "/score", length=2_000_001)) == 413  # before a byte of it came
    assert endpoint.ask(body=b"x" * 2_000_000).status == 200
    answer = endpoint.ask(body=iter([b"x" * 2_000_001]))  # chunked: the size shows only at the end
    assert (answer.status, answer.json["error"]["code"]) == (413, "PayloadTooLarge")
    assert endpoint.line(answer.headers["x-request-id"])["status"] == 413


def test_expect_continue_is_answered_after_the_key_was_checked(endpoint: Endpoint) -> None:
    connection = raw(endpoint, "/score", "Expect: 100-continue\r\n", b"", 2)
    assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"{}")
    assert status_of(connection) == 200
    connection = socket.create_connection(("127.0.0.1", endpoint.routes.port), 20)
    connection.sendall(b"POST /score HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert status_of(connection) == 401


def test_a_slow_caller_holds_no_slot(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url, max_concurrent_requests_per_instance=1))
    slow = [raw(endpoint, "/score", body=b"{", length=2) for _ in range(5)]
    assert endpoint.ask().status == 200
    for one in slow:
        one.sendall(b"}")
    assert status_of(slow[0]) == 200
    for one in slow[1:]:
        one.close()


def test_callers_that_send_byte_by_byte_or_stop_are_408_while_others_are_served(endpoint: Endpoint) -> None:
    began = time.monotonic()
    head = socket.create_connection(("127.0.0.1", endpoint.routes.port), 20)
    stopped = raw(endpoint, "/score", "x-request-id: stopped-1\r\n", b"{", 2)
    silent = socket.create_connection(("127.0.0.1", endpoint.routes.port), 20)
    slow = [head, stopped, silent]
    for byte in b"POST /score HTTP/1.1\r\nHost: e\r\nX-Slow: " + b"a" * 1000:
        if select.select([head], [], [], 0.1)[0]:
            break
        head.sendall(bytes([byte]))
        assert endpoint.ask().status == 200
    assert 10 <= time.monotonic() - began < 15
    assert [head.recv(4096)[9:12], stopped.recv(4096)[9:12], silent.recv(4096)] == [b"408", b"408", b""]
    assert endpoint.line("stopped-1")["reason"] == "RequestTimeout"
    assert [line["status"] for line in endpoint.log() if not line["path"]] == [408]
    for one in slow:
        one.close()


def test_a_caller_that_goes_is_written_down_and_its_slot_is_free(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url, max_concurrent_requests_per_instance=1))
    raw(endpoint, "/score?sleep=10", "x-request-id: gone-1\r\n").close()
    assert endpoint.line("gone-1")["status"] == 499
    assert endpoint.ask().status == 200


def test_what_is_no_http_is_400(endpoint: Endpoint) -> None:
    for junk in (
        b"hello\r\n\r\n",
        b"POST /score HTTP/1.1\r\nHost: e\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", endpoint.routes.port), 20) as connection:
            connection.sendall(junk)
            assert connection.recv(4096).startswith(b"HTTP/1.1 400")
    lines = [line for line in endpoint.log() if line["status"] == 400]
    assert [(line["reason"], line["client"]) for line in lines] == [("BadRequest", "127.0.0.1")] * 2


def test_own_paths_of_a_custom_container(endpoint: Endpoint, blue_url: str) -> None:
    endpoint.follow(deployment(blue_url, scoring_path="/v1/predict", paths=("/v1/models/*",)))
    assert endpoint.ask("/score?a=b").json["path"] == "/v1/predict?a=b"
    assert endpoint.ask("/v1/models/a", None, "GET").json["path"] == "/v1/models/a"
    assert endpoint.ask("/swagger.json?version=3", None, "GET").json["path"] == "/swagger.json?version=3"
    assert endpoint.ask("/v1/models/../../admin").status == 404


def test_liveness_needs_no_key_and_metrics_count(endpoint: Endpoint) -> None:
    assert endpoint.ask("/", None, "GET", authorization="").body == b"Healthy"
    before = endpoint.metric("mlctl_requests_total", deployment="blue", traffic="live", code="200")
    for _ in range(3):
        endpoint.ask()
    assert endpoint.metric("mlctl_requests_total", deployment="blue", traffic="live", code="200") == before + 3
    assert endpoint.metric("mlctl_ready_replicas", deployment="blue") == 1


def test_mirrored_requests_are_copies_and_their_failures_only_count(
    endpoint: Endpoint, processes: Processes, blue_url: str
) -> None:
    green, process = processes.stub("green")
    endpoint.follow(deployment(blue_url), deployment(green, name="green", weight=0, mirror=50, request_timeout_ms=3000))
    ids = [endpoint.ask(f"/score?q={n}", b"abc", x_request_id=f"m-{n}").headers["x-request-id"] for n in range(20)]
    until(lambda: sum(line["traffic"] == "mirror" for line in endpoint.log()) == 10)
    copies = [line for line in endpoint.log() if line["traffic"] == "mirror"]
    assert {(line["deployment"], line["model_status"], line["bytes_in"]) for line in copies} == {("green", 200, 3)}
    assert {line["request_id"] for line in copies} < set(ids)
    assert endpoint.metric("mlctl_requests_total", deployment="green", traffic="mirror", code="200") == 10
    # a mirror that is gone: no caller waits for it
    end(process)
    start = time.monotonic()
    for _ in range(10):
        assert endpoint.ask().status == 200
    assert time.monotonic() - start < 2
    until(lambda: endpoint.metric("mlctl_requests_total", deployment="green", traffic="mirror", code="503") > 0)


def test_collected_requests_and_responses(endpoint: Endpoint, blue_url: str, tmp_path: Path) -> None:
    endpoint.follow(deployment(blue_url, collector=Collector(str(tmp_path), sampling_rate=0.5, rolling_rate="day")))
    for number in range(10):
        endpoint.ask(body=json.dumps({"n": number}).encode(), content_type="application/json")

    def lines(collection: str) -> list[dict[str, object]]:
        files = tmp_path.glob(f"{collection}/????/??/??/*.jsonl")
        return [json.loads(line) for path in files for line in path.read_text().splitlines()]

    until(lambda: len(lines("response")) == 5)
    asked, answered = lines("request"), lines("response")
    assert [one["data"] for one in asked] == [{"n": number} for number in (1, 3, 5, 7, 9)]
    assert [one["xrequestid"] for one in asked] == [one["xrequestid"] for one in answered]
    assert answered[0]["data"]["name"] == "blue"  # type: ignore[index]
    assert asked[0]["source"] == "/onlineEndpoints/iris/deployments/blue"


def test_it_listens_on_loopback_only(served: Endpoint) -> None:
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    port = f"{served.routes.port:04X}"
    assert [address for address in listening if address.endswith(f":{port}")] == [f"0100007F:{port}"]
