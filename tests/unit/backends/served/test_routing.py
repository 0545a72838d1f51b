"""What the router is told, and when a replica may be ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlctl.backends.served.layout import EndpointFolder
from mlctl.backends.served.routing import Router, routes_of
from mlctl.backends.supervised.processes import current
from mlctl.entities.endpoint import Deployment, Endpoint
from mlctl.serving.routes import RouterState, load_routes, save_state

REQUESTS = {"request_timeout_ms": 1, "max_concurrent_requests_per_instance": 2, "max_queue_wait_ms": 3}


def plan(**more: Any) -> dict[str, Any]:
    return {"requests": REQUESTS, "routes": {}, "collector": None, **more}


def test_routes_of_deployments(tmp_path: Path) -> None:
    endpoint = Endpoint("iris", port=5001, traffic={"blue": 90, "gone": 10}, mirror_traffic={"own": 5})
    collector = {"collections": {"request": {"enabled": "True"}, "extra": {"enabled": "True"}}, "sampling_rate": 0.5}
    own = {"scoring": "/v1/models/m:predict", "liveness": "/v1", "readiness": "/v1"}
    routes = routes_of(
        endpoint,
        [
            (Deployment("iris", "blue", "local"), plan(collector=collector), ["http://127.0.0.1:1"]),
            (Deployment("iris", "own", "docker"), plan(routes=own), []),
        ],
        EndpointFolder(tmp_path),
    )
    blue, container = routes.deployments
    assert (blue.weight, blue.mirror, blue.replicas, blue.scoring_path) == (90, 0, ("http://127.0.0.1:1",), "/score")
    assert blue.collector is not None
    assert (blue.collector.request, blue.collector.response, blue.collector.sampling_rate) == (True, False, 0.5)
    assert (container.mirror, container.scoring_path, container.paths) == (5, "/v1/models/m:predict", ("/*",))


def test_a_replica_is_done_with_when_the_router_says_so(tmp_path: Path) -> None:
    router = Router(EndpointFolder(tmp_path))
    assert router.is_done_with("http://127.0.0.1:1")  # there is no router
    me = current()
    router.adopt({"pid": me.pid, "started": me.started})
    endpoint = Endpoint("iris", port=5001, traffic={"blue": 100})
    blue = Deployment("iris", "blue", "local")
    router.route(routes_of(endpoint, [(blue, plan(), ["http://127.0.0.1:1"])], EndpointFolder(tmp_path)))
    router.route(routes_of(endpoint, [(blue, plan(), ["http://127.0.0.1:2"])], EndpointFolder(tmp_path)))
    version = load_routes(tmp_path).version
    for told, draining, done in (
        (version - 1, {}, False),  # it has not seen the change
        (version, {"http://127.0.0.1:1": 2}, False),
        (version, {"http://127.0.0.1:9": 1}, True),
    ):
        save_state(tmp_path, RouterState(me.pid, 0.0, "127.0.0.1", 5001, told, draining))
        assert router.is_done_with("http://127.0.0.1:1") is done
        assert router.is_told() is (told == version)


def test_routes_are_written_when_they_change(tmp_path: Path) -> None:
    router = Router(EndpointFolder(tmp_path))
    same = routes_of(Endpoint("iris", port=5001), [], EndpointFolder(tmp_path))
    router.route(same)
    first = load_routes(tmp_path).version
    router.route(same)
    assert load_routes(tmp_path).version == first
    # another keeper goes on counting
    Router(EndpointFolder(tmp_path)).route(routes_of(Endpoint("iris", port=5002), [], EndpointFolder(tmp_path)))
    assert load_routes(tmp_path).version == first + 1
