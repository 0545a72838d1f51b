"""Logs that are put aside while somebody writes to them, and what was said last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlctl.backends.served.layout import open_log
from mlctl.backends.served.logs import Logs, last_lines, limits, rotate
from mlctl.settings import load


def test_the_last_lines_of_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)) + b"\xff end")
    assert last_lines(path, 2) == ["line 99999", "� end"]
    assert len(last_lines(path, 50_000)) == 50_000
    assert len(last_lines(path, 1_000_000)) == 100_001
    assert last_lines(path, 0) == []
    assert last_lines(tmp_path / "missing") == []


def test_a_writer_goes_on_in_the_emptied_file_and_nothing_is_lost(tmp_path: Path) -> None:
    path, said = tmp_path / "replica-0.log", 0
    with open_log(path) as log:
        for _ in range(5):
            for _ in range(10):
                log.write(b"line %d\n" % said)
                said += 1
            log.flush()
            rotate(path, size=50, files=4)
        log.write(b"line %d\n" % said)
    assert path.read_text() == "line 50\n"
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, *(f"{path.name}.{n}" for n in (1, 2, 3))]
    assert last_lines(path, 1000) == [f"line {number}" for number in range(20, 51)]
    assert last_lines(path, 12) == [f"line {number}" for number in range(39, 51)]
    assert Path(f"{path}.1").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("files", "names"), [(1, ["log"]), (2, ["log", "log.1"])])
def test_as_many_files_as_are_wanted(tmp_path: Path, files: int, names: list[str]) -> None:
    for _ in range(3):
        (tmp_path / "log").write_bytes(b"x" * 100)
        rotate(tmp_path / "log", size=100, files=files)
    assert sorted(os.listdir(tmp_path)) == names


def test_a_small_log_and_none_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 99)
    rotate(tmp_path / "log", size=100, files=3)
    rotate(tmp_path / "missing", size=100, files=3)
    assert os.listdir(tmp_path) == ["log"]


def test_all_logs_of_an_endpoint_but_the_routers_own(tmp_path: Path) -> None:
    folder = tmp_path / "deployments" / "blue" / "1"
    folder.mkdir(parents=True)
    paths = [tmp_path / "keeper.log", tmp_path / "router.log", folder / "replica-0.log"]
    for path in [*paths, tmp_path / "access.log", folder / "build.log"]:
        path.write_bytes(b"x" * 100)
    logs = Logs(tmp_path, 100, 2)
    logs.look_after(now=1.0)
    assert sorted(path.name for path in tmp_path.rglob("*.log.1")) == sorted(f"{path.name}.1" for path in paths)
    paths[0].write_bytes(b"y" * 100)
    logs.look_after(now=1.5)  # too soon
    assert paths[0].stat().st_size == 100


def test_limits_are_settings(tmp_path: Path) -> None:
    assert limits(load(environ={"MLCTL_HOME": str(tmp_path)}, cwd=tmp_path)) == (20_000_000, 3)
    small = {"MLCTL_ENDPOINTS_LOG_MEGABYTES": "0.5", "MLCTL_ENDPOINTS_LOG_FILES": "1"}
    assert limits(load(environ={"MLCTL_HOME": str(tmp_path), **small}, cwd=tmp_path)) == (500_000, 1)
