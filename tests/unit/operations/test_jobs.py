"""Which compute a job goes to, what is shown of it, waiting and updating; with a stand-in for the back end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mlctl import settings
from mlctl.backends.base import Backend, Health, Plan
from mlctl.entities.clock import Clock
from mlctl.entities.command_job import CommandJob
from mlctl.entities.compute import Compute
from mlctl.entities.job import JobRecord
from mlctl.entities.metric import Metric
from mlctl.errors import InvalidSpecError, NotFinishedError, NotFoundError, UsageError
from mlctl.operations import jobs
from mlctl.operations.jobs import JobDesk
from mlctl.store.workspaces import Workspaces, WorkspaceStore


@dataclass
class FakeJobs:
    """Plans everything, runs nothing; `statuses` are what `get` tells one after the other, the last for ever."""

    store: WorkspaceStore
    statuses: list[str] = field(default_factory=lambda: ["Completed"])
    reason: str | None = None

    def plan(self, job: CommandJob, compute: Compute) -> Plan:
        payload = {"job": job.name, "experiment": job.experiment_name, "display_name": job.display_name}
        return Plan("fake", "command", job.name or "", compute.name, payload, warnings=("of the plan",))

    def get(self, name: str) -> JobRecord:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return replace(self.store.jobs.get(name), status=status)

    def waiting_reason(self, record: JobRecord) -> str | None:
        return self.reason if record.status == "Queued" else None

    def metrics(self, _name: str) -> list[Metric]:
        return [Metric("loss", 0.5, 1, 1.0)]

    def look_after(self) -> None:
        return


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    made = Workspaces(tmp_path / "home", Clock(now=lambda: 1000.0)).open("default")
    yield made
    made.database.close()


@pytest.fixture
def fake(store: WorkspaceStore) -> FakeJobs:
    return FakeJobs(store)


@pytest.fixture
def desk(store: WorkspaceStore, fake: FakeJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobDesk:
    folder = tmp_path / "my-project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    known = settings.load(overrides={"home": str(tmp_path / "home")}, environ={}, cwd=folder)
    backend: Any = Backend("fake", fake, lambda _compute=None: Health(ok=True))  # type: ignore[arg-type]
    return JobDesk(store, known, Clock(now=lambda: 1000.0, new_job_name=lambda: "fresh_name"), lambda _name: backend)


@pytest.fixture
def add(store: WorkspaceStore) -> Callable[..., JobRecord]:
    """Put a record into the workspace."""

    def insert(name: str, **fields: Any) -> JobRecord:
        given: dict[str, Any] = {"status": "Completed", "compute": "local", "backend": "fake", "created_at": 1.0}
        record = JobRecord(name=name, **{**given, **fields})
        return store.jobs.insert(record, plan={}, folder=store.jobs.new_folder())

    return insert


def spec(**more: Any) -> Path:
    path = Path("job.yml").absolute()
    path.write_text(json.dumps({"command": "true", "environment": {"image": "x"}, **more}, indent=1))
    return path


def test_a_job_gets_a_name_and_the_folders_name_as_experiment(desk: JobDesk) -> None:
    plan = jobs.prepare(desk, spec()).plan
    assert plan.payload == {"job": "fresh_name", "experiment": "my-project", "display_name": "fresh_name"}
    given = jobs.prepare(desk, spec(name="a", display_name="b", experiment_name="c"), name="wins").plan
    assert given.payload == {"job": "wins", "experiment": "c", "display_name": "b"}


def test_every_warning_says_where(desk: JobDesk) -> None:
    path = spec(compute="azureml:big", outputs={"o": {"version": "1"}})
    found = jobs.prepare(desk, path).warnings
    assert [text.removeprefix(f"{path}:") for text in found] == [
        "9:15: 'outputs.o.version' has no effect without a name to register the output as",
        "6: compute 'big' is not known in this workspace: the job runs on 'local' instead",
        "of the plan",
    ]


@pytest.mark.parametrize(
    ("wanted", "backend", "chosen", "said"),
    [
        (None, None, "local", ""),
        ("local", None, "local", ""),
        ("azureml:local", None, "local", ""),
        ("azureml:box", None, "box", ""),
        ("box", "docker", "box", ""),
        ("box", "local", "local", "compute 'box' is replaced by 'local', as --backend says"),
        (None, "docker", "docker", ""),
        ("gpu", None, "local", "compute 'gpu' is not known in this workspace: the job runs on 'local' instead"),
        ("gpu", "docker", "docker", "compute 'gpu' is not known in this workspace: the job runs on 'docker' instead"),
    ],
)
def test_which_compute_is_chosen(
    desk: JobDesk, wanted: str | None, backend: str | None, chosen: str, said: str
) -> None:
    desk.store.computes.put(Compute("box", "docker", "docker"))
    job = CommandJob(command="x", environment=None, compute=wanted)  # type: ignore[arg-type]
    compute, warnings = jobs.choose_compute(desk, job, backend=backend, strict=False)
    assert (compute.name, "".join(warnings)) == (chosen, said)


def test_strict_refuses_an_unknown_compute(desk: JobDesk) -> None:
    with pytest.raises(NotFoundError, match="no compute named 'gpu' in workspace 'default'") as caught:
        jobs.prepare(desk, spec(compute="gpu"), strict=True)
    assert "local" in (caught.value.hint or "")


def test_a_wrong_spec_is_refused_with_every_problem(desk: JobDesk) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        jobs.prepare(desk, spec(comand="x", imag="y"))
    assert [found.code for found in caught.value.problems].count("unknown_key") == 2


def test_a_job_is_shown_in_the_words_of_az(desk: JobDesk, add: Callable[..., JobRecord]) -> None:
    add(
        "j", tags={"a": "b", "_aml_system_x": "hidden"}, document={"command": "true", "outputs": {"o": {}}}, exit_code=0
    )
    shown = jobs.describe(desk, desk.store.jobs.get("j"))
    assert shown["id"] == "azureml://jobs/j"
    assert shown["compute"] == "azureml:local"
    assert shown["tags"] == {"a": "b"}
    assert list(shown["outputs"]) == ["default", "o"]
    assert shown["creation_context"]["created_at"] == "1970-01-01T00:00:01+00:00"
    assert shown["services"]["Tracking"]["endpoint"] == (desk.store.folder / "mlruns").as_uri()
    assert shown["error"] is None
    assert "start_time" not in shown


def test_show_adds_metrics_and_the_reason_to_wait(desk: JobDesk, fake: FakeJobs, add: Callable[..., JobRecord]) -> None:
    add("j", status="Queued")
    fake.statuses, fake.reason = ["Queued"], "others are first"
    shown = jobs.show(desk, "j", metrics=True)
    assert shown["waiting_reason"] == "others are first"
    assert shown["metrics"] == {"loss": 0.5}
    with pytest.raises(NotFoundError):
        jobs.show(desk, "nope")


def test_wait_ends_with_the_job_or_its_patience(desk: JobDesk, fake: FakeJobs, add: Callable[..., JobRecord]) -> None:
    add("j", status="Queued")
    fake.statuses = ["Queued", "Running", "Failed"]
    assert jobs.wait(desk, "j").status == "Failed"
    fake.statuses, fake.reason = ["Queued"], "others are first"
    with pytest.raises(NotFinishedError, match=r"job 'j' is Queued after 0 s: others are first") as caught:
        jobs.wait(desk, "j", timeout=0)
    assert "mlctl job stream -n j" in (caught.value.hint or "")


def test_update_changes_what_may_change(desk: JobDesk, add: Callable[..., JobRecord]) -> None:
    add("j", tags={"a": "1", "b": "2"})
    operations = [("set", ["tags.c=3", "display_name=Best"]), ("remove", ["tags.a"])]
    record = jobs.update(desk, "j", operations=operations)
    assert record.tags == {"b": "2", "c": "3"}
    assert desk.store.jobs.get("j").display_name == "Best"
    with pytest.raises(UsageError, match="tags cannot be 'x'"):
        jobs.update(desk, "j", operations=[("set", ["tags=x"])])
    with pytest.raises(UsageError, match="cannot change status"):
        jobs.update(desk, "j", operations=[("set", ["status=Completed2"])])
    assert jobs.update(desk, "j", operations=()).tags == {"b": "2", "c": "3"}


def test_what_az_hides_survives_an_update(desk: JobDesk, add: Callable[..., JobRecord]) -> None:
    add("j", tags={"_aml_system_x": "kept"})
    assert jobs.update(desk, "j", operations=[("set", ["tags.a=1"])]).tags == {"_aml_system_x": "kept", "a": "1"}


def test_list_by_metric_shows_it(desk: JobDesk, add: Callable[..., JobRecord]) -> None:
    for name, value in (("a", 0.1), ("b", 0.3), ("c", 0.2)):
        add(name)
        desk.store.jobs.put_metrics(name, [Metric("acc", value, 0, 1.0)])
    add("without")
    found = jobs.list_jobs(desk, max_results=None, metric="acc")
    assert [one["name"] for one in found][:3] == ["b", "c", "a"]
    assert found[0]["metrics"] == {"acc": 0.3}
    assert [one["name"] for one in jobs.list_jobs(desk, max_results=2)] == ["without", "c"]


def test_archived_jobs_are_out_of_the_list(desk: JobDesk, add: Callable[..., JobRecord]) -> None:
    add("a")
    add("b")
    jobs.set_archived(desk, "a", archived=True)
    assert [one["name"] for one in jobs.list_jobs(desk, max_results=None)] == ["b"]
    jobs.set_archived(desk, "a", archived=False)
    assert len(jobs.list_jobs(desk, max_results=None)) == 2
    with pytest.raises(NotFoundError):
        jobs.set_archived(desk, "nope", archived=True)


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        ("Completed", None, (True, "job 'j' completed")),
        ("Failed", {"message": "because"}, (False, "job 'j' failed: because")),
        ("Canceled", None, (False, "job 'j' was cancelled")),
        ("Canceled", {"message": "too late"}, (False, "job 'j' was cancelled: too late")),
    ],
)
def test_the_outcome_in_one_sentence(status: str, error: dict[str, Any] | None, told: tuple[bool, str]) -> None:
    record = JobRecord(name="j", status=status, compute="c", backend="b", created_at=1.0, error=error)
    assert jobs.outcome(record) == told
