"""A job as a spec that stands alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlctl.backends.submitted import submitted_document
from mlctl.spec.job import load_command_job


def submitted(folder: Path, text: str, **fields: Any) -> dict[str, Any]:
    (folder / "job.yml").write_text(text)
    return submitted_document(load_command_job(folder / "job.yml", fields=fields)[0])


ENVIRONMENT = "environment: {image: python, conda_file: conda.yml}\n"


def test_what_was_written_with_absolute_paths_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "a.csv").write_text("1")
    found = submitted(
        tmp_path,
        "name: n\ncommand: echo ${{inputs.d}} ${{inputs.lr}}\ncode: src\nenvironment: {image: python}\n"
        "inputs: {d: {path: a.csv}, lr: 0.1}\noutputs: {o: }\nstatus: Completed\ntags: {}\n",
    )
    assert found == {
        "type": "command",
        "command": "echo ${{inputs.d}} ${{inputs.lr}}",
        "code": str(tmp_path / "src"),
        "inputs": {"d": {"type": "uri_file", "path": str(tmp_path / "a.csv")}, "lr": 0.1},
        "outputs": {"o": {"type": "uri_folder"}},
        "environment": {"image": "python"},
    }
    assert list(found)[:3] == ["type", "command", "code"]


def test_the_conda_file_is_inside_with_the_files_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy  # fast\n./own\n")
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11, pip, {pip: [-r requirements.txt, scipy]}]\n")
    found = submitted(tmp_path, "command: x\n" + ENVIRONMENT)
    assert found["environment"]["conda_file"]["dependencies"] == [
        "python=3.11",
        "pip",
        {"pip": ["numpy", str(tmp_path / "own"), "scipy"]},
    ]


def test_a_file_of_an_environment_is_inside(tmp_path: Path) -> None:
    (tmp_path / "env.yml").write_text("name: e\nimage: python:3.11\n")
    assert submitted(tmp_path, "command: x\nenvironment: file:env.yml\n")["environment"] == {"image": "python:3.11"}
    assert submitted(tmp_path, "command: x\nenvironment: azureml:e:1\n")["environment"] == "azureml:e:1"


def test_a_display_name_of_its_own_stays_and_the_name_itself_does_not(tmp_path: Path) -> None:
    text = "command: x\nenvironment: azureml:e:1\nname: n\ndisplay_name: "
    assert submitted(tmp_path, text + "shown\n")["display_name"] == "shown"
    assert "display_name" not in submitted(tmp_path, text + "n\n")
