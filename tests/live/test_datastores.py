"""Datastores on real servers: transfers, jobs, imports, faults, and secrets that appear nowhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl
from tests.services import ObjectStore, azurite, s3

from mlctl.entities.datastore import Datastore
from mlctl.errors import AuthError, NotFoundError, UnavailableError
from mlctl.storage.credentials import Vault
from mlctl.storage.datastores import Remote, open_datastore
from mlctl.storage.remote_files import CHUNK, find_files
from mlctl.storage.transfer import download, upload
from mlctl.store.secrets import SecretStore

pytestmark = pytest.mark.filterwarnings("ignore")
"""The SDKs warn of each other and of sessions that end with the process."""


@pytest.fixture(scope="module", params=["azurite", "s3"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    opened = azurite(tmp_path_factory.mktemp("azurite")) if request.param == "azurite" else s3()
    with opened as found:
        yield found


@pytest.fixture
def remote(server: ObjectStore, tmp_path: Path) -> Remote:
    return opened(server, tmp_path)


def opened(server: ObjectStore, folder: Path, **changes: str) -> Remote:
    data = Datastore("far", server.type, settings={**server.settings, **changes}, credentials=server.credentials)
    found = open_datastore(data, Vault(SecretStore(folder / "secrets"), {}))
    assert isinstance(found, Remote)
    return found


def tree(folder: Path) -> Path:
    """Files with odd names, an empty one, and one of several chunks."""
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "odd #1 ?%20+ü.txt").write_text("odd")
    (folder / "a" / "empty").touch()
    (folder / "large").write_bytes(os.urandom(3 * CHUNK + 17))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_tree_there_and_back_is_the_same_and_goes_once(remote: Remote, tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    sent = upload(source, remote, "round/trip")
    assert (sent.files, sent.skipped) == (3, 0)
    assert upload(source, remote, "round/trip").skipped == 3
    download(remote, "round/trip", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)
    assert download(remote, "round/trip", tmp_path / "back").skipped == 3
    (source / "a" / "empty").write_text("x")
    assert upload(source, remote, "round/trip").skipped == 2
    assert download(remote, "round/trip", tmp_path / "back").skipped == 2
    assert (tmp_path / "back" / "a" / "empty").read_text() == "x"


def test_what_was_sent_has_its_checksum_there(remote: Remote, tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    upload(source / "large", remote, "sums/large")
    (file,) = find_files(remote, "sums/large")
    assert file.size == (source / "large").stat().st_size
    from mlctl.storage.remote_files import checksums_of, known_checksums

    assert known_checksums(remote, file).sha256 == checksums_of(source / "large").sha256


def test_a_link_is_left_out(remote: Remote, tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    (source / "link").symlink_to("/etc/passwd")
    (source / "folder").symlink_to("/etc")
    done = upload(source, remote, "links")
    assert len(done.warnings) == 2
    assert {file.path for file in find_files(remote, "links")} == {
        f"links/{name}" for name in contents(source / ".")
    } - {"links/link"}


def test_a_wrong_key_and_a_wrong_place_are_told(server: ObjectStore, tmp_path: Path) -> None:
    place = "container_name" if server.type == "azure_blob" else "bucket_name"
    with pytest.raises(NotFoundError):
        download(opened(server, tmp_path, **{place: "missing"}), "x", tmp_path / "x")
    if server.type == "azure_blob":  # the stand-in for S3 lets everybody in
        wrong = Datastore("far", server.type, settings=server.settings, credentials={"account_key": "d3Jvbmc="})
        found = open_datastore(wrong, Vault(SecretStore(tmp_path), {}))
        assert isinstance(found, Remote)
        with pytest.raises(AuthError, match="not allowed"):
            find_files(found, "x")


def test_nobody_there_is_told(server: ObjectStore, tmp_path: Path) -> None:
    from tests.services import free_port

    port = free_port()
    endpoint = f"127.0.0.1:{port}" if server.type == "azure_blob" else f"http://127.0.0.1:{port}"
    with pytest.raises(UnavailableError, match="cannot list"):
        find_files(opened(server, tmp_path, endpoint=endpoint), "x")


def test_a_killed_download_shows_nothing_half_and_goes_on(server: ObjectStore, remote: Remote, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(6):
        (source / f"f{number}").write_bytes(os.urandom(2 * CHUNK + number))
    upload(source, remote, "killed")
    script = tmp_path / "download.py"
    script.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "from mlctl.entities.datastore import Datastore\n"
        "from mlctl.storage.credentials import Vault\n"
        "from mlctl.storage.datastores import open_datastore\n"
        "from mlctl.storage.transfer import download\n"
        "kind, settings, credentials, target = json.loads(sys.argv[1])\n"
        "data = Datastore('far', kind, settings=settings, credentials=credentials)\n"
        "download(open_datastore(data, Vault(None, {})), 'killed', Path(target))\n"
    )
    target = tmp_path / "target"
    words = json.dumps([server.type, server.settings, server.credentials, str(target)])
    parts = target / ".mlctl-parts"
    with subprocess.Popen([sys.executable, str(script), words], stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (parts.is_dir() and any(one.stat().st_size for one in parts.iterdir())):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    wanted = contents(source)
    assert all(content == wanted[name] for name, content in contents(target).items() if "parts" not in name)
    download(remote, "killed", target)
    assert contents(target) == wanted


def test_a_job_reads_from_it_and_writes_to_it(
    mlctl: Mlctl, server: ObjectStore, remote: Remote, tmp_path: Path
) -> None:
    upload(tree(tmp_path / "source"), remote, "job/in")
    variables = {f"KEY_{key.upper()}": text for key, text in server.credentials.items()}
    mlctl.environ |= variables
    references = {key: f"${{{{env:KEY_{key.upper()}}}}}" for key in server.credentials}
    mlctl("datastore", "create", "-f", str(server.write(mlctl.folder, "far", **references)))
    (mlctl.folder / "share").mkdir()
    near = mlctl.folder / "near.yml"
    near.write_text("name: near\ntype: local_folder\npath: share\n")
    mlctl("datastore", "create", "-f", str(near))
    made = mlctl.run(
        "cat ${{inputs.tree}}/a/b/odd* && wc -c < ${{inputs.file}} && ! touch ${{inputs.tree}}/new && "
        "(env | grep KEY_ || echo no key) && "
        "echo far > ${{outputs.far}}/x && echo one > ${{outputs.one}} && echo near > ${{outputs.near}}/y",
        inputs={
            "tree": {"type": "uri_folder", "path": "azureml://datastores/far/paths/job/in"},
            "file": {"type": "uri_file", "path": "azureml://datastores/far/paths/job/in/large", "mode": "download"},
        },
        outputs={
            "far": {"path": "azureml://datastores/far/paths/job/${{name}}/"},
            "one": {"type": "uri_file", "path": "azureml://datastores/far/paths/job/one.txt"},
            "near": {"path": "azureml://datastores/near/paths/job"},
        },
    )
    log = mlctl.log(made["name"])
    assert f"odd{3 * CHUNK + 17}" in log
    assert "no key" in log
    download(remote, "job", tmp_path / "after")
    assert (tmp_path / "after" / made["name"] / "x").read_text() == "far\n"
    assert (tmp_path / "after" / "one.txt").read_text() == "one\n"
    assert (mlctl.folder / "share" / "job" / "y").read_text() == "near\n"
    for secret in server.secrets:
        assert not [path for path in _files(mlctl.home) if secret.encode() in path.read_bytes()]
    shown = mlctl.json("job", "show", "-n", made["name"])
    assert shown["outputs"]["far"]["path"] == "azureml://datastores/far/paths/job/${{name}}/"


def test_a_job_whose_datastore_cannot_be_used_is_refused_before_it_is_taken(mlctl: Mlctl, server: ObjectStore) -> None:
    key = next(iter(server.credentials))
    references = {**server.credentials, key: "${{env:NOT_SET_ANYWHERE}}"}
    mlctl("datastore", "create", "-f", str(server.write(mlctl.folder, "far", **references)))
    for data in (
        {"inputs": {"a": {"path": "azureml://datastores/far/paths/x"}}},
        {"outputs": {"a": {"path": "azureml://datastores/far/paths/x"}}},
    ):
        failed = mlctl("job", "create", "-f", str(mlctl.job("true", **data)), code=4)
        assert "NOT_SET_ANYWHERE" in failed.stderr
    assert mlctl.json("job", "list") == []


def test_a_file_is_no_folder_and_a_folder_no_file(
    mlctl: Mlctl, server: ObjectStore, remote: Remote, tmp_path: Path
) -> None:
    upload(tree(tmp_path / "source"), remote, "kinds")
    mlctl("datastore", "create", "-f", str(server.write(mlctl.folder, "far")))
    for kind, path, what in (("uri_file", "kinds", "a folder"), ("uri_folder", "kinds/large", "a file")):
        given = {"type": kind, "path": f"azureml://datastores/far/paths/{path}"}
        made = mlctl.run("true", code=10, inputs={"a": given})
        assert f"is {what}, not {kind}" in json.dumps(mlctl.json("job", "show", "-n", made["name"])["error"])


def test_an_output_that_cannot_be_delivered_fails_the_job(mlctl: Mlctl, server: ObjectStore) -> None:
    place = "container_name" if server.type == "azure_blob" else "bucket_name"
    data = {**server.datastore("far"), place: "missing"}
    (mlctl.folder / "far.yml").write_text(json.dumps(data))
    mlctl("datastore", "create", "-f", "far.yml")
    made = mlctl.run("echo x > ${{outputs.o}}/x", code=10, outputs={"o": {"path": "azureml://datastores/far/paths/x"}})
    shown = mlctl.json("job", "show", "-n", made["name"])
    assert shown["status"] == "Failed"
    assert "outputs.o" in json.dumps(shown["error"])


def test_local_data_is_brought_to_the_datastore_that_is_named(
    mlctl: Mlctl, server: ObjectStore, tmp_path: Path
) -> None:
    source = tree(tmp_path / "source")
    mlctl("datastore", "create", "-f", str(server.write(mlctl.folder, "far")))
    words = ("data", "create", "-n", "d", "--path", str(source), "--datastore", "far", "-v", "1")
    made = mlctl.json(*words)
    assert made["path"].startswith("azureml://datastores/far/paths/LocalUpload/")
    assert mlctl.json(*words)["path"] == made["path"]
    mlctl("data", "download", "-n", "d", "-v", "1", "-p", str(tmp_path / "down"))
    assert contents(tmp_path / "down" / "d") == contents(source)
    ran = mlctl.run("wc -c < ${{inputs.d}}/large", inputs={"d": {"type": "uri_folder", "path": "azureml:d:1"}})
    assert str(3 * CHUNK + 17) in mlctl.log(ran["name"])
    (mlctl.folder / "share").mkdir()
    (mlctl.folder / "near.yml").write_text("name: near\ntype: local_folder\npath: share\n")
    mlctl("datastore", "create", "-f", "near.yml")
    mlctl("data", "create", "-n", "d", "--path", str(source), "--datastore", "azureml:near", "-v", "2")
    (place,) = (mlctl.folder / "share" / "LocalUpload").iterdir()
    assert contents(place / "source") == contents(source)
    mlctl("data", "create", "-n", "d", "--path", str(source), "--datastore", "none", code=3)


def test_data_is_imported_downloaded_and_mounted(
    mlctl: Mlctl, server: ObjectStore, remote: Remote, tmp_path: Path
) -> None:
    source = tree(tmp_path / "source")
    upload(source, remote, "import/in")
    mlctl("datastore", "create", "-f", str(server.write(mlctl.folder, "far")))
    mlctl("connection", "create", "-f", str(connection(mlctl.folder, server)))
    spec = {
        "name": "brought",
        "type": "uri_folder",
        "path": "azureml://datastores/workspaceblobstore/paths/brought/${{name}}",
        "source": {"type": "file_system", "connection": "azureml:outside", "path": "import/in"},
    }
    (mlctl.folder / "import.yml").write_text(json.dumps(spec))
    made = mlctl.json("data", "import", "-f", "import.yml")
    assert (made["version"], made["path"]) == ("1", "azureml://datastores/workspaceblobstore/paths/brought/brought")
    assert contents(mlctl.workspace / "datastores" / "workspaceblobstore" / "brought" / "brought") == contents(source)
    far = mlctl.json("data", "import", "-f", "import.yml", "--path", "azureml://datastores/far/paths/import/out")
    assert far["version"] == "2"
    mlctl("data", "download", "-n", "brought", "-v", "2", "-p", str(tmp_path / "down"))
    assert contents(tmp_path / "down" / "brought") == contents(source)
    status = mlctl.json("data", "list-materialization-status", "-p", "brought")
    assert [(row["version"], row["status"]) for row in status] == [("2", "Completed"), ("1", "Completed")]
    point = tmp_path / "point"
    try:
        mounted = mlctl.json("data", "mount", "--path", "azureml:brought:2", "--mount-point", str(point))
        assert contents(point) == contents(source)
        with pytest.raises(OSError):  # noqa: PT011  bound or copied, it cannot be written to; root may write to a copy
            (point / "new").write_text("x") if mounted["kind"] == "bound" else _raise(OSError())
    finally:
        subprocess.run(["umount", str(point)], capture_output=True, check=False)


def connection(folder: Path, server: ObjectStore) -> Path:
    settings: dict[str, Any] = server.settings
    if server.type == "s3":
        more = {"type": "s3", "target": f"{settings['endpoint']}/{settings['bucket_name']}"}
        credentials = {"type": "access_key", **server.credentials}
    else:
        url = f"http://{settings['endpoint']}/{settings['account_name']}/{settings['container_name']}"
        more = {"type": "azure_blob", "url": url}
        more |= {key: settings[key] for key in ("account_name", "container_name")}
        credentials = {"type": "account_key", **server.credentials}
    path = folder / "connection.yml"
    path.write_text(json.dumps({"name": "outside", **more, "credentials": credentials}))
    return path


def test_secrets_given_in_clear_are_found_nowhere_but_in_their_own_file(
    mlctl: Mlctl, server: ObjectStore, remote: Remote, tmp_path: Path
) -> None:
    """All that a workspace and its commands write is searched, after what goes well and what fails."""
    upload(tree(tmp_path / "source"), remote, "secret/in")
    said = []

    def run(*words: str, code: int = 0) -> None:
        done = mlctl(*words, code=code)
        said.append(done.stdout + done.stderr)

    file = str(server.write(mlctl.folder, "far"))
    broken = {**server.datastore("far"), "unknown_key": 1, "container_name": [1]}
    (mlctl.folder / "broken.yml").write_text(json.dumps(broken))
    run("datastore", "create", "-f", file, "--debug")
    run("datastore", "create", "-f", "broken.yml", code=5)
    run("datastore", "validate", "-f", "broken.yml")
    run("connection", "create", "-f", str(connection(mlctl.folder, server)))
    for words in (
        ["show", "-n", "far"],
        ["list"],
        ["list", "-o", "table"],
        ["update", "-n", "far", "--set", "tags.a=1"],
    ):
        run("datastore", *words)
    for words in (["show", "-n", "outside", "-p"], ["list", "-p"], ["update", "-n", "outside", "--set", "tags.a=1"]):
        run("connection", *words)
    inputs = {"a": {"type": "uri_folder", "path": "azureml://datastores/far/paths/secret/in"}}
    outputs = {"o": {"path": "azureml://datastores/far/paths/secret/out"}}
    job = str(mlctl.job("env; ls ${{inputs.a}}; echo x > ${{outputs.o}}/x", inputs=inputs, outputs=outputs))
    run("job", "create", "-f", job, "--dry-run")
    run("job", "create", "-f", job, "--name", "good", "--stream", "--debug")
    run("job", "show", "-n", "good")
    inputs["a"]["path"] = "azureml://datastores/far/paths/none"
    job = str(mlctl.job("true", inputs=inputs))
    run("job", "create", "-f", job, "--name", "bad", "--stream", "--debug", code=10)
    own = mlctl.workspace / "secrets"
    assert {path.stat().st_mode & 0o777 for path in own.iterdir()} == {0o600}
    held = "".join(path.read_text() for path in own.iterdir())
    for secret in server.secrets:
        assert secret in held
        assert not [text for text in said if secret in text]
        needles = {secret.encode(), json.dumps(secret).strip('"').encode()}
        found = [path for path in _files(mlctl.home) if any(needle in path.read_bytes() for needle in needles)]
        assert {path.parent for path in found} <= {own}


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 50_000_000:
                yield path


def _raise(error: Exception) -> None:
    raise error
