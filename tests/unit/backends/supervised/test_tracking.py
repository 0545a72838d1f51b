"""The workspace's MLflow store: what we write is what MLflow writes, and what it writes we read."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from mlctl.backends.supervised.payload import RUN_TAG, experiment_id
from mlctl.backends.supervised.tracking import TrackedRun, end_run, fetch_metrics, metrics_of, read_metrics, start_run
from mlctl.errors import UnavailableError, UnsupportedError

RUN = TrackedRun("job-1", "iris", "My job", Path("/ws/jobs/job-1/artifacts"), "ann", 1_700_000_000.5)


def log_metric(run: Path, key: str, *lines: str) -> None:
    path = run / "metrics" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def test_a_run_has_the_jobs_name_and_artifacts(tmp_path: Path) -> None:
    start_run(tmp_path, RUN)
    meta = (tmp_path / experiment_id("iris") / "job-1" / "meta.yaml").read_text()
    assert 'run_id: "job-1"' in meta
    assert 'artifact_uri: "file:///ws/jobs/job-1/artifacts"' in meta
    assert "start_time: 1700000000500" in meta
    assert "status: 1" in meta
    end_run(tmp_path, replace(RUN, ended=1_700_000_001.0, status="FAILED"))
    meta = (tmp_path / experiment_id("iris") / "job-1" / "meta.yaml").read_text()
    assert "status: 4" in meta
    assert "end_time: 1700000001000" in meta


def test_the_last_value_of_each_metric(tmp_path: Path) -> None:
    start_run(tmp_path, RUN)
    run = tmp_path / experiment_id("iris") / "job-1"
    log_metric(run, "loss", "1000 0.9 0", "2000 0.1 1")
    log_metric(run, "val/acc", "1000 0.5 0")
    log_metric(run, "broken", "being written")
    metrics = read_metrics(tmp_path, experiment="iris", job="job-1")
    found = {metric.key: (metric.value, metric.step, metric.time) for metric in metrics}
    assert found == {"loss": (0.1, 1, 2.0), "val/acc": (0.5, 0, 1.0)}


def test_runs_that_the_script_opened_itself_fill_the_gaps(tmp_path: Path) -> None:
    start_run(tmp_path, RUN)
    folder = tmp_path / experiment_id("iris")
    log_metric(folder / "job-1", "loss", "1 1 0")
    for number, job in (("a", "job-1"), ("b", "other")):
        run = folder / (number * 32)
        (run / "tags").mkdir(parents=True)
        (run / "tags" / RUN_TAG).write_text(job)
        log_metric(run, "loss", "1 7 0")
        log_metric(run, f"own-{number}", "1 2 0")
    found = {metric.key: metric.value for metric in read_metrics(tmp_path, experiment="iris", job="job-1")}
    assert found == {"loss": 1.0, "own-a": 2.0}


class Server(http.server.BaseHTTPRequestHandler):
    """As much of an MLflow server as reading metrics needs."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.answer({"experiment": {"experiment_id": "7"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["experiment_ids"] == ["7"]
        assert body["filter"] == f"tags.`{RUN_TAG}` = 'job-1'"
        metric = {"key": "acc", "value": 0.5, "timestamp": "2000", "step": "3"}
        self.answer({"runs": [{"data": {"metrics": [metric]}}]})

    def answer(self, data: object) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(data).encode())

    def log_message(self, *_words: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    found = http.server.HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    thread.join()
    found.server_close()


def test_metrics_from_a_server(server: str) -> None:
    (metric,) = fetch_metrics(server, experiment="a b", job="job-1")
    assert (metric.key, metric.value, metric.step, metric.time) == ("acc", 0.5, 3, 2.0)
    assert Server.asked[0].endswith("experiment_name=a%20b")


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        metrics_of("http://127.0.0.1:9", tmp_path, experiment="a", job="b")
    with pytest.raises(UnsupportedError, match="databricks"):
        metrics_of("databricks", tmp_path, experiment="a", job="b")
