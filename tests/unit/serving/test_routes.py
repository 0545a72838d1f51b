"""`routes.json` and `router.json`: written whole, read leniently, refused when they make no sense."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from mlctl.errors import InvalidSpecError, NotFoundError
from mlctl.serving.routes import (
    Collector,
    Deployment,
    RouterState,
    Routes,
    load_routes,
    load_state,
    save_routes,
    save_state,
)


def test_routes_are_read_as_they_were_written(tmp_path: Path) -> None:
    collector = Collector("/kept", response=False, sampling_rate=0.5, rolling_rate="day")
    blue = Deployment("blue", ("http://127.0.0.1:1", "http://127.0.0.1:2"), 90, collector=collector, paths=("/v2/*",))
    routes = Routes(version=7, endpoint="iris", port=5001, deployments=(blue, Deployment("green", weight=10, mirror=5)))
    save_routes(tmp_path, routes)
    assert load_routes(tmp_path) == routes
    assert [path.name for path in tmp_path.iterdir()] == ["routes.json"]


def test_defaults_are_azures_and_unknown_keys_are_passed_over(tmp_path: Path) -> None:
    text = '{"version": 1, "news": 1, "deployments": {"blue": {"replicas": ["http://h:1/"], "routes": {}}}}'
    (tmp_path / "routes.json").write_text(text)
    found = load_routes(tmp_path).deployments[0]
    assert (found.request_timeout_ms, found.max_concurrent_requests_per_instance, found.max_queue_wait_ms) == (
        5000,
        1,
        500,
    )
    assert found.replicas == ("http://h:1",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid"),
        ("[]", "not valid"),
        ("{}", "version"),
        ('{"version": 1, "auth_mode": "none"}', "auth_mode 'none'"),
        ('{"version": 1, "deployments": {"blue": {"weight": -1}}}', "weight of blue"),
        ('{"version": 1, "deployments": {"blue": {"weight": "9"}}}', "weight of blue"),
        ('{"version": 1, "deployments": {"blue": {"collector": {"folder": "/f", "rolling_rate": "week"}}}}', "'week'"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "routes.json").write_text(text)
    with pytest.raises(InvalidSpecError, match=said):
        load_routes(tmp_path)


def test_a_folder_without_routes(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"routes\.json"):
        load_routes(tmp_path)


def test_the_state_of_a_router_and_its_absence(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None
    state = RouterState(12, 1.5, "127.0.0.1", 5001, 3, {"http://127.0.0.1:1": 2})
    save_state(tmp_path, state)
    assert load_state(tmp_path) == state
    (tmp_path / "router.json").write_text(json.dumps({"pid": 1}))
    assert load_state(tmp_path) is None


def test_a_file_is_the_owners_alone_even_over_one_that_was_left_open(tmp_path: Path) -> None:
    save_routes(tmp_path, Routes())
    (tmp_path / "routes.json").chmod(0o644)
    save_routes(tmp_path, Routes(version=2))
    assert stat.S_IMODE((tmp_path / "routes.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/score", "/v1/predict"),
        ("/v1/predict", "/v1/predict"),
        ("/swagger.json", "/swagger.json"),
        ("/v2/models/a", "/v2/models/a"),
        ("/exact", "/exact"),
        ("/exact/more", None),
        ("/v2", None),
        ("/v2/../admin", None),
        ("/v2/%2e%2E/admin", None),
        ("/other", None),
    ],
)
def test_paths_that_a_deployment_answers(path: str, asked: str | None) -> None:
    deployment = Deployment("blue", scoring_path="/v1/predict", paths=("/v2/*", "/exact"))
    assert deployment.path_for(path) == asked
