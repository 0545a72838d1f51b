"""What packages and exports decide, without an engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlctl.entities.clock import Clock
from mlctl.entities.online_deployment import Route
from mlctl.operations.assets import AssetDesk, create
from mlctl.operations.deployment_specs import read_deployment
from mlctl.operations.edge import service_of
from mlctl.operations.endpoints import EndpointDesk
from mlctl.operations.package_specs import without_secrets
from mlctl.settings import load
from mlctl.spec.asset import load_asset
from mlctl.store.workspaces import Workspaces, WorkspaceStore

CLOCK = Clock(now=lambda: 1000.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    made = Workspaces(tmp_path / "home", CLOCK).open("default")
    yield made
    made.database.close()


def test_secrets_are_known_by_name_or_by_form() -> None:
    given = {
        "WORKER_COUNT": "2",
        "API_TOKEN": "abcdefgh123",
        "GREETING": "hf_" + "a1" * 20,
        "DB_PASSWORD": "${DB_PASSWORD}",
        "SECRET": "",
    }
    plain, secret = without_secrets(given)
    assert secret == ("API_TOKEN", "GREETING")
    assert plain == {name: given[name] for name in ("WORKER_COUNT", "DB_PASSWORD", "SECRET")}


def test_the_health_check_has_the_times_of_the_liveness_probe() -> None:
    probe = {"initial_delay": 7, "period": 5, "timeout": 3, "failure_threshold": 4, "success_threshold": 1}
    plan = {"routes": {}, "port": 5001, "liveness": probe}
    pinned = f"registry.example/iris@sha256:{'0' * 64}"
    service = service_of(plan, "e-d", {"A": "1"}, {"TOKEN": ""}, None, reference=pinned)
    assert (service.start, service.period, service.timeout, service.retries) == (7, 5, 3, 4)
    assert service.health is not None
    assert (service.variables, service.secrets) == ({"A": "1"}, {"TOKEN": ""})
    assert (service.port, service.host_port, service.pulled) == (5001, 5001, True)
    own = service_of({**plan, "routes": {"liveness": "/live"}}, "e-d", {}, {}, 80, reference="mlctl/environment:1")
    assert (own.health, own.host_port, own.pulled) == (None, 80, False)


def test_a_registered_environment_with_routes_is_a_container_of_its_own(store: WorkspaceStore, tmp_path: Path) -> None:
    routes = {f"{name}_route": {"path": f"/{name}", "port": 5001} for name in ("scoring", "liveness", "readiness")}
    desk = AssetDesk(store, CLOCK)
    create(desk, "environment", None, fields={"name": "svc", "image": "svc:1", "inference_config": routes})
    spec = {"name": "blue", "endpoint_name": "flowers", "environment": "azureml:svc:1", "instance_count": 1,
            "instance_type": "Standard_DS3_v2"}  # fmt: skip
    (tmp_path / "d.yml").write_text(json.dumps(spec))
    settings = load(environ={"MLCTL_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}, cwd=tmp_path)
    endpoints = EndpointDesk(store, settings, CLOCK, connect=pytest.fail)
    wanted = read_deployment(endpoints, load_asset("online-deployment", tmp_path / "d.yml"), "flowers")
    assert wanted.routes["scoring"] == Route("/scoring", 5001)
    assert wanted.environment.image == "svc:1"
