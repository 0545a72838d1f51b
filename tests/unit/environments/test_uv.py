from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.environments import uv
from mlctl.environments.uv import find_uv, obtain_uv
from mlctl.errors import UnavailableError
from mlctl.settings import Settings

FAKE_PIP = """\
import pathlib, sys
if {broken!r}:
    sys.exit("ERROR: no index")
target = pathlib.Path(sys.argv[sys.argv.index("--target") + 1])
(target / "bin").mkdir(parents=True)
(target / "uv-9.1.dist-info").mkdir()
(target / "bin" / "uv").touch()
(target / "bin" / "uv").chmod(0o755)
"""


def make_program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(0o755)
    return path


@pytest.fixture
def unpackaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "_packaged_uv", lambda: None)


def test_the_setting_wins(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    chosen = make_program(tmp_path / "mine" / "uv")
    assert find_uv(tmp_path, make_settings({"environments.uv": str(chosen)})) == chosen


def test_a_setting_that_is_wrong_is_named(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"environments\.uv names"):
        find_uv(tmp_path, make_settings({"environments.uv": str(tmp_path)}))


def test_the_package_beside_mlctl(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    found = find_uv(tmp_path, make_settings(PATH=""))
    assert found is not None
    assert found.name == "uv"


@pytest.mark.usefixtures("unpackaged")
def test_path_but_no_shims(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    shim = make_program(tmp_path / "shims" / "uv")
    assert find_uv(tmp_path, make_settings(PATH=str(shim.parent))) is None
    real = make_program(tmp_path / "bin" / "uv")
    assert find_uv(tmp_path, make_settings(PATH=str(real.parent))) == real


@pytest.mark.usefixtures("unpackaged")
def test_fetched_once_with_pip(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "pip.py"
    script.write_text(FAKE_PIP.format(broken=False))
    monkeypatch.setattr(uv, "_find_pip", lambda: [sys.executable, str(script)])
    settings = make_settings(PATH=os.defpath)
    found = obtain_uv(tmp_path / "cache", settings, io.BytesIO())
    assert found == tmp_path / "cache" / "tools" / "uv-9.1" / "bin" / "uv"
    monkeypatch.setattr(uv, "_find_pip", lambda: pytest.fail("it is there already"))
    assert obtain_uv(tmp_path / "cache", settings, io.BytesIO()) == found


@pytest.mark.usefixtures("unpackaged")
def test_what_cannot_be_fetched_names_the_ways_out(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "pip.py"
    script.write_text(FAKE_PIP.format(broken=True))
    monkeypatch.setattr(uv, "_find_pip", lambda: [sys.executable, str(script)])
    settings = make_settings(PATH=os.defpath)
    with pytest.raises(UnavailableError, match="ERROR: no index") as caught:
        obtain_uv(tmp_path / "cache", settings, io.BytesIO())
    assert "environments.uv" in (caught.value.hint or "")
    assert [path.name for path in (tmp_path / "cache" / "tools").iterdir()] == ["uv.lock"]
    monkeypatch.setattr(uv, "_find_pip", lambda: None)
    with pytest.raises(UnavailableError, match="no pip"):
        obtain_uv(tmp_path / "cache", settings, io.BytesIO())


def test_there_is_a_pip_to_fetch_with() -> None:
    command = uv._find_pip()
    assert command is not None
    assert Path(command[0]).exists()
