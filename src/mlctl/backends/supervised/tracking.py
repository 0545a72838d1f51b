"""MLflow's file store in the workspace, written and read without MLflow.

Layout and file formats are those of MLflow's FileStore (`meta.yaml`, one text file per metric, parameter and tag). It
is the one store that every MLflow from 1.x on and mlflow-skinny can use together, with no server and no migrations.
A run's id is its job's name, and its artifacts are the job's artifacts.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlctl.assets.mlflow_runs import RUN_TAG
from mlctl.entities.metric import Metric
from mlctl.errors import MlctlError, UnavailableError, UnsupportedError

_MLFLOW_ID = re.compile(r"[0-9a-f]{32}")
_STATUS = {"RUNNING": 1, "FINISHED": 3, "FAILED": 4, "KILLED": 5}


def experiment_id(name: str) -> str:
    """The id under which the workspace's own MLflow store keeps an experiment: 18 digits made from its name."""
    return str(10**17 + int(hashlib.sha256(name.encode()).hexdigest()[:14], 16))


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """The MLflow run of one job. `artifacts`: the job's artifact folder. `started` and `ended` in seconds."""

    job: str
    experiment: str
    display_name: str
    artifacts: Path
    user: str
    started: float
    ended: float | None = None
    status: str = "RUNNING"
    """RUNNING, FINISHED, FAILED or KILLED: MLflow's words."""


def start_run(store: Path, run: TrackedRun) -> None:
    """Make the experiment (if it is new) and the run. `store` is the workspace's `mlruns`."""
    folder = store / experiment_id(run.experiment)
    if not (folder / "meta.yaml").exists():
        meta: dict[str, object] = {
            "artifact_location": folder.as_uri(),
            "creation_time": int(run.started * 1000),
            "experiment_id": folder.name,
            "last_update_time": int(run.started * 1000),
            "lifecycle_stage": "active",
            "name": run.experiment,
        }
        _write_meta(folder, meta)
    place = folder / run.job
    for part in ("artifacts", "metrics", "params", "tags"):
        (place / part).mkdir(parents=True, exist_ok=True)
    tags = {"mlflow.runName": run.display_name, "mlflow.user": run.user, "mlflow.source.type": "JOB", RUN_TAG: run.job}
    for name, text in tags.items():
        (place / "tags" / name).write_text(text, encoding="utf-8")
    _write_run(place, run)


def end_run(store: Path, run: TrackedRun) -> None:
    """Close the run, if it was made."""
    place = store / experiment_id(run.experiment) / run.job
    if place.is_dir():
        _write_run(place, run)


def read_metrics(store: Path, *, experiment: str, job: str) -> list[Metric]:
    """The last value of each metric that the processes of a job logged, in any run they opened.

    The job's own run comes first; a metric of another run of the same experiment with the job's tag fills the gaps.
    """
    folder = store / experiment_id(experiment)
    found: dict[str, Metric] = {}
    for run in _runs_of(folder, job):
        for path in sorted((run / "metrics").rglob("*")) if (run / "metrics").is_dir() else []:
            if path.is_file():
                key = path.relative_to(run / "metrics").as_posix()
                metric = _last_metric(path, key)
                if metric and key not in found:
                    found[key] = metric
    return list(found.values())


def fetch_metrics(uri: str, *, experiment: str, job: str) -> list[Metric]:
    """The same from an MLflow server, through its REST interface (2.0/mlflow/runs/search by tag).

    `uri`: http(s) address. Raises UnavailableError when it does not answer.
    """
    found = _ask(uri, "experiments/get-by-name?experiment_name=" + _quoted(experiment))
    number = found.get("experiment", {}).get("experiment_id")
    if number is None:
        return []
    body = {"experiment_ids": [number], "filter": f"tags.`{RUN_TAG}` = '{job}'", "max_results": 100}
    metrics: dict[str, Metric] = {}
    for run in _ask(uri, "runs/search", body).get("runs", []):
        for given in run.get("data", {}).get("metrics", []):
            time = int(given["timestamp"]) / 1000
            metric = Metric(given["key"], float(given["value"]), int(given.get("step", 0)), time)
            metrics.setdefault(metric.key, metric)
    return list(metrics.values())


def _runs_of(folder: Path, job: str) -> list[Path]:
    own = folder / job
    runs = [own] if own.is_dir() else []
    for entry in os.scandir(folder) if folder.is_dir() else []:
        # a run that a script opened itself has MLflow's own kind of id, and the tag that MLFLOW_RUN_CONTEXT gave it;
        # the many runs of other jobs are told by their names alone
        if _MLFLOW_ID.fullmatch(entry.name) and _has_tag(Path(entry.path), job):
            runs.append(Path(entry.path))
    return runs


def _has_tag(run: Path, job: str) -> bool:
    try:
        return (run / "tags" / RUN_TAG).read_text(encoding="utf-8", errors="replace") == job
    except OSError:
        return False


def _last_metric(path: Path, key: str) -> Metric | None:
    """A metric file holds lines `time value step`; the last line counts."""
    try:
        line = path.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2].split()
        return Metric(key, float(line[1]), int(line[2]) if len(line) > 2 else 0, int(line[0]) / 1000)
    except (OSError, ValueError, IndexError):
        return None  # being written just now, or not a metric file


def _write_run(place: Path, run: TrackedRun) -> None:
    meta: dict[str, object] = {
        "artifact_uri": run.artifacts.as_uri(),
        "end_time": int(run.ended * 1000) if run.ended is not None else None,
        "entry_point_name": "",
        "experiment_id": place.parent.name,
        "lifecycle_stage": "active",
        "run_id": run.job,
        "run_name": run.display_name,
        "run_uuid": run.job,
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "start_time": int(run.started * 1000),
        "status": _STATUS[run.status],
        "tags": [],
        "user_id": run.user,
    }
    _write_meta(place, meta)


def _write_meta(folder: Path, meta: dict[str, object]) -> None:
    """Write `meta.yaml` at once. JSON scalars in block style are YAML, so no YAML writer is needed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in meta.items())
    temporary = folder / f".meta-{os.getpid()}"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / "meta.yaml")


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _ask(uri: str, call: str, body: dict[str, object] | None = None) -> Any:
    """The JSON that the server answers; an empty map for what it does not know."""
    import urllib.error
    import urllib.request

    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(
        f"{uri.rstrip('/')}/api/2.0/mlflow/{call}", data=data, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return {}
        raise MlctlError(f"the MLflow server at {uri} answered {error.code} to {call}") from error
    except OSError as error:
        raise UnavailableError(f"the MLflow server at {uri} does not answer: {error}") from error


def metrics_of(uri: str | None, store: Path, *, experiment: str, job: str) -> list[Metric]:
    """The metrics of a job wherever it tracks: `uri` None for the workspace's own store.

    Raises UnsupportedError for a tracking address that cannot be read without MLflow itself.
    """
    if uri is None:
        return read_metrics(store, experiment=experiment, job=job)
    if uri.startswith(("http://", "https://")):
        return fetch_metrics(uri, experiment=experiment, job=job)
    raise UnsupportedError(
        f"metrics cannot be read back from tracking.uri {uri!r}",
        hint="they are where the job put them; mlctl reads the workspace's own store and http(s) MLflow servers",
    )
