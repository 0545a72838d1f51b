"""The assets of a registry: what a workspace's table does, done by files that many may write."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.registry.conftest import make_asset

from mlctl.entities.asset import Asset
from mlctl.errors import ConflictError, MlctlError, NotFoundError, UnavailableError
from mlctl.registry.files import Files, FolderFiles
from mlctl.registry.table import RegistryTable


@pytest.fixture
def table(files: Files) -> RegistryTable:
    """An empty table."""
    return RegistryTable("team", files)


def test_a_version_comes_back_as_it_was_given(table: RegistryTable) -> None:
    given = make_asset(stage="Production", tags={"a": "ü"}, properties={"b": "2"}, document={"x": [1, None]})
    kept = table.add(given)
    assert kept == replace(given, registry="team")
    assert table.get("data", "iris", "1") == kept
    assert kept.reference == "azureml://registries/team/data/iris/versions/1"
    assert table.find("data", "iris", "2") is None
    assert table.find("model", "iris", "1") is None


def test_content_gives_a_version_an_address_of_the_registry(table: RegistryTable) -> None:
    kept = table.add(make_asset(content="a" * 64, path="azureml://datastores/x/paths/y"), root="folder/")
    assert kept.path == kept.reference
    assert table.root(kept) == "folder/"
    assert table.contents() == {"a" * 64}


def test_versions_are_numbered_and_the_newest_is_the_latest(table: RegistryTable) -> None:
    assert table.add(make_asset(version="")).version == "1"
    table.add(make_asset(version="9"))
    assert table.add(make_asset(version="")).version == "10"
    table.add(make_asset(version="beta"))
    assert table.resolve("data", "iris").version == "beta"
    assert table.resolve("data", "iris", label="latest").version == "beta"
    versions = [asset.version for asset in table.list_versions("data", "iris")]
    assert versions == ["beta", "10", "9", "1"]
    assert [asset.version for asset in table.list_versions("data", "iris", max_results=2)] == ["beta", "10"]


def test_the_same_version_again_takes_over_what_may_change(table: RegistryTable) -> None:
    table.add(make_asset(description="old", tags={"a": "1"}))
    kept = table.add(make_asset(description="new", modified_at=5.0))
    assert (kept.description, kept.tags, kept.modified_at) == ("new", {"a": "1"}, 5.0)


def test_the_same_version_with_other_content_is_a_conflict(table: RegistryTable) -> None:
    table.add(make_asset())
    with pytest.raises(ConflictError) as caught:
        table.add(make_asset(type="uri_file"))
    assert caught.value.details["differences"] == {"type": {"existing": "uri_folder", "given": "uri_file"}}
    assert table.get("data", "iris", "1").type == "uri_folder"


def test_what_is_archived_is_neither_listed_nor_latest(table: RegistryTable) -> None:
    for version in ("1", "2.json"):
        table.add(make_asset(version=version))
    table.set_archived("data", "iris", "2.json", archived=True)
    assert table.resolve("data", "iris").version == "1"
    assert [asset.version for asset in table.list_versions("data", "iris")] == ["1"]
    assert [asset.version for asset in table.list_versions("data", "iris", view="archived")] == ["2.json"]
    assert table.get("data", "iris", "2.json").archived
    table.set_archived("data", "iris", None, archived=True)
    assert table.list_names("data") == []
    assert [name.archived for name in table.list_names("data", view="archived")] == [True]
    with pytest.raises(NotFoundError, match="every version"):
        table.resolve("data", "iris")
    table.set_archived("data", "iris", "2.json", archived=False)
    assert table.resolve("data", "iris").version == "2.json"
    with pytest.raises(NotFoundError):
        table.set_archived("data", "iris", "3", archived=True)
    table.add(make_asset(version="3"))
    assert table.resolve("data", "iris").version == "3"


def test_names_are_listed_with_their_versions(table: RegistryTable) -> None:
    for name, version in (("b", "1"), ("a", "1"), ("a", "2"), ("ab", "x")):
        table.add(make_asset(name, version))
    table.add(make_asset("hidden", anonymous=True))
    found = [(name.name, name.latest_version, name.next_version) for name in table.list_names("data")]
    assert found == [("a", "2", "3"), ("ab", "x", "1"), ("b", "1", "2")]
    assert [name.name for name in table.list_names("data", max_results=1)] == ["a"]
    assert table.names("data", "a") == ["a", "ab"]
    assert table.list_names("model") == []


def test_labels_point_to_versions(table: RegistryTable) -> None:
    table.add(make_asset(version="1"))
    table.add(make_asset(version="2"))
    table.set_label("data", "iris", "stable/x", "1")
    assert table.resolve("data", "iris", label="stable/x").version == "1"
    table.set_label("data", "iris", "stable/x", "2")
    assert table.labels("data", "iris") == {"stable/x": "2"}
    with pytest.raises(NotFoundError, match="no label"):
        table.resolve("data", "iris", label="other")
    with pytest.raises(NotFoundError):
        table.set_label("data", "iris", "x", "7")
    table.set_label("data", "iris", "stable/x", None)
    with pytest.raises(NotFoundError):
        table.set_label("data", "iris", "stable/x", None)


def test_update_changes_what_may_change(table: RegistryTable) -> None:
    table.add(make_asset(kind="model", type="custom_model"))
    known = table.get("model", "iris", "1")
    after = table.update(known, {"stage": "Production", "tags": {"a": "1"}}, modified_at=7.0)
    assert (after.stage, after.tags, after.modified_at) == ("Production", {"a": "1"}, 7.0)
    assert [asset.stage for asset in table.list_versions("model", "iris", stage="Production")] == ["Production"]
    assert table.list_versions("model", "iris", stage="Development") == []
    with pytest.raises(NotFoundError):
        table.update(make_asset(version="9"), {}, modified_at=8.0)


@pytest.mark.parametrize("name", [".hidden", "ü", "a b", "a%2Fb", "con,ma"])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    table = RegistryTable("team", FolderFiles(tmp_path / "deep" / "share"))
    table.add(make_asset(name, name))
    assert table.resolve("data", name).version == name
    assert table.names("data") == [name]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["share"]
    kinds = tmp_path / "deep" / "share" / "assets"
    assert len(list(kinds.iterdir())) == len(list((kinds / "data").iterdir())) == 1


@pytest.mark.parametrize("name", ["..", "a/b", "../../x", "a\\b", "a\x1b[2J", "n" * 256])
def test_what_no_name_can_be_is_neither_listed_nor_read(tmp_path: Path, name: str) -> None:
    files = FolderFiles(tmp_path / "deep" / "share")
    table = RegistryTable("team", files)
    with pytest.raises((UnavailableError, OSError)):
        table.add(make_asset(name, "1"))
    with pytest.raises((UnavailableError, NotFoundError)):
        table.get("data", name, "1")
    assert table.names("data") == []
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["share"]


def test_unknown_names_have_a_hint(table: RegistryTable) -> None:
    table.add(make_asset())
    with pytest.raises(NotFoundError, match="'iriss'") as caught:
        table.resolve("data", "iriss")
    assert caught.value.hint == "did you mean 'iris'?"
    with pytest.raises(NotFoundError, match="no version '2'") as caught:
        table.get("data", "iris", "2")
    assert "1" in str(caught.value.hint)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[1]", '{"format": 1}', '{"format": 1, "content": "../../../etc"}', "[" * 20000]
)
def test_a_damaged_record_is_told(tmp_path: Path, text: str) -> None:
    table = RegistryTable("team", FolderFiles(tmp_path))
    table.add(make_asset())
    path = tmp_path / "assets/data/iris/versions/1.json"
    path.write_text(text)
    with pytest.raises(UnavailableError, match="damaged"):
        table.get("data", "iris", "1")


def test_a_record_cannot_name_a_place(tmp_path: Path) -> None:
    table = RegistryTable("team", FolderFiles(tmp_path))
    table.add(make_asset(content="a" * 64))
    path = tmp_path / "assets/data/iris/versions/1.json"
    for wrong in ('"../x"', '"' + "A" * 64 + '"'):
        damaged = path.read_text().replace('"' + "a" * 64 + '"', wrong)
        path.write_text(damaged)
        with pytest.raises(UnavailableError, match="damaged"):
            table.get("data", "iris", "1")
        path.write_text(damaged.replace(wrong, '"' + "a" * 64 + '"'))


def test_a_record_of_a_newer_mlctl_says_so(tmp_path: Path) -> None:
    table = RegistryTable("team", FolderFiles(tmp_path))
    table.add(make_asset())
    (tmp_path / "assets/data/iris/versions/1.json").write_text('{"format": 2}')
    with pytest.raises(UnavailableError, match="format 2"):
        table.get("data", "iris", "1")


def test_a_version_that_nobody_finished_means_nothing(tmp_path: Path) -> None:
    table = RegistryTable("team", FolderFiles(tmp_path))
    table.add(make_asset(version="1"))
    (tmp_path / "assets/data/iris/order/000000000002,2").touch()
    (tmp_path / "assets/data/other/order").mkdir(parents=True)
    (tmp_path / "assets/data/other/order/000000000001,1").touch()
    assert table.resolve("data", "iris").version == "1"
    assert [name.name for name in table.list_names("data")] == ["iris"]
    table.add(make_asset(version="3"))
    table.add(make_asset(version="2"))
    assert table.resolve("data", "iris").version == "2"


def _add(folder: str, number: int, version: str) -> str:
    table = RegistryTable("team", FolderFiles(Path(folder)))
    try:
        return table.add(make_asset(version=version, document={"writer": number})).version
    except ConflictError:
        return "conflict"
    except MlctlError as error:
        return repr(error)


@pytest.mark.parametrize("version", ["7", ""])
def test_processes_that_write_at_once_lose_nothing(tmp_path: Path, version: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        told = pool.starmap(_add, [(str(tmp_path), number, version) for number in range(24)])
    table = RegistryTable("team", FolderFiles(tmp_path))
    kept: list[Asset] = table.list_versions("data", "iris")
    if version:
        assert sorted(told) == ["7"] + ["conflict"] * 23
        assert kept[0].document == {"writer": told.index("7")}
    else:
        assert sorted(map(int, told)) == list(range(1, 25))
        assert {asset.version: asset.document["writer"] for asset in kept} == {
            number: writer for writer, number in enumerate(told)
        }
