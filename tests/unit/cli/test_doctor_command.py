"""mlctl doctor: every check answers, and none breaks the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.calls import Call

from mlctl.backends.base import Health
from mlctl.errors import UnavailableError
from mlctl.operations.health import examine
from mlctl.settings import load


def test_every_check_has_its_four_fields(call: Call) -> None:
    answer = call("doctor")
    assert answer.code == 0
    assert answer.err == ""
    checks = {check["name"]: check for check in answer.json}
    assert {"python", "home", "disk", "settings", "workspace", "uv", "git", "tracking"} <= set(checks)
    assert {"backend local", "backend docker", "extra docker"} <= set(checks)
    assert all(set(check) == {"name", "ok", "detail", "hint"} for check in checks.values())
    assert checks["backend local"]["ok"] is True
    assert "sqlite" in checks["workspace"]["detail"]


def test_failed_checks_say_what_to_do_and_strict_exits_with_one(call: Call, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    answer = call("doctor")
    assert answer.code == 0
    home = next(check for check in answer.json if check["name"] == "home")
    assert home["ok"] is False
    assert "MLCTL_HOME" in home["hint"]
    assert call("doctor", "--strict", "-o", "none").code == 1


def test_unknown_settings_are_a_finding(call: Call, tmp_path: Path) -> None:
    config = tmp_path / "home" / "config"
    config.parent.mkdir()
    config.write_text("[core]\noutptu = tsv\n")
    found = call("doctor", "--query", "[?name=='settings'] | [0]").json
    assert found["ok"] is False
    assert "outptu" in found["detail"]


def test_a_back_end_that_cannot_be_reached_or_breaks_is_a_finding(tmp_path: Path) -> None:
    class Reached:
        def health(self) -> Health:
            return Health(ok=False, reason="tried unix:///nowhere.sock", hint="start it")

    def connect(name: str) -> Reached:
        if name == "docker":
            raise UnavailableError("the extra is missing", hint='pip install "mlctl[docker]"')
        return Reached()

    def open_store() -> None:
        raise RuntimeError("broken")

    settings = load(environ={"MLCTL_HOME": str(tmp_path)}, cwd=tmp_path)
    checks = {check.name: check for check in examine(settings, open_store, connect)}  # type: ignore[arg-type]
    assert checks["backend docker"].hint == 'pip install "mlctl[docker]"'
    assert checks["backend local"].detail == "tried unix:///nowhere.sock"
    assert checks["backend local"].hint == "start it"
    assert checks["workspace"].detail == "RuntimeError: broken"


@pytest.mark.parametrize("free", [10, 10 * 1024**3])
def test_little_disk_space_is_a_finding(call: Call, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    class Usage:
        pass

    usage = Usage()
    usage.free = free  # type: ignore[attr-defined]
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    found = call("doctor", "--query", "[?name=='disk'] | [0]").json
    assert found["ok"] is (free > 10)
    assert bool(found["hint"]) is (free == 10)
