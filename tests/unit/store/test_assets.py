"""Versions of assets: written once, found fast, never lost to somebody who came later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlctl.entities.asset import Asset, fingerprint_of
from mlctl.entities.lineage import Link, Node
from mlctl.errors import ConflictError, NotFoundError
from mlctl.store.workspaces import WorkspaceStore

Make = Callable[..., Asset]


@pytest.fixture
def make(store: WorkspaceStore) -> Make:
    """Adds an asset; the fields of `Asset` by keyword."""

    def add(name: str = "iris", version: str = "", **fields: Any) -> Asset:
        asset = Asset(**{"kind": "data", "type": "uri_folder", "path": "p", **fields, "name": name, "version": version})
        return store.assets.add(replace(asset, fingerprint=fingerprint_of(asset)))

    return add


def test_an_asset_comes_back_as_it_was_put_in(store: WorkspaceStore, make: Make) -> None:
    made = make(
        version="a.1",
        content="ab",
        stage="Production",
        description="d",
        tags={"ä": "b"},
        properties={"p": "q"},
        created_at=5.0,
        created_by="me",
        modified_at=6.0,
        document={"flavors": {"x": [1]}},
    )
    assert store.assets.get("data", "iris", "a.1") == made
    assert made.document == {"flavors": {"x": [1]}}
    assert made.tags == {"ä": "b"}
    assert made.sequence == 1


def test_versions_count_up_from_the_highest_number(make: Make) -> None:
    assert [make(path=path).version for path in "ab"] == ["1", "2"]
    assert make(version="7", path="c").version == "7"
    assert make(version="x", path="d").version == "x"
    assert make(path="e").version == "8"


def test_the_same_version_again_is_the_same_asset(store: WorkspaceStore, make: Make) -> None:
    make(version="1", tags={"a": "1"}, description="first", created_at=1.0)
    again = make(version="1", tags={"a": "2"}, created_at=9.0, modified_at=9.0)
    assert (again.tags, again.description, again.created_at, again.modified_at) == ({"a": "2"}, "first", 1.0, 9.0)
    assert len(store.assets.list_versions("data", "iris")) == 1


def test_the_same_version_with_other_content_is_a_conflict_that_shows_the_difference(make: Make) -> None:
    make(version="1", content="aa", document={"x": 1, "same": 0})
    with pytest.raises(ConflictError) as caught:
        make(version="1", content="bb", document={"x": 2, "same": 0})
    assert caught.value.details["differences"] == {
        "content": {"existing": "aa", "given": "bb"},
        "x": {"existing": 1, "given": 2},
    }
    assert "content is aa, not bb; x is 1, not 2" in caught.value.message


def test_of_two_who_create_one_version_at_once_one_wins(store: WorkspaceStore, make: Make) -> None:
    results: list[str] = []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        barrier.wait()
        try:
            results.append(make(version="1", content=str(number)).content or "")
        except ConflictError:
            results.append("conflict")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("conflict") == 7
    assert store.assets.get("data", "iris", "1").content in results


def test_two_who_want_the_next_version_get_different_ones(store: WorkspaceStore, make: Make) -> None:
    threads = [threading.Thread(target=make, kwargs={"content": str(number)}) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asset.version for asset in store.assets.list_versions("data", "iris")) == list("12345678")


def test_latest_is_the_newest_that_is_not_archived(store: WorkspaceStore, make: Make) -> None:
    for version in ("9", "1", "b"):
        make(version=version, path=version)
    assert store.assets.resolve("data", "iris").version == "b"
    store.assets.set_archived("data", "iris", "b", archived=True)
    assert store.assets.resolve("data", "iris", label="latest").version == "1"
    assert store.assets.get("data", "iris", "b").archived
    store.assets.set_archived("data", "iris", None, archived=True)
    with pytest.raises(NotFoundError, match="every version of data 'iris' is archived"):
        store.assets.resolve("data", "iris")
    assert store.assets.list_names("data") == []
    assert [name.name for name in store.assets.list_names("data", view="archived")] == ["iris"]
    store.assets.set_archived("data", "iris", "9", archived=False)
    assert store.assets.list_names("data")[0].latest_version == "9"


def test_a_new_version_shows_an_archived_name_again(store: WorkspaceStore, make: Make) -> None:
    make()
    store.assets.set_archived("data", "iris", None, archived=True)
    make(path="other")
    assert [name.latest_version for name in store.assets.list_names("data")] == ["2"]


def test_labels_point_to_versions(store: WorkspaceStore, make: Make) -> None:
    make()
    make(path="b")
    store.assets.set_label("data", "iris", "prod", "1")
    assert store.assets.resolve("data", "iris", label="prod").version == "1"
    store.assets.set_label("data", "iris", "prod", "2")
    assert store.assets.labels("data", "iris") == {"prod": "2"}
    store.assets.set_label("data", "iris", "prod", None)
    with pytest.raises(NotFoundError, match="no label 'prod'"):
        store.assets.resolve("data", "iris", label="prod")
    with pytest.raises(NotFoundError, match="no label 'prod'"):
        store.assets.set_label("data", "iris", "prod", None)
    with pytest.raises(NotFoundError, match="no version '3'"):
        store.assets.set_label("data", "iris", "prod", "3")


def test_what_is_not_there_is_said_with_what_is(store: WorkspaceStore, make: Make) -> None:
    make()
    with pytest.raises(NotFoundError) as caught:
        store.assets.get("data", "irsi", "1")
    assert caught.value.hint == "did you mean 'iris'?"
    with pytest.raises(NotFoundError) as caught:
        store.assets.get("data", "iris", "2")
    assert "its newest versions: 1" in (caught.value.hint or "")
    for call in (
        lambda: store.assets.list_versions("model", "iris"),
        lambda: store.assets.set_archived("data", "iris", "5", archived=True),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_lists_are_cut_and_filtered(store: WorkspaceStore, make: Make) -> None:
    for number in range(5):
        make(path=str(number), stage="Production" if number == 3 else None)
    make("other")
    make("hidden", anonymous=True)
    assert [name.name for name in store.assets.list_names("data", max_results=1)] == ["iris"]
    assert [name.name for name in store.assets.list_names("data")] == ["iris", "other"]
    assert [found.version for found in store.assets.list_versions("data", "iris", max_results=2)] == ["5", "4"]
    assert [found.version for found in store.assets.list_versions("data", "iris", stage="Production")] == ["4"]
    assert store.assets.names("data", "i") == ["iris"]


def test_links_are_written_with_the_asset_and_name_its_version(store: WorkspaceStore) -> None:
    link = Link(Node("job", "j"), Node("model", "m", ""), "output m")
    asset = Asset(kind="model", name="m", version="", path="p", fingerprint="f")
    store.assets.add(asset, [link])
    assert store.links.downstream(Node("job", "j")) == [replace(link, downstream=Node("model", "m", "1"))]
    assert store.links.upstream(Node("model", "m", "1"))[0].upstream == Node("job", "j")


def test_a_conflict_writes_no_links(store: WorkspaceStore, make: Make) -> None:
    make(version="1")
    other = Asset(kind="data", name="iris", version="1", fingerprint="other")
    with pytest.raises(ConflictError):
        store.assets.add(other, [Link(Node("job", "j"), Node("data", "iris", "1"), "output")])
    assert store.links.downstream(Node("job", "j")) == []


def test_a_path_with_slashes_survives_as_a_node(store: WorkspaceStore) -> None:
    link = Link(Node("path", "https://h/a/b"), Node("data", "d", "1"), "path")
    store.links.add([link, link])
    assert store.links.upstream(Node("data", "d", "1")) == [link]


def test_update_changes_only_what_is_given(store: WorkspaceStore, make: Make) -> None:
    asset = make(description="d", tags={"a": "b"})
    changed = store.assets.update(asset, {"description": None, "tags": {"x": "y"}}, modified_at=8.0)
    assert (changed.description, changed.tags, changed.modified_at) == (None, {"x": "y"}, 8.0)
    with pytest.raises(NotFoundError):
        store.assets.update(replace(asset, version="9"), {"description": "x"}, modified_at=1.0)
