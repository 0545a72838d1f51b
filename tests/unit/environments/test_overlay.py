from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlctl.environments.interpreters import base_interpreter
from mlctl.environments.overlay import create_overlay, rewrite_script

VERSION = ".".join(str(part) for part in sys.version_info[:3])
MINOR = ".".join(VERSION.split(".")[:2])
INTERPRETER = base_interpreter()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"#!/base/bin/python\n", b"#!/job/bin/python\n"),
        (b"#!/base/bin/python3 -E\n", b"#!/job/bin/python3 -E\n"),
        (b"#!/bin/sh\n'''exec' \"/base/bin/python\" \"$0\" \"$@\"\n' '''\n", b"#!/job/bin/python\n"),
        (b"#!/bin/sh\n'''exec' /base/bin/python \"$0\" \"$@\"\n' '''\n", b"#!/job/bin/python\n"),
    ],
)
def test_headers_are_rewritten(header: bytes, expected: bytes) -> None:
    assert rewrite_script(header + b"import x\n", "/base/bin", "/job/bin") == expected + b"import x\n"


@pytest.mark.parametrize(
    "data", [b"", b"text", b"#!/bin/sh\necho\n", b"#!/usr/bin/env python\n", b"#!/base/binary/python\n"]
)
def test_other_scripts_are_not(data: bytes) -> None:
    assert rewrite_script(data, "/base/bin", "/job/bin") is None


@pytest.mark.parametrize("folder", ["/with space/bin", "/" + "long" * 40 + "/bin", "/quo'te/bin"])
def test_long_paths_and_spaces_go_through_sh(folder: str) -> None:
    fresh = rewrite_script(b"#!/base/bin/python\nimport x\n", "/base/bin", folder)
    assert fresh is not None
    if " " in folder or len(folder) > 127:
        assert fresh.startswith(b"#!/bin/sh\n'''exec' ")
        # and back again
        assert rewrite_script(fresh, folder, "/b/bin") == b"#!/b/bin/python\nimport x\n"
    else:
        assert fresh.startswith(f"#!{folder}/python\n".encode())


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A built environment: one package, a .pth of its own, scripts, a program, and data."""
    folder = tmp_path / "base"
    packages = folder / "lib" / f"python{MINOR}" / "site-packages"
    (folder / "bin").mkdir(parents=True)
    (folder / "share" / "jupyter").mkdir(parents=True)
    (folder / "share" / "jupyter" / "kernel.json").write_text("{}")
    (packages / "nested").mkdir(parents=True)
    (packages / "shared.py").write_text("where = 'base'\n")
    (packages / "nested.pth").write_text("nested\n")
    (packages / "nested" / "inner.py").write_text("")
    script = folder / "bin" / "tool"
    script.write_text(f"#!{folder}/bin/python\nimport shared, sys\nprint(shared.where, sys.prefix)\n")
    script.chmod(0o755)
    (folder / "bin" / "program").write_bytes(b"\x7fELF")
    (folder / "bin" / "activate").write_text("old")
    (folder / "bin" / "python").symlink_to(INTERPRETER)
    return folder


def output(*command: str, **variables: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, capture_output=True, check=True, text=True, env={**environ, **variables}, timeout=60
    ).stdout.strip()


@pytest.mark.parametrize("name", ["job", "a job's own"])
def test_an_overlay_is_an_environment_of_its_own_over_the_base(base: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    layer = create_overlay(base, target, interpreter=INTERPRETER, version=VERSION)
    assert layer.variables == {"VIRTUAL_ENV": str(target)}
    assert layer.path_prefix == str(target / "bin")
    code = "import sys, shared, inner; print(sys.prefix, sys.base_prefix != sys.prefix, shared.where)"
    assert output(str(layer.python), "-c", code) == f"{target} True base"
    assert output(str(target / "bin" / "tool")) == f"base {target}"
    assert os.readlink(target / "bin" / "program") == str(base / "bin" / "program")
    assert (target / "share" / "jupyter" / "kernel.json").resolve() == base / "share" / "jupyter" / "kernel.json"


def test_the_overlays_own_packages_come_first(base: Path, tmp_path: Path) -> None:
    layer = create_overlay(base, tmp_path / "job", interpreter=INTERPRETER, version=VERSION)
    packages = tmp_path / "job" / "lib" / f"python{MINOR}" / "site-packages"
    (packages / "shared.py").write_text("where = 'job'\n")
    assert output(str(layer.python), "-c", "import shared; print(shared.where)") == "job"


def test_activate_and_deactivate(base: Path, tmp_path: Path) -> None:
    target = tmp_path / "a job's own"
    create_overlay(base, target, interpreter=INTERPRETER, version=VERSION)
    script = '. "$1"; echo "$VIRTUAL_ENV"; command -v python; deactivate; echo "[${VIRTUAL_ENV:-}]"; echo "$PATH"'
    lines = output(
        "/bin/sh", "-eu", "-c", script, "sh", str(target / "bin" / "activate"), PATH="/usr/bin:/bin"
    ).splitlines()
    assert lines == [str(target), str(target / "bin" / "python"), "[]", "/usr/bin:/bin"]


def test_an_older_overlay_is_replaced(base: Path, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "rubbish").touch()
    create_overlay(base, tmp_path / "job", interpreter=INTERPRETER, version=VERSION)
    assert not (tmp_path / "job" / "rubbish").exists()


def test_forty_scripts_cost_little(base: Path, tmp_path: Path) -> None:
    for number in range(40):
        (base / "bin" / f"tool{number}").write_text(f"#!{base}/bin/python\nimport shared\n")
    started = time.perf_counter()
    for number in range(5):
        create_overlay(base, tmp_path / f"job{number}", interpreter=INTERPRETER, version=VERSION)
    assert (time.perf_counter() - started) / 5 < 0.1
