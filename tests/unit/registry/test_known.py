"""The registries that a user knows."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest
from tests.unit.registry.conftest import make_asset

from mlctl.entities.clock import Clock
from mlctl.errors import ConflictError, MlctlError, NotFoundError, UnavailableError, UsageError
from mlctl.registry.known import Registries, checked_path


def test_without_a_path_a_registry_is_in_the_home_folder(registries: Registries, tmp_path: Path) -> None:
    made = registries.create("team", description="Ours")
    assert made.path == str(tmp_path / "home/registries/team")
    assert registries.get("team") == made
    assert registries.names("te") == ("team",)
    assert (tmp_path / "home/registries/team/registry.json").is_file()


def test_everybody_gets_to_know_the_same_registry(registries: Registries, tmp_path: Path) -> None:
    registries.create("team", str(tmp_path / "share"), description="Ours", tags={"a": "1"})
    registries.open("team").assets.add(make_asset())
    others = Registries(tmp_path / "other home", Clock())
    known = others.create(None, str(tmp_path / "share"), tags={"b": "2"})
    assert (known.name, known.description, known.tags) == ("team", "Ours", {"b": "2"})
    assert others.open("team").assets.names("data") == ["iris"]
    assert registries.get("team").tags == {"b": "2"}


def test_a_registry_has_one_name(registries: Registries, tmp_path: Path) -> None:
    registries.create("team", str(tmp_path / "share"))
    with pytest.raises(ConflictError, match="called 'team'"):
        registries.create("mine", str(tmp_path / "share"))
    with pytest.raises(ConflictError, match="known already"):
        registries.create("team", str(tmp_path / "elsewhere"))
    with pytest.raises(NotFoundError):
        registries.create(None, str(tmp_path / "elsewhere"))
    with pytest.raises(UsageError):
        registries.create(None)


@pytest.mark.parametrize("name", ["", "ab", "../x", ".incoming", "a" * 34, "a b", "-ab"])
def test_what_cannot_be_a_name_is_refused(registries: Registries, name: str) -> None:
    with pytest.raises(UsageError):
        registries.create(name)
    with pytest.raises(NotFoundError):
        registries.open(name)


def test_a_folder_with_something_else_is_left_alone(registries: Registries, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    with pytest.raises(ConflictError, match="something else"):
        registries.create("team", str(tmp_path / "mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]
    assert not registries.knows("team")


def test_forgetting_loses_nothing(registries: Registries, tmp_path: Path) -> None:
    registries.create("team")
    registries.open("team").assets.add(make_asset())
    registries.forget("team")
    assert registries.names() == ()
    with pytest.raises(NotFoundError):
        registries.forget("team")
    registries.create("team")
    assert registries.open("team").assets.names("data") == ["iris"]


def test_destroying_leaves_what_is_not_the_registry_s(registries: Registries, tmp_path: Path) -> None:
    registries.create("team", str(tmp_path / "share"))
    registries.open("team").assets.add(make_asset())
    (tmp_path / "share" / "README").write_text("mine")
    registries.destroy("team")
    assert [path.name for path in (tmp_path / "share").iterdir()] == ["README"]
    assert registries.names() == ()
    registries.create("gone")
    registries.destroy("gone")
    assert not (tmp_path / "home/registries/gone").exists()


def test_a_registry_that_is_not_mounted_is_told_and_not_forgotten(registries: Registries, tmp_path: Path) -> None:
    registries.create("team", str(tmp_path / "share"))
    (tmp_path / "share").rename(tmp_path / "moved")
    with pytest.raises(NotFoundError, match="not at"):
        registries.get("team")
    with pytest.raises(NotFoundError):
        registries.destroy("team")
    assert registries.knows("team")


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "{"])
def test_damaged_files_are_told(registries: Registries, tmp_path: Path, text: str) -> None:
    registries.create("team", str(tmp_path / "share"))
    facts, known = tmp_path / "share/registry.json", tmp_path / "home/registries/team.json"
    whole = facts.read_text()
    facts.write_text(text)
    with pytest.raises(UnavailableError, match="damaged"):
        registries.get("team")
    facts.write_text(whole.replace('"format": 1', '"format": 2'))
    with pytest.raises(UnavailableError, match="format 2"):
        registries.get("team")
    known.write_text(text)
    with pytest.raises(UnavailableError, match="damaged"):
        registries.open("team")


def test_update_changes_what_is_given(registries: Registries) -> None:
    registries.create("team", description="a", tags={"x": "1"})
    assert registries.update("team", description="b", tags=None).tags == {"x": "1"}
    assert registries.get("team").description == "b"


@pytest.mark.parametrize(
    "path", ["https://user:geheim@example.com/x", "abfss://c@a.dfs.core.windows.net/x?sv=1&sig=geheim", "s3://b?key=x"]
)
def test_a_secret_in_a_path_is_refused_and_not_repeated(registries: Registries, path: str) -> None:
    with pytest.raises(UsageError) as caught:
        registries.create("team", path)
    assert "geheim" not in f"{caught.value.message}{caught.value.hint}"
    assert registries.names() == ()


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_path("a/../b") == str(tmp_path / "b")
    assert checked_path(f"file://{tmp_path}/a%20b") == str(tmp_path / "a b")
    assert checked_path("s3://bucket/x/") == "s3://bucket/x"


def test_a_registry_behind_a_url(registries: Registries) -> None:
    pytest.importorskip("fsspec")
    made = registries.create("cloud", "memory://known/registry")
    registries.open("cloud").assets.add(make_asset())
    registries.forget("cloud")
    assert registries.create("cloud", "memory://known/registry") == made
    assert registries.open("cloud").assets.names("data") == ["iris"]
    registries.destroy("cloud")
    with pytest.raises(NotFoundError):
        registries.create(None, "memory://known/registry")


def _create(home: str, path: str, number: int) -> str:
    try:
        return str(Registries(Path(home), Clock()).create("team", path, description=str(number)).description)
    except MlctlError as error:
        return repr(error)


def test_processes_that_create_it_at_once_make_one(tmp_path: Path) -> None:
    share = tmp_path / "share"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        told = pool.starmap(_create, [(str(tmp_path / str(number)), str(share), number) for number in range(12)])
    assert sorted(told) == sorted(map(str, range(12)))
    assert json.loads((share / "registry.json").read_text())["name"] == "team"
