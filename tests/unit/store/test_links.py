"""Links between nodes, and what is known of these."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlctl.entities.asset import Asset
from mlctl.entities.job import JobRecord
from mlctl.entities.lineage import DEPLOYMENT, Link, Node, node_from_text
from mlctl.errors import ConflictError
from mlctl.store.workspaces import WorkspaceStore

DATA, JOB, MODEL = Node("data", "iris", "1"), Node("job", "train"), Node("model", "iris", "1")


@pytest.mark.parametrize(
    "node",
    [
        DATA,
        JOB,
        Node("path", "/a/b.csv"),
        Node("environment", "e", "@latest"),
        Node("git", "a1"),
    ],
)
def test_a_node_comes_back_from_its_text(node: Node) -> None:
    assert node_from_text(node.text) == node


def test_links_are_found_from_both_ends_and_kept_once(store: WorkspaceStore) -> None:
    links = [Link(DATA, JOB, "input d"), Link(JOB, MODEL, "output m"), Link(DATA, JOB, "input e")]
    store.links.add(links)
    store.links.add(links)
    assert store.links.upstream(JOB) == [links[0], links[2]]
    assert store.links.downstream(JOB) == [links[1]]
    assert store.links.upstream(MODEL, JOB) == [links[0], links[2], links[1]]
    assert store.links.upstream() == []


def test_any_number_of_nodes_at_once(store: WorkspaceStore) -> None:
    links = [Link(DATA, Node("job", f"j{number}"), "input d") for number in range(1234)]
    store.links.add(links)
    assert len(store.links.upstream(*(link.downstream for link in links))) == 1234


def test_a_job_and_its_links_appear_together(store: WorkspaceStore, add: Callable[..., JobRecord]) -> None:
    record = JobRecord("train", "Queued", "local", "local", 1.0)
    link = Link(DATA, JOB, "input d")
    store.jobs.insert(record, plan={}, folder=store.jobs.new_folder(), links=[link])
    assert store.links.upstream(JOB) == [link]
    other = Link(MODEL, JOB, "input m")
    with pytest.raises(ConflictError):
        store.jobs.insert(record, plan={}, folder=store.jobs.new_folder(), links=[other])
    assert store.links.upstream(JOB) == [link]


def test_facts_are_those_of_exactly_the_nodes(store: WorkspaceStore, add: Callable[..., JobRecord]) -> None:
    add("train", status="Completed", properties={"a": "b"})
    add("other")
    for version in ("1", "2"):
        store.assets.add(Asset("data", "iris", version, type="uri_file", fingerprint=version, content="c" + version))
    store.assets.add(Asset("model", "iris", "1", type="custom_model", fingerprint="m"))
    found = store.links.facts([DATA, JOB, Node("data", "iris", "9"), Node("path", "/x"), Node("job", "gone")])
    assert set(found) == {DATA, JOB}
    assert (found[DATA]["content"], found[DATA]["type"]) == ("c1", "uri_file")
    assert (found[JOB]["status"], found[JOB]["properties"]) == ("Completed", {"a": "b"})


def test_facts_cost_one_step_for_each_version_however_many_there_are(store: WorkspaceStore) -> None:
    sql = (
        "EXPLAIN QUERY PLAN WITH wanted (name, version) AS (VALUES (?, ?), (?, ?)) SELECT type FROM wanted "
        "CROSS JOIN assets USING (name, version) WHERE kind = 'data'"
    )
    told = " ".join(row["detail"] for row in store.database.read(sql, ("a", "1", "b", "2")))
    assert "kind=? AND name=? AND version=?" in told


def test_jobs_of_a_deployment_and_of_its_endpoint(store: WorkspaceStore) -> None:
    for number, deployment in enumerate(["sums/blue", "sums/green", "sums/blue", "sums2/blue", "sum/blue"]):
        record = JobRecord(f"job{number}", "Queued", "local", "local", float(number), experiment_name="e")
        link = Link(Node(DEPLOYMENT, deployment), Node("job", record.name), "deployment")
        store.jobs.insert(record, plan={}, folder=store.jobs.new_folder(), links=[link])
    assert [record.name for record in store.jobs.of_deployments("sums")] == ["job2", "job1", "job0"]
    assert [record.name for record in store.jobs.of_deployments("sums", "blue")] == ["job2", "job0"]
    assert store.jobs.of_deployments("sums", "blu") == []
