from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from mlctl.environments import interpreters
from mlctl.environments.interpreters import Interpreter, find_interpreter, list_candidates, probe_interpreter
from mlctl.errors import InvalidSpecError, UnavailableError

OWN = interpreters.base_interpreter()
OWN_MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Machine:
    """Interpreters that are there in name only, and how often they were asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.environ = {"PATH": str(self.folder), "HOME": str(folder)}
        self.versions: dict[str, tuple[str, bool]] = {}
        self.asked: list[str] = []
        self.cache = folder / "cache"
        monkeypatch.setattr(interpreters, "probe_interpreter", self.probe)
        monkeypatch.setattr(interpreters, "_folders", lambda _: [self.folder])
        monkeypatch.setattr(sys, "_base_executable", str(self.add("own-python", "3.11.2")), raising=False)

    def add(self, name: str, version: str, *, final: bool = True) -> Path:
        path = self.folder / name
        path.write_text("")
        self.versions[str(path)] = (version, final)
        return path

    def probe(self, executable: str) -> tuple[Interpreter, bool] | None:
        self.asked.append(executable)
        known = self.versions.get(executable)
        return (Interpreter(executable, known[0]), known[1]) if known else None

    def find(self, request: str | None) -> tuple[str, str | None]:
        choice = find_interpreter(request, cache=self.cache, environ=self.environ)
        return choice.interpreter.version, choice.warning


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_nothing_asked_is_mlctls_own_base(machine: Machine) -> None:
    machine.add("python3.13", "3.13.0")
    assert machine.find(None) == ("3.11.2", None)


def test_the_version_asked_for(machine: Machine) -> None:
    machine.add("python3.10", "3.10.13")
    machine.add("python3.13", "3.13.0")
    assert machine.find("3.10") == ("3.10.13", None)
    assert machine.find("3.10.13") == ("3.10.13", None)
    assert machine.find(">=3.9,<3.11") == ("3.10.13", None)
    assert machine.find(">=3.9") == ("3.13.0", None)


def test_another_patch_is_taken_with_a_warning(machine: Machine) -> None:
    machine.add("python3.10", "3.10.13")
    assert machine.find("3.10.4") == (
        "3.10.13",
        "Python 3.10.4 is not on this machine; Python 3.10.13 is used instead",
    )


def test_the_nearest_newer_then_the_nearest_older(machine: Machine) -> None:
    machine.add("python3.9", "3.9.18")
    machine.add("python3.13", "3.13.0")
    warning = "Python {} is not on this machine; Python {} is used instead"
    assert machine.find("3.10") == ("3.11.2", warning.format("3.10", "3.11.2"))
    assert machine.find("3.12") == ("3.13.0", warning.format("3.12", "3.13.0"))
    assert machine.find("3.14") == ("3.13.0", warning.format("3.14", "3.13.0"))


def test_a_shim_that_does_not_run_is_passed_over(machine: Machine) -> None:
    (machine.folder / "python3.10").write_text("")
    machine.add("python3.12", "3.12.1")
    version, warning = machine.find("3.10")
    assert version == "3.11.2"
    assert warning


def test_final_releases_come_before_candidates(machine: Machine) -> None:
    machine.add("python3.14", "3.14.0", final=False)
    machine.add("python3.13", "3.13.0")
    assert machine.find("3.14")[0] == "3.14.0"
    other = machine.folder / "other"
    other.write_text("")
    assert machine.find(">=3.13")[0] == "3.14.0"


def test_a_second_look_runs_nothing(machine: Machine) -> None:
    machine.add("python3.10", "3.10.13")
    first = machine.find("3.10")
    machine.asked.clear()
    assert machine.find("3.10") == first
    assert machine.asked == []


def test_a_changed_interpreter_is_asked_again(machine: Machine) -> None:
    path = machine.add("python3.10", "3.10.13")
    machine.find("3.10")
    machine.add("python3.10", "3.10.14")
    os.utime(path, ns=(1, 1))
    assert machine.find("3.10") == ("3.10.14", None)
    path.unlink()
    assert machine.find("3.10")[0] == "3.11.2"


def test_a_second_best_answer_is_forgotten_once_the_right_one_is_installed(machine: Machine) -> None:
    assert machine.find("3.10")[1]
    machine.asked.clear()
    assert machine.find("3.10")[1]
    assert machine.asked == []
    machine.add("python3.10", "3.10.13")
    assert machine.find("3.10") == ("3.10.13", None)


def test_broken_memory_is_no_obstacle(machine: Machine) -> None:
    machine.cache.mkdir()
    (machine.cache / "interpreters.json").write_text("{")
    assert machine.find("3.11") == ("3.11.2", None)
    (machine.cache / "interpreters.json").write_text(json.dumps({"3.11": {"interpreter": {"wrong": 1}}}))
    assert machine.find("3.11") == ("3.11.2", None)


def test_no_python_at_all_and_no_version_at_all(machine: Machine) -> None:
    machine.versions.clear()
    with pytest.raises(UnavailableError, match="no usable Python"):
        machine.find("3.10")
    with pytest.raises(InvalidSpecError, match="not a Python version"):
        machine.find("three")


def test_shims_and_virtual_environments_are_no_candidates(tmp_path: Path) -> None:
    for name in ("shims", "venv/bin", "good", "tools/versions/3.10.1/bin"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "python3.10").write_text(name)
        (tmp_path / name / "python2.7").write_text(name)
        (tmp_path / name / "python3.10-config").write_text(name)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    folders = [str(tmp_path / name) for name in ("shims", "venv/bin", "good")]
    environ = {"PATH": os.pathsep.join(folders), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path / "tools")}
    found = [path for path in list_candidates(environ)[10] if path.startswith(str(tmp_path))]
    assert found == [f"{tmp_path}/good/python3.10", f"{tmp_path}/tools/versions/3.10.1/bin/python3.10"]
    assert 2 not in list_candidates(environ)


def test_a_real_interpreter_tells_about_itself() -> None:
    probed = probe_interpreter(OWN)
    assert probed is not None
    assert probed[0].minor == OWN_MINOR
    assert Path(probed[0].executable).exists()


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 127\n", "#!/bin/sh\necho no json\n"])
def test_what_is_no_interpreter_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "python3.10"
    path.write_text(text)
    path.chmod(0o755)
    assert probe_interpreter(str(path)) is None
    assert probe_interpreter(str(tmp_path / "missing")) is None
