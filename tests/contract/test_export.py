"""A job that was exported and submitted again is the same job: on every back end, for every kind of spec there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import Bound

from mlctl.backends.base import Plan
from mlctl.entities.job import JobRecord
from mlctl.errors import ConflictError, MlctlError
from mlctl.operations.exporting import export, export_to
from mlctl.operations.jobs import prepare
from mlctl.output.formats import to_spec
from mlctl.spec.reader import read_text

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared/corpus/azureml-examples/cli"
OWN = sorted([*ROOT.glob("tests/golden/cases/*/spec.yml"), *ROOT.glob("examples/*/job.yml")])
PUBLISHED = sorted(
    path for path in (CORPUS / "jobs").rglob("*.yml") if "commandJob.schema" in path.read_text(encoding="utf-8")
)


@pytest.fixture
def known(planning: Bound) -> Bound:
    """A workspace in which planned jobs can be kept as if they had been submitted."""
    return planning


def keep(bound: Bound, plan: Plan) -> None:
    """What submitting a job writes down; nothing runs."""
    snapshot = bound.store.content.add_folder(Path(plan.uploads[0].path)) if plan.uploads else None
    record = JobRecord(
        name=plan.name,
        status="Completed",
        compute=plan.compute,
        backend=plan.backend,
        created_at=1.0,
        properties={"mlctl.code_hash": snapshot.folder_hash} if snapshot else {},
    )
    kept = {**plan.to_dict(), "code_digest": snapshot.digest if snapshot else None}
    bound.store.jobs.insert(record, plan=kept, folder=bound.store.jobs.new_folder())


def planned(bound: Bound, path: Path, name: str) -> Plan | MlctlError:
    """The plan of a spec, or why this back end refuses it."""
    try:
        return prepare(bound.desk, path, name=name, backend=bound.backend.name).plan
    except MlctlError as error:
        return error


def facts(plan: Plan, code: Path | None) -> Any:
    """What must be the same: everything but the job's name, where the code is, and how the environment is spelled."""
    data = plan.to_dict()
    data["record"].pop("environment")
    data.pop("warnings")  # they name the file
    data["spec"].pop("compute", None)  # the back end was chosen by hand here
    for part in (data["payload"].get("environment", {}), data["payload"].get("docker", {})):
        # the conda file comes with its requirement files read; what it asks for is in `packages` and in `spec`
        for word in ("origin", "warnings", "conversion_error", "conda"):
            part.pop(word, None)
    text = json.dumps(data, sort_keys=True).replace(plan.name, "NAME")
    return json.loads(text.replace(json.dumps(str(code)), '"CODE"') if code else text)


@pytest.mark.parametrize("spec", [*OWN, *PUBLISHED], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_create_export_create_is_the_same_job(known: Bound, spec: Path, tmp_path: Path) -> None:
    first = planned(known, spec, "first-job-name")
    if isinstance(first, MlctlError):
        # a refusal names the file, and submits nothing
        assert (first.exit_code in (3, 5, 9), str(spec) in first.message) == (True, True), first.message
        return
    keep(known, first)
    exported = export(known.desk, "first-job-name")
    assert "name" not in exported.document
    assert read_text(to_spec(exported.document), source="").data == exported.document
    again = tmp_path / "again.yml"
    again.write_text(to_spec(exported.document), encoding="utf-8")
    code = Path(first.payload["code"]) if first.payload["code"] else None
    if not any("signature" in text for text in exported.warnings):
        second = planned(known, again, "second-job-name")
        assert second is not None
        assert facts(second, code) == facts(first, code)
    folder = tmp_path / "folder"
    file, _ = export_to(known.desk, "first-job-name", folder, write=to_spec)
    if not any("signature" in text for text in exported.warnings):
        third = planned(known, file, "third-job-name")
        assert third is not None
        assert facts(third, folder / "code") == facts(first, code)


def test_the_tests_above_have_specs() -> None:
    assert len(OWN) > 15


def test_code_that_changed_is_told_and_kept(known: Bound, tmp_path: Path) -> None:
    (known.folder / "src").mkdir()
    (known.folder / "src/a.py").write_text("old")
    keep(known, known.plan(code="./src"))
    assert export(known.desk, "job").warnings == ()
    (known.folder / "src/a.py").write_text("new")
    (told,) = export(known.desk, "job").warnings
    assert "has changed since the job was submitted" in told
    export_to(known.desk, "job", tmp_path / "out", write=to_spec)
    assert (tmp_path / "out/code/a.py").read_text() == "old"
    assert "code: ./code\n" in (tmp_path / "out/job.yml").read_text()


def test_a_folder_with_something_in_it_is_not_written_to(known: Bound, tmp_path: Path) -> None:
    keep(known, known.plan())
    (tmp_path / "out").mkdir()
    export_to(known.desk, "job", tmp_path / "out", write=to_spec)
    before = (tmp_path / "out/job.yml").stat().st_ino
    with pytest.raises(ConflictError, match="out is there already"):
        export_to(known.desk, "job", tmp_path / "out", write=to_spec)
    assert (tmp_path / "out/job.yml").stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_signatures_are_not_exported(known: Bound) -> None:
    address = "https://account.blob.core.windows.net/c/a.csv?sv=2024&sig=abcdefghijklmnop"
    keep(known, known.plan(inputs={"data": {"type": "uri_file", "path": address}}))
    exported = export(known.desk, "job")
    assert "abcdefghijklmnop" not in to_spec(exported.document)
    assert "inputs.data.path: the signature of the address is left out" in exported.warnings[0]


def test_a_compute_that_was_replaced_by_hand_is_exported_as_it_was(known: Bound) -> None:
    """Written for a cluster and run here by itself, it stays portable; sent elsewhere with --backend, it goes there."""
    keep(known, known.plan(compute="azureml:cpu-cluster"))
    written = export(known.desk, "job").document["compute"]
    # without --backend an unknown compute means the local back end
    assert written == ("azureml:cpu-cluster" if known.backend.name == "local" else "azureml:docker")
