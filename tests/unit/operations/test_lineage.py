"""Links as trees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlctl.entities.asset import Asset
from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.entities.lineage import Link, Node
from mlctl.errors import NotFoundError, UsageError
from mlctl.operations.lineage import Tree, asset_node, job_node, made_from, used_by
from mlctl.store.workspaces import Workspaces, WorkspaceStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    made = Workspaces(tmp_path / "home", Clock(now=lambda: 1000.0)).open("default")
    yield made
    made.database.close()


def job(name: str) -> Node:
    return Node("job", name)


def asset(kind: str, name: str, version: str = "1") -> Node:
    return Node(kind, name, version)


def keep(store: WorkspaceStore, name: str, created_at: float = 1.0, **fields: object) -> None:
    record = JobRecord(name, "Completed", "local", "local", created_at, **fields)  # type: ignore[arg-type]
    store.jobs.insert(record, plan={}, folder=store.jobs.new_folder())


def shape(tree: Tree, word: str = "made_from") -> object:
    """A tree as its names: a list of a name and its branches, `name*` for one that is told elsewhere."""
    if tree.get("repeated"):
        return tree["node"] + "*"
    inner = [shape(one, word) for one in tree[word]]
    return [tree["node"], *inner] if inner else tree["node"]


@pytest.fixture
def chain(store: WorkspaceStore) -> WorkspaceStore:
    """raw -> prepare -> clean -> train -> model, where train also uses raw."""
    keep(store, "prepare", properties={"mlflow.source.git.commit": "a" * 40, "azureml.git.dirty": "True"})
    keep(store, "train", 2.0)
    for kind, name in (("data", "raw"), ("data", "clean"), ("model", "m")):
        store.assets.add(Asset(kind, name, "1", type="t", content="c", fingerprint=name, created_at=1.0))
    raw, clean, model = asset("data", "raw"), asset("data", "clean"), asset("model", "m")
    store.links.add(
        [
            Link(raw, job("prepare"), "input raw"),
            Link(job("prepare"), clean, "output clean"),
            Link(clean, job("train"), "input clean"),
            Link(raw, job("train"), "input raw"),
            Link(job("train"), model, "output model"),
        ]
    )
    return store


def test_made_from_tells_each_thing_once_where_it_is_nearest(chain: WorkspaceStore) -> None:
    tree = made_from(chain, asset("model", "m"), depth=10)
    assert shape(tree) == [
        "model/m/1",
        ["job/train", ["data/clean/1", ["job/prepare", "data/raw/1*"]], "data/raw/1"],
    ]
    train = tree["made_from"][0]
    assert train["role"] == "output model"
    assert "role" not in tree
    assert train["facts"]["status"] == "Completed"
    assert train["facts"]["created_at"].startswith("1970-01-01T00:00:02")
    prepare = train["made_from"][0]["made_from"][0]
    assert (prepare["facts"]["git_commit"], prepare["facts"]["git_dirty"]) == ("a" * 40, True)
    assert tree["facts"]["digest"] == "sha256:c"


def test_used_by_follows_on_newest_first(chain: WorkspaceStore) -> None:
    assert shape(used_by(chain, asset("data", "raw"), depth=10), "used_by") == [
        "data/raw/1",
        ["job/train", "model/m/1"],
        ["job/prepare", ["data/clean/1", "job/train*"]],
    ]


def test_depth_ends_the_tree_and_says_how_much_is_left(chain: WorkspaceStore) -> None:
    tree = made_from(chain, asset("model", "m"), depth=1)
    (train,) = tree["made_from"]
    assert (train["made_from"], train["more"]) == ([], 2)
    whole = made_from(chain, asset("model", "m"), depth=4)
    assert "more" not in str(whole)


def test_a_circle_ends(store: WorkspaceStore) -> None:
    store.links.add([Link(job("a"), job("b"), "x"), Link(job("b"), job("a"), "x"), Link(job("a"), job("a"), "x")])
    assert shape(made_from(store, job("a"), depth=50)) == ["job/a", "job/a*", ["job/b", "job/a*"]]


def test_what_this_workspace_does_not_have_says_so(store: WorkspaceStore) -> None:
    inline = Node("environment", "CliV2AnonymousEnvironment", "d" * 64)
    store.links.add([Link(asset("data", "far"), job("a"), "input"), Link(inline, job("a"), "environment")])
    far, own = made_from(store, job("a"), depth=1)["made_from"][::-1]
    assert far["facts"] == {"in_workspace": False}
    assert own["facts"] == {}


def test_long_chains_are_cut_and_not_a_stack_overflow(store: WorkspaceStore) -> None:
    store.links.add([Link(job(f"j{number}"), job(f"j{number + 1}"), "x") for number in range(500)])
    tree = made_from(store, job("j500"), depth=100)
    steps = 0
    while tree["made_from"]:
        (tree,) = tree["made_from"]
        steps += 1
    assert (steps, tree["more"]) == (100, 1)


def test_ten_thousand_links_of_one_data_asset(store: WorkspaceStore) -> None:
    raw = asset("data", "raw")
    store.links.add([Link(raw, job(f"j{number}"), "input raw") for number in range(10_000)])
    started = time.process_time()
    tree = used_by(store, raw, depth=20)
    assert len(tree["used_by"]) == 10_000
    assert time.process_time() - started < 3.0  # 0.4 s on a small machine


def test_the_ways_to_name_a_version(chain: WorkspaceStore) -> None:
    def node(text: str | None = None, **options: str | None) -> str:
        return asset_node(chain, "model", text, **{"name": None, "version": None, "label": None, **options}).text

    chain.assets.set_label("model", "m", "prod", "1")
    for text in ("m:1", "m", "m@prod", "m@latest", "azureml:m:1"):
        assert node(text) == "model/m/1"
    assert node(name="m", version="1") == node(name="m", label="prod") == node(name="m") == "model/m/1"
    for wrong in ("m:1:2", "azureml://registries/r/models/m/versions/1", "a/b"):
        with pytest.raises(UsageError):
            node(wrong)
    with pytest.raises(UsageError, match="exclude each other"):
        node("m:1", version="1")
    with pytest.raises(UsageError, match="which model"):
        node()
    with pytest.raises(NotFoundError):
        node("m:2")
    with pytest.raises(NotFoundError):
        job_node(chain, "nobody")


def test_a_curated_environment_can_be_asked_for_though_it_is_no_asset(chain: WorkspaceStore) -> None:
    curated = Node("environment", "sklearn-1.5", "@latest")
    chain.links.add([Link(curated, job("train"), "environment")])
    found = asset_node(chain, "environment", "sklearn-1.5@latest", name=None, version=None, label=None)
    assert found == curated
