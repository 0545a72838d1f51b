"""The builder against a uv that only pretends; `test_real_environments.py` has the real one."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.entities.environment import Requirements
from mlctl.environments.builder import BuiltEnvironment, EnvironmentBuilder, is_complete, normalise_packages
from mlctl.environments.install import split_options
from mlctl.errors import InvalidSpecError, UnavailableError
from mlctl.settings import Settings

FAKE_UV = """\
#!/bin/sh
echo "$@" >> "$FAKE_CALLS"
for last; do :; done
case "$1 $2" in
venv*) mkdir -p "$last/bin" "$last/lib/python{minor}/site-packages/pip-1.0.dist-info" ;;
"python install") exit 1 ;;
*) sleep "${{FAKE_SLEEP:-0}}"
   if [ -n "$FAKE_MESSAGE" ]; then echo "$FAKE_MESSAGE"; exit 1; fi ;;
esac
"""
SIX = Requirements(packages=("six",), origin="conda.yml")


class Bench:
    """A builder with a pretending uv; `calls` is what uv was asked."""

    def __init__(self, folder: Path, make_settings: Callable[..., Settings]) -> None:
        self.folder = folder
        self.uv = folder / "uv"
        self.uv.write_text(FAKE_UV.format(minor=f"{sys.version_info[0]}.{sys.version_info[1]}"))
        self.uv.chmod(0o755)
        self.make_settings = make_settings
        self.log = io.BytesIO()

    def builder(self, overrides: dict[str, str] | None = None, **variables: str) -> EnvironmentBuilder:
        variables["FAKE_CALLS"] = str(self.folder / "calls")
        settings = self.make_settings({"environments.uv": str(self.uv), **(overrides or {})}, **variables)
        return EnvironmentBuilder(self.folder / "cache", settings)

    def ensure(self, requirements: Requirements = SIX, **variables: str) -> BuiltEnvironment:
        return self.builder(**variables).ensure(requirements, self.log)

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def folders(self) -> list[Path]:
        return [path for path in (self.folder / "cache" / "environments").iterdir() if path.is_dir()]


@pytest.fixture
def bench(tmp_path: Path, make_settings: Callable[..., Settings]) -> Bench:
    return Bench(tmp_path, make_settings)


def test_built_once_and_then_there(bench: Bench) -> None:
    first = bench.ensure()
    assert not first.cached
    assert is_complete(first.folder)
    assert [call.split()[0] for call in bench.calls[:2]] == ["venv", "pip"]
    said = bench.log.getvalue().decode()
    assert "Environment for conda.yml: building it" in said
    assert "\n  six\n" in said
    count = len(bench.calls)
    second = bench.ensure()
    assert second.cached
    assert second.folder == first.folder
    assert len(bench.calls) == count


def test_a_hit_costs_next_to_nothing(bench: Bench) -> None:
    bench.ensure()
    builder = bench.builder()
    started = time.perf_counter()
    for _ in range(20):
        builder.ensure(SIX, bench.log)
    assert (time.perf_counter() - started) / 20 < 0.01


def test_other_packages_or_arguments_are_another_environment(bench: Bench) -> None:
    first = bench.ensure()
    assert bench.ensure(Requirements(packages=("iniconfig",))).folder != first.folder
    other = bench.builder({"environments.pip_arguments": "--no-deps --pre"}).ensure(SIX, bench.log)
    assert other.folder != first.folder
    assert any("--no-deps --pre" in call for call in bench.calls)
    assert bench.ensure(Requirements(packages=(" SIX ", "# nothing"), origin="elsewhere")).folder == first.folder


def test_a_half_built_one_is_removed_and_rebuilt(bench: Bench) -> None:
    first = bench.ensure()
    (first.folder / "environment.json").unlink()
    (first.folder / "rubbish").touch()
    assert not bench.ensure().cached
    assert not (first.folder / "rubbish").exists()


def test_an_environment_that_was_moved_or_lost_its_python_is_rebuilt(bench: Bench) -> None:
    first = bench.ensure()
    marker = first.folder / "environment.json"
    for changed in ({"folder": "/elsewhere"}, {"interpreter": "/no/such/python"}):
        marker.write_text(json.dumps({**json.loads(marker.read_text()), **changed}))
        assert not bench.ensure().cached


def test_homes_that_share_a_cache_through_a_link_share_its_environments(bench: Bench) -> None:
    first = bench.ensure()
    link = bench.folder / "link"
    link.symlink_to(bench.folder / "cache")
    settings = bench.make_settings({"environments.uv": str(bench.uv)})
    assert EnvironmentBuilder(link, settings).ensure(SIX, bench.log) == BuiltEnvironment(
        first.folder, first.python_version, (), True, first.interpreter
    )


def test_ten_at_once_build_once(bench: Bench) -> None:
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    builder = bench.builder(FAKE_SLEEP="0.3")

    def work() -> None:
        log = io.BytesIO()
        built = builder.ensure(SIX, log)
        results.put((built.cached, str(built.folder), b"another process is building it" in log.getvalue()))

    processes = [fork.Process(target=work) for _ in range(10)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    assert sum(not cached for cached, _, _ in found) == 1
    assert len({folder for _, folder, _ in found}) == 1
    assert any(waited for _, _, waited in found)
    assert sum(call.startswith("venv") for call in bench.calls) == 1


def test_a_failed_build_leaves_nothing_and_says_why(bench: Bench) -> None:
    with pytest.raises(InvalidSpecError, match="look at 'six'"):
        bench.ensure(FAKE_MESSAGE="error: No solution found: six is gone")
    assert bench.folders == []
    with pytest.raises(UnavailableError, match="no space left"):
        bench.ensure(FAKE_MESSAGE="No space left on device (os error 28)")
    assert b"six is gone" in bench.log.getvalue()


def test_a_build_can_be_given_up(bench: Bench) -> None:
    def give_up() -> None:
        if len(bench.calls) > 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        bench.builder(FAKE_SLEEP="60").ensure(SIX, bench.log, check=give_up)
    assert bench.folders == []


def test_warnings_of_requirements_and_of_the_python_found(bench: Bench) -> None:
    requirements = Requirements("2.7", (), "old.yml", ("cudatoolkit left out",))
    built = bench.ensure(requirements)
    assert built.warnings[0] == "cudatoolkit left out"
    assert built.warnings[1] == f"Python 2.7 is not on this machine; Python {built.python_version} is used instead"
    assert bench.ensure(requirements).warnings == built.warnings


def test_downloads_of_python_are_tried_only_when_allowed(bench: Bench) -> None:
    requirements = Requirements("3.29", (), "new.yml")
    bench.ensure(requirements)
    assert not any(call.startswith("python install") for call in bench.calls)
    bench.builder({"environments.python_downloads": "yes"}).ensure(requirements, bench.log)
    assert any(call.startswith("python install") and call.endswith("3.29") for call in bench.calls)
    assert b"could not download Python 3.29" in bench.log.getvalue()


def test_passwords_do_not_reach_log_or_marker(bench: Bench) -> None:
    lines = ("--index-url https://me:secret@example.com/simple", "six")
    built = bench.ensure(Requirements(packages=lines))
    assert b"secret" not in bench.log.getvalue()
    assert "secret" not in (built.folder / "environment.json").read_text()
    listing = built.folder / "requirements.txt"
    assert "secret" in listing.read_text()
    assert listing.stat().st_mode & 0o077 == 0


def test_a_full_disk_is_unavailable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, os.strerror(28), "environment.json")

    monkeypatch.setattr("mlctl.environments.builder._write_marker", no_space)
    with pytest.raises(UnavailableError, match=r"no space left on the disk for the environment of conda\.yml"):
        bench.ensure()
    assert bench.folders == []


def test_a_cache_that_cannot_be_written_is_unavailable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13), "/cache")

    monkeypatch.setattr("mlctl.environments.locks.os.open", forbidden)
    with pytest.raises(UnavailableError, match="cannot write '/cache'"):
        bench.ensure()


def test_a_named_uv_that_is_not_there(bench: Bench) -> None:
    bench.uv.unlink()
    with pytest.raises(UnavailableError, match=r"environments\.uv names"):
        bench.ensure()


def test_without_uv_and_packages_python_makes_the_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlctl.environments.install.find_uv", lambda *_: None)
    built = bench.ensure(Requirements())
    assert bench.calls == []
    assert (built.folder / "bin" / "pip").exists()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (("six", "toml"), ("toml", "six"), True),
        (("Scikit_Learn >= 1.5",), ("scikit-learn>=1.5",), True),
        (("six==1",), ("six==2",), False),
        (("a; python_version < '3.11'",), ("a; python_version < '3.12'",), False),
        (("--index-url x", "six"), ("six", "--index-url x"), True),
        (("--extra-index-url x", "--extra-index-url y"), ("--extra-index-url y", "--extra-index-url x"), False),
    ],
)
def test_what_counts_as_the_same_packages(first: tuple[str, ...], second: tuple[str, ...], same: bool) -> None:
    assert (normalise_packages(first) == normalise_packages(second)) is same


def test_a_changed_local_project_is_another_environment(tmp_path: Path) -> None:
    project = tmp_path / "lib"
    project.mkdir()
    (project / "setup.py").write_text("1")
    wheel = tmp_path / "a.whl"
    wheel.write_text("1")
    lines = (f"--editable {project}[extra]", str(wheel))
    before = normalise_packages(lines)
    assert normalise_packages(lines) == before
    (project / "more.py").write_text("2")
    between = normalise_packages(lines)
    assert between != before
    wheel.write_text("2")
    assert normalise_packages(lines) != between
    shutil.rmtree(project)
    assert normalise_packages(lines)


def test_options_that_uv_wants_elsewhere() -> None:
    lines = ["--pre", "six", "--trusted-host example.com", "--prefer-binary", "--trusted-host=b", "--no-index"]
    assert split_options(lines) == (
        ["six", "--no-index"],
        ["--prerelease=allow", "--allow-insecure-host", "example.com", "--allow-insecure-host", "b"],
    )
