"""Settings: the order of sources, where each value came from, and config files that change without losing a line."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mlctl.errors import AuthError, UsageError
from mlctl.settings import KEYS, Settings, load
from mlctl.settings.file import read_entries, set_entries, unset_entries


def settings(tmp_path: Path, environ: dict[str, str] | None = None, **overrides: str) -> Settings:
    given = {key.replace("__", "."): value for key, value in overrides.items()}
    variables = {"MLCTL_HOME": str(tmp_path / "home"), **(environ or {})}
    cwd = tmp_path / "project" / "deep"
    cwd.mkdir(parents=True, exist_ok=True)
    return load(overrides=given, environ=variables, cwd=cwd)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_each_source_beats_the_next_and_says_where_it_stands(tmp_path: Path) -> None:
    user = write(tmp_path / "home" / "config", "[defaults]\nworkspace = from-user\n")
    project = write(tmp_path / "project" / ".mlctl" / "config", "# ours\n[defaults]\n\nworkspace=from-project\n")
    azure = {"AZURE_DEFAULTS_WORKSPACE": "from-azure"}
    own = {**azure, "MLCTL_WORKSPACE": "from-short"}
    exact = {**own, "MLCTL_DEFAULTS_WORKSPACE": "from-long"}

    def value(**arguments: str) -> tuple[str | None, str]:
        found = settings(tmp_path, environ, **arguments).get("defaults.workspace")
        return found.value, found.source

    environ: dict[str, str] = exact
    assert value(defaults__workspace="given") == ("given", "option")
    assert value() == ("from-long", "MLCTL_DEFAULTS_WORKSPACE")
    environ = own
    assert value() == ("from-short", "MLCTL_WORKSPACE")
    environ = azure
    assert value() == ("from-azure", "AZURE_DEFAULTS_WORKSPACE")
    environ = {}
    assert value() == ("from-project", f"{project}:4")
    project.unlink()
    assert value() == ("from-user", f"{user}:2")
    user.unlink()
    assert value() == ("default", "default")


def test_override_names_the_option(tmp_path: Path) -> None:
    changed = settings(tmp_path).with_overrides({"core.output": "TSV"}, "--output")
    assert changed.get("core.output").source == "--output"
    assert changed.text("core.output") == "tsv"


def test_empty_counts_as_not_set(tmp_path: Path) -> None:
    write(tmp_path / "home" / "config", "[defaults]\nworkspace =\n")
    found = settings(tmp_path, {"MLCTL_WORKSPACE": ""}).get("defaults.workspace")
    assert (found.value, found.source) == ("default", "default")


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("Yes", True), ("ON", True), ("no", False), ("off", False)]
)
def test_flag_words(tmp_path: Path, text: str, expected: bool) -> None:
    assert settings(tmp_path, {"MLCTL_CORE_NO_COLOR": text}).flag("core.no_color") is expected


def test_no_color_is_on_whatever_it_says(tmp_path: Path) -> None:
    assert settings(tmp_path, {"NO_COLOR": "0"}).flag("core.no_color") is True
    assert settings(tmp_path).flag("core.no_color") is False


def test_typed_values(tmp_path: Path) -> None:
    environ = {"MLCTL_LOCAL_MAX_CONCURRENT": "8", "MLCTL_JOBS_GRACE_PERIOD": "1.5", "MLCTL_IMAGES_MIRRORS": "a=b c=d=e"}
    found = settings(tmp_path, environ)
    assert found.integer("local.max_concurrent") == 8
    assert found.number("jobs.grace_period") == 1.5
    assert found.pairs("images.mirrors") == {"a": "b", "c": "d=e"}
    assert settings(tmp_path).integer("local.max_concurrent") is None
    assert settings(tmp_path).pairs("images.mirrors") == {}


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("MLCTL_LOCAL_MAX_CONCURRENT", "many", lambda s: s.integer("local.max_concurrent")),
        ("MLCTL_JOBS_GRACE_PERIOD", "soon", lambda s: s.number("jobs.grace_period")),
        ("MLCTL_CORE_NO_COLOR", "maybe", lambda s: s.flag("core.no_color")),
        ("MLCTL_OUTPUT", "xml", lambda s: s.text("core.output")),
        ("MLCTL_IMAGES_MIRRORS", "lonely", lambda s: s.pairs("images.mirrors")),
    ],
)
def test_wrong_value_names_its_source(tmp_path: Path, name: str, text: str, read: object) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        read(settings(tmp_path, {name: text}))  # type: ignore[operator]
    assert caught.value.hint


def test_unknown_key_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        settings(tmp_path).get("core.outptu")
    assert caught.value.hint == "did you mean 'core.output'?"


def test_unknown_key_in_a_file_is_a_warning_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "home" / "config", "[core]\noutptu = tsv\nOutput = yaml\n")
    found = settings(tmp_path)
    assert found.text("core.output") == "yaml"
    assert len(found.warnings) == 1
    assert f"{path}:2" in found.warnings[0]
    assert "core.output" in found.warnings[0]


@pytest.mark.parametrize(("text", "line"), [("[core]\nnonsense\n", 2), ("output=tsv\n", 1)])
def test_broken_file_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    path = write(tmp_path / "home" / "config", text)
    with pytest.raises(UsageError, match=f"{path}:{line}"):
        settings(tmp_path)


def test_relative_paths_belong_to_the_file_they_stand_in(tmp_path: Path) -> None:
    write(tmp_path / "project" / ".mlctl" / "config", "[environments]\nmap = table.yml\n")
    assert settings(tmp_path).text("environments.map") == str(tmp_path / "project" / ".mlctl" / "table.yml")


def test_users_own_file_is_no_project_file(tmp_path: Path) -> None:
    home = tmp_path / ".mlctl"
    write(home / "config", "[core]\noutput = tsv\n")
    found = load(environ={"MLCTL_HOME": str(home)}, cwd=tmp_path)
    assert found.project_file is None
    assert found.user_file == home / "config"


def test_home_follows_home_of_the_user(tmp_path: Path) -> None:
    found = load(environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert found.home == tmp_path / ".mlctl"
    assert found.get("home").source == "default"
    assert load(environ={"MLCTL_HOME": "rel"}, cwd=tmp_path).home == tmp_path / "rel"


def test_every_key_is_described_and_unambiguous() -> None:
    variables = [name for setting in KEYS.values() for name in setting.variables]
    assert len(variables) == len(set(variables))
    assert all(setting.description for setting in KEYS.values())


def test_set_keeps_comments_order_and_other_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "config", "# mine\n[core]\noutput = json\n; end\n\n[docker]\nhost = x\n")
    set_entries(path, {"core.output": "tsv", "core.no_color": "yes", "jobs.grace_period": "5"})
    assert path.read_text() == (
        "# mine\n[core]\noutput = tsv\n; end\nno_color = yes\n\n[docker]\nhost = x\n\n[jobs]\ngrace_period = 5\n"
    )
    assert unset_entries(path, ["docker.host", "proxy.http"]) == ["docker.host"]
    assert [entry.key for entry in read_entries(path)] == ["core.output", "core.no_color", "jobs.grace_period"]


def test_a_linked_file_stays_a_link_and_a_new_one_is_private(tmp_path: Path) -> None:
    target = tmp_path / "dotfiles" / "config"
    link = tmp_path / "config"
    target.parent.mkdir()
    link.symlink_to(target)
    set_entries(link, {"core.output": "tsv"})
    assert link.is_symlink()
    assert target.read_text() == "[core]\noutput = tsv\n"
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_value_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line break"):
        set_entries(tmp_path / "config", {"core.output": "a\nb"})
    assert not (tmp_path / "config").exists()


def test_a_file_that_cannot_be_written_is_an_auth_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuthError, match="cannot write"):
        set_entries(tmp_path / "file" / "config", {"core.output": "tsv"})


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    keys = [f"s{number}.key" for number in range(20)]
    threads = [threading.Thread(target=set_entries, args=(path, {key: key})) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.key for entry in read_entries(path)) == sorted(keys)
