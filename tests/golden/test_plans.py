"""What each back end would do with a spec, as data: `cases/<name>/spec.yml` and the plan for each back end.

The workspace is /ws, the job `golden`, the folder of cases /cases. A case may bring `settings.json` (settings by
key) and `compute.json` (settings of the docker compute). A plan that is refused is kept as the error.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from mlctl import settings
from mlctl.backends import KNOWN, connect
from mlctl.entities.compute import Compute
from mlctl.errors import MlctlError
from mlctl.spec.job import load_command_job

FOLDER = Path(__file__).parent
CASES = sorted(path.parent for path in FOLDER.glob("cases/*/spec.yml"))


@pytest.mark.parametrize("backend", sorted(KNOWN))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan_is_the_expected_one(case: Path, backend: str, tmp_path: Path, updating: bool) -> None:
    found = json.dumps(_plan(case, backend, tmp_path), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    found = found.replace(str(FOLDER / "cases"), "/cases")
    found = re.sub(r"\d\.\d+ of this machine", "X.Y of this machine", found)
    expected = case / f"{backend}.json"
    if updating:
        expected.write_text(found, encoding="utf-8")
    assert expected.exists(), "pytest tests/golden --update-golden writes it"
    assert json.loads(found) == json.loads(expected.read_text(encoding="utf-8"))
    assert found == expected.read_text(encoding="utf-8")


def test_there_is_nothing_else_in_the_cases() -> None:
    """A plan whose back end or spec has gone would never be compared again."""
    plans = {path for path in FOLDER.glob("cases/*/*.json") if path.name not in ("settings.json", "compute.json")}
    assert plans == {case / f"{backend}.json" for case in CASES for backend in KNOWN}


def _plan(case: Path, backend: str, home: Path) -> dict[str, Any]:
    given = {"environments.map": str(FOLDER / "environments.yml"), **_read(case / "settings.json")}
    known = settings.load(overrides=given, environ={"HOME": str(home), "MLCTL_HOME": str(home)}, cwd=home)
    compute = Compute(backend, backend, backend, settings=_read(case / "compute.json") if backend == "docker" else {})
    # planning asks a workspace for its name and its place only
    store: Any = SimpleNamespace(name="golden-workspace", folder=PurePosixPath("/ws"))
    try:
        job, problems = load_command_job(case / "spec.yml")
        job = replace(
            job,
            name=job.name or "golden",
            display_name=job.display_name or "golden",
            experiment_name=job.experiment_name or "golden-experiment",
        )
        plan = connect(backend, known, store).jobs.plan(job, compute).to_dict()
    except MlctlError as error:
        return {"error": error.code, "message": error.message, "hint": error.hint}
    return {**plan, "spec_warnings": [f"{problem.location}: {problem.message}" for problem in problems]}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
