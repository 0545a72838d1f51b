"""What differs between two jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlctl import settings
from mlctl.backends import connect
from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.entities.metric import Metric
from mlctl.errors import NotFoundError
from mlctl.operations.comparing import Comparison, compare
from mlctl.operations.jobs import JobDesk
from mlctl.store.workspaces import Workspaces

Keep = Callable[..., None]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[JobDesk]:
    known = settings.load(overrides={"home": str(tmp_path / "home")}, environ={}, cwd=tmp_path)
    store = Workspaces(known.home, Clock()).open("default")
    backend = connect("local", known, store)
    yield JobDesk(store, known, Clock(), lambda _name: backend)
    store.database.close()


@pytest.fixture
def keep(desk: JobDesk, tmp_path: Path) -> Keep:
    """Keep a job that ended: `spec` and `inputs` as they were submitted, `code` and `outputs` as path -> text."""

    def insert(
        name: str,
        *,
        spec: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        code: dict[str, str | bytes] | None = None,
        outputs: dict[str, str] | None = None,
        metrics: dict[str, float] | None = None,
        **fields: Any,
    ) -> None:
        digest = None
        if code is not None:
            write(tmp_path / f"code-{name}", code)
            digest = desk.store.content.add_folder(tmp_path / f"code-{name}").digest
        given = {"status": "Completed", "exit_code": 0, "display_name": name, "document": {"inputs": inputs or {}}}
        record = JobRecord(name, compute="local", backend="local", created_at=1.0, **{**given, **fields})
        folder = desk.store.job_folder(name)
        target = {"name": "model", "target": str(folder / "named-outputs/model"), "type": "uri_folder"}
        plan = {"payload": {"folder": str(folder), "outputs": [target]}, "spec": spec or {}, "code_digest": digest}
        desk.store.jobs.insert(record, plan=plan, folder=desk.store.jobs.new_folder())
        write(folder, outputs or {})
        desk.store.jobs.put_metrics(name, [Metric(key, value, 1, 1.0) for key, value in (metrics or {}).items()])

    return insert


def write(folder: Path, files: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text if isinstance(text, bytes) else text.encode())


def rows(found: Comparison) -> dict[str, tuple[Any, Any]]:
    return {f"{row.section} {row.key}": (row.left, row.right) for row in found.differences}


def test_equal_jobs_have_no_differences(desk: JobDesk, keep: Keep) -> None:
    same: dict[str, Any] = {
        "spec": {"command": "x", "environment": {"image": "i", "conda_file": {"dependencies": ["a", {"pip": ["b"]}]}}},
        "inputs": {"lr": "0.1"},
        "code": {"a.py": "1"},
        "outputs": {"named-outputs/model/m": "1", "artifacts/outputs/o": "2"},
        "metrics": {"loss": 0.5, "nothing": math.nan},
    }
    keep("a", **same)
    keep("b", **same)
    found = compare(desk, "a", "b", code=True)
    assert (found.equal, found.differences, found.code_diff) == (True, [], "")
    assert compare(desk, "a", "a").equal


def test_metrics_come_with_their_difference(desk: JobDesk, keep: Keep) -> None:
    keep("a", metrics={"loss": 0.5, "same": 1.0, "only": 2.0})
    keep("b", metrics={"loss": 0.25, "same": 1.0})
    found = compare(desk, "a", "b")
    assert [(row.key, row.left, row.right, row.difference) for row in found.differences] == [
        ("loss", 0.5, 0.25, -0.25),
        ("only", 2.0, None, None),
    ]


def test_parameters_inputs_and_outcome(desk: JobDesk, keep: Keep) -> None:
    data = {"type": "uri_file", "mode": "ro_mount", "path": "azureml:iris:1"}
    keep("a", inputs={"lr": "0.1", "d": data})
    error = {"code": "CommandFailed", "message": "m"}
    other = {"lr": "0.2", "d": {**data, "path": "azureml:iris:2"}}
    keep("b", inputs=other, status="Failed", exit_code=3, error=error)
    assert rows(compare(desk, "a", "b")) == {
        "status status": ("Completed", "Failed"),
        "status exit_code": (0, 3),
        "status error": (None, "CommandFailed"),
        "parameters lr": ("0.1", "0.2"),
        "inputs d.path": ("azureml:iris:1", "azureml:iris:2"),
    }


def test_each_package_of_the_environment_is_a_row(desk: JobDesk, keep: Keep) -> None:
    def environment(image: str, *packages: Any) -> dict[str, Any]:
        return {"environment": {"image": image, "conda_file": {"channels": ["c"], "dependencies": [*packages]}}}

    keep("a", spec=environment("one", "python=3.10", "conda-forge::numpy=1.26", {"pip": ["Scikit_Learn==1.4", "-r x"]}))
    keep("b", spec=environment("two", "numpy=1.26.4", {"pip": ["scikit-learn==1.5", "extra"]}, "python=3.10"))
    assert rows(compare(desk, "a", "b")) == {
        "environment image": ("one", "two"),
        "environment conda numpy": ("conda-forge::numpy=1.26", "numpy=1.26.4"),
        "environment pip scikit-learn": ("Scikit_Learn==1.4", "scikit-learn==1.5"),
        "environment pip -r x": ("-r x", None),
        "environment pip extra": (None, "extra"),
    }
    keep("c", spec={"environment": "azureml:e:1"})
    assert rows(compare(desk, "a", "c"))["environment reference"] == (None, "azureml:e:1")


def test_code_by_file_and_by_line(desk: JobDesk, keep: Keep) -> None:
    keep("a", code={"same.py": "s", "old.py": "gone", "train.py": "one\ntwo\n", "w.bin": b"\xff\x00"})
    keep("b", code={"same.py": "s", "new.py": "came\n", "train.py": "one\n2\n", "w.bin": b"\xff\x01"})
    found = compare(desk, "a", "b", code=True)
    changed = rows(found)
    assert sorted(changed) == ["code new.py", "code old.py", "code train.py", "code w.bin"]
    assert changed["code new.py"][0] is None
    assert changed["code old.py"][1] is None
    assert found.code_diff == (
        "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+came\n"
        "--- a/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n\\ No newline at end of file\n"
        "--- a/train.py\n+++ b/train.py\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
        "Files a/w.bin and b/w.bin differ\n"
    )
    assert compare(desk, "a", "b").code_diff == ""


def test_outputs_by_their_files(desk: JobDesk, keep: Keep) -> None:
    keep("a", outputs={"named-outputs/model/m": "1", "named-outputs/model/only": "x", "artifacts/outputs/o": "1"})
    keep(
        "b", outputs={"named-outputs/model/m": "2", "artifacts/outputs/o": "2", "artifacts/user_logs/std_log.txt": "l"}
    )
    assert sorted(rows(compare(desk, "a", "b"))) == ["outputs default/o", "outputs model/m", "outputs model/only"]


def test_secrets_are_not_shown(desk: JobDesk, keep: Keep) -> None:
    def spec(secret: str) -> dict[str, Any]:
        return {
            "command": f"run --token {secret}",
            "environment_variables": {"MY_API_KEY": secret, "LEVEL": secret[:4]},
        }

    one, two = "abcd-first-secret-value", "efgh-other-secret-value"
    keep("a", spec=spec(one), code={"a.py": f"run --token {one}\n"})
    keep("b", spec=spec(two), code={"a.py": f"run --token {two}\n"})
    found = compare(desk, "a", "b", code=True)
    assert "secret-value" not in repr(found)
    changed = rows(found)
    assert changed["variables LEVEL"] == ("abcd", "efgh")
    assert changed["variables MY_API_KEY"] == ("abcd…", "efgh…")
    assert changed["command command"] == ("run --token abcd…", "run --token efgh…")


def test_resources_git_and_what_people_wrote(desk: JobDesk, keep: Keep) -> None:
    keep("a", spec={"resources": {"instance_count": 1}}, tags={"t": "1"}, properties={"mlflow.source.git.commit": "x"})
    more = {"properties": {"mlflow.source.git.commit": "y", "azureml.git.dirty": "True"}, "description": "d"}
    keep("b", spec={"resources": {"instance_count": 2}, "limits": {"timeout": 5}}, display_name="shown", **more)
    assert rows(compare(desk, "a", "b")) == {
        "git commit": ("x", "y"),
        "git dirty": (None, "True"),
        "resources resources.instance_count": (1, 2),
        "resources limits.timeout": (None, 5),
        "labels display_name": (None, "shown"),
        "labels description": (None, "d"),
        "labels tags.t": ("1", None),
    }


def test_an_unknown_job_is_told(desk: JobDesk, keep: Keep) -> None:
    keep("a")
    with pytest.raises(NotFoundError, match="'nobody'"):
        compare(desk, "a", "nobody")
