"""What is refused of a job's datastores before the job is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlctl.backends.supervised.datastores import check_datastores
from mlctl.entities.clock import Clock
from mlctl.errors import UnsupportedError
from mlctl.store.workspaces import Workspaces, WorkspaceStore

DATASTORE = "workspaceblobstore"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    store = Workspaces(tmp_path / "home", Clock()).open("default")
    yield store
    store.database.close()


def test_an_output_whose_path_leaves_its_datastore_is_refused(store: WorkspaceStore, tmp_path: Path) -> None:
    root = store.datastore_folder(DATASTORE)
    (root / "sub").mkdir(parents=True)
    (root / "near").symlink_to("sub")
    (root / "away").symlink_to(tmp_path)

    def check(path: str) -> list[str]:
        deliver = f"azureml://datastores/{DATASTORE}/paths/{path}"
        output = {"name": "o", "type": "uri_folder", "mode": "rw_mount", "deliver": deliver, "target": "/x"}
        return check_datastores({"inputs": [], "outputs": [output]}, store, {})

    assert check("near/new") == []
    with pytest.raises(UnsupportedError) as caught:
        check("away/new")
    assert caught.value.message.startswith(
        f"outputs.o.path: 'azureml://datastores/{DATASTORE}/paths/away/new' leads out"
    )
    with pytest.raises(UnsupportedError, match="leads out of its root"):
        check("near/../../x")
