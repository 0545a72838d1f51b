"""`mlctl data|model|environment|component …` as a user calls them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tests.unit.cli.calls import Call


@pytest.fixture
def data() -> Path:
    """A folder with two files, in the working directory."""
    Path("d/sub").mkdir(parents=True)
    Path("d/a.csv").write_text("1,2\n")
    Path("d/sub/b.csv").write_text("3\n")
    return Path("d")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of a web server with the file `iris.csv`."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/iris.csv").write_text("1,2\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def share(call: Call, tmp_path: Path) -> Path:
    """The folder of a datastore `nas`."""
    (tmp_path / "share").mkdir()
    Path("nas.yml").write_text(f"name: nas\ntype: local_folder\npath: {tmp_path}/share\n")
    assert call("datastore", "create", "-f", "nas.yml").code == 0
    return tmp_path / "share"


def test_data_from_options_and_what_show_says(call: Call, data: Path, tmp_path: Path) -> None:
    made = call("data", "create", "-n", "iris", "--path", str(data), "-d", "flowers").json
    assert (made["name"], made["version"], made["type"]) == ("iris", "1", "uri_folder")
    assert made["description"] == "flowers"
    digest = made["content"].removeprefix("sha256:")
    assert made["path"] == f"azureml://datastores/workspaceblobstore/paths/LocalUpload/{digest}/d/"
    place = tmp_path / "home/workspaces/default/datastores/workspaceblobstore/LocalUpload" / digest / "d"
    assert (place / "sub/b.csv").read_text() == "3\n"
    assert call("data", "show", "-n", "iris", "-v", "1").json == made
    assert call("data", "show", "-n", "iris", "-l", "latest").json == made
    assert call("data", "show", "-n", "iris").json == made


def test_yaml_options_and_set_win_in_az_order(call: Call, data: Path) -> None:
    Path("data.yml").write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
        "name: a\nversion: 3\ntype: uri_file\npath: d/a.csv\ntags: {x: 1, y: true}\n"
    )
    made = call("data", "create", "-f", "data.yml", "--set", "description=s", "--name", "b").json
    assert (made["name"], made["version"], made["description"]) == ("b", "3", "s")
    assert made["path"].endswith("/a.csv")
    assert made["tags"] == {"x": "1", "y": "True"}


def test_a_broken_spec_registers_nothing(call: Call, data: Path) -> None:
    Path("data.yml").write_text("name: a\ntyp: uri_folder\npath: nowhere\n")
    answer = call("data", "create", "-f", "data.yml")
    assert answer.code == 5
    assert "data.yml:2:1" in answer.err
    assert "data.yml:3:7" in answer.err
    assert call("data", "list").json == []


def test_the_same_version_with_other_content_names_the_files(call: Call, data: Path) -> None:
    assert call("data", "create", "-n", "a", "-p", "d", "-v", "1").code == 0
    assert call("data", "create", "-n", "a", "-p", "d", "-v", "1").code == 0
    (data / "a.csv").write_text("other")
    (data / "new").write_text("n")
    answer = call("data", "create", "-n", "a", "-p", "d", "-v", "1")
    assert answer.code == 6
    assert "1 added (new), 1 changed (a.csv)" in answer.err
    assert call("data", "create", "-n", "a", "-p", "d").json["version"] == "2"


def test_an_address_is_kept_as_it_is(call: Call) -> None:
    for path in ("https://example.com/a.csv", "azureml://datastores/workspaceblobstore/paths/x/"):
        made = call("data", "create", "-n", "far", "--path", path).json
        assert made["path"] == path
        assert "content" not in made


def test_a_missing_name_is_a_usage_error(call: Call, data: Path) -> None:
    answer = call("data", "create", "--path", "d")
    assert (answer.code, "--name" in answer.err) == (2, True)


def test_lists_show_names_then_versions(call: Call, data: Path) -> None:
    call("model", "create", "-n", "m", "-p", "d", "--stage", "Production")
    call("model", "create", "-n", "m", "-p", "d/a.csv")
    assert [(one["name"], one["latest_version"]) for one in call("model", "list").json] == [("m", "2")]
    assert [one["version"] for one in call("model", "list", "-n", "m").json] == ["2", "1"]
    assert [one["version"] for one in call("model", "list", "-n", "m", "-s", "Production").json] == ["1"]
    assert call("model", "list", "-s", "None").json == []
    assert [one["version"] for one in call("model", "list", "-n", "m", "-r", "1").json] == ["2"]
    assert call("model", "list", "-n", "m", "--include-archived", "--archived-only").code == 2


def test_archive_restore_and_labels(call: Call, data: Path) -> None:
    for path in ("d", "d/a.csv"):
        call("model", "create", "-n", "m", "-p", path)
    archived = call("model", "archive", "-n", "m", "-v", "2")
    assert (archived.code, archived.out) == (0, "")
    assert call("model", "show", "-n", "m", "-l", "latest").json["version"] == "1"
    assert [one["version"] for one in call("model", "list", "-n", "m", "--archived-only").json] == ["2"]
    call("model", "restore", "-n", "m", "-v", "2")
    assert call("model", "label", "-n", "m", "-v", "1", "-l", "prod").json == {"prod": "1"}
    assert call("model", "show", "-n", "m", "-l", "prod").json["labels"] == ["prod"]
    assert call("model", "label", "-n", "m", "-l", "latest", "-v", "1").code == 2
    assert call("model", "label", "-n", "m", "-l", "prod").code == 2
    assert call("model", "label", "-n", "m", "-l", "prod", "--remove").json == {}
    assert call("model", "show", "-n", "m", "-v", "1", "-l", "prod").code == 2
    assert call("model", "show", "-n", "m", "-v", "7").code == 3


def test_update_changes_what_a_version_may_change(call: Call, data: Path) -> None:
    call("model", "create", "-n", "m", "-p", "d", "--tags", "a=1")
    shown = call("model", "update", "-n", "m", "-v", "1", "--set", "tags.b=2", "description=x", "--stage", "Test").json
    assert (shown["tags"], shown["description"], shown["stage"]) == ({"a": "1", "b": "2"}, "x", "Test")
    refused = call("model", "update", "-n", "m", "-v", "1", "--set", "path=elsewhere")
    assert (refused.code, "cannot change path" in refused.err) == (2, True)
    assert call("data", "create", "-n", "d", "-p", "d").code == 0
    assert call("data", "update", "-n", "d", "--set", "stage=x").code == 2


def test_download_gives_back_the_same_bytes_and_keeps_what_is_there(call: Call, data: Path) -> None:
    call("model", "create", "-n", "m", "-p", "d")
    for _ in range(2):
        answer = call("model", "download", "-n", "m", "-v", "1", "-p", "out")
        assert (answer.code, answer.out) == (0, "")
    assert Path("out/m/sub/b.csv").read_text() == "3\n"
    assert Path("out/m/a.csv").read_text() == "1,2\n"
    Path("out/m/a.csv").write_text("mine")
    assert call("model", "download", "-n", "m", "-v", "1", "-p", "out").code == 6
    assert Path("out/m/a.csv").read_text() == "mine"
    assert [path.name for path in Path("out").iterdir()] == ["m"]


def test_an_environment_from_options_holds_its_conda_file(call: Call) -> None:
    Path("conda.yml").write_text("dependencies: [python=3.11, {pip: [numpy]}]\n")
    made = call("environment", "create", "-n", "e", "--image", "i:1", "--conda-file", "conda.yml").json
    assert made["conda_file"] == {"dependencies": ["python=3.11", {"pip": ["numpy"]}]}
    assert "type" not in made
    Path("conda.yml").write_text("dependencies: [python=3.12]\n")
    assert call("environment", "create", "-n", "e", "-v", "1", "-i", "i:1", "-c", "conda.yml").code == 6
    assert call("environment", "create", "-n", "e", "-i", "i:1", "-c", "conda.yml").json["version"] == "2"


def test_a_build_context_is_stored(call: Call, data: Path) -> None:
    Path("d/Dockerfile").write_text("FROM x\n")
    made = call("environment", "create", "-n", "e", "--build-context", "d").json
    assert made["build"]["dockerfile_path"] == "Dockerfile"
    assert made["build"]["path"].endswith("/d/")
    assert call("environment", "create", "-n", "e", "-b", "d", "-d", "Other").code == 5
    assert call("environment", "create", "-n", "e", "-b", "d", "-i", "x").code == 5


def test_a_component_keeps_its_code_and_its_inner_components(call: Call, data: Path) -> None:
    Path("step.yml").write_text(
        "type: command\nname: step\ncode: d\ncommand: ls\nenvironment: {image: x}\ninputs: {n: {type: integer}}\n"
    )
    Path("pipe.yml").write_text(
        "type: pipeline\nname: pipe\ninputs: {n: {type: integer}}\n"
        "jobs:\n  one:\n    type: command\n    component: ./step.yml\n    inputs: {n: '${{parent.inputs.n}}'}\n"
    )
    step = call("component", "create", "-f", "step.yml").json
    assert step["code"].endswith("/d/")
    assert step["type"] == "command"
    pipe = call("component", "create", "-f", "pipe.yml").json
    assert pipe["jobs"]["one"]["component"].startswith("azureml:azureml_anonymous:")
    assert [one["name"] for one in call("component", "list").json] == ["pipe", "step"]


def test_tables_and_help(call: Call, data: Path) -> None:
    call("data", "create", "-n", "iris", "-p", "d")
    table = call("data", "list", "-o", "table").out
    assert "iris" in table
    assert "LatestVersion" in table
    for group in ("data", "model", "environment", "component"):
        words = call(group, "--help").out
        for verb in ("create", "show", "list", "update", "archive", "restore", "label", "validate"):
            assert verb in words


def test_the_catalog_of_a_component_names_every_file_with_its_digest(call: Call, data: Path) -> None:
    Path("step.yml").write_text("type: command\nname: s\ncode: d\ncommand: ls\nenvironment: {image: x}\n")
    (data / ".amlignore").write_text("sub\n")
    for _ in range(2):  # the catalog itself is not in it
        assert call("component", "prepare-for-sign", "-f", "step.yml").code == 0
    catalog = json.loads((data / "catalog.json").read_text())
    assert catalog["HashAlgorithm"] == "SHA256"
    assert catalog["CatalogItems"] == {
        name: hashlib.sha256((data / name).read_bytes()).hexdigest().upper() for name in (".amlignore", "a.csv")
    }
    assert (data / "catalog.json.sig").read_bytes() == (data / "catalog.json").read_bytes()
    Path("none.yml").write_text("type: command\nname: s\ncommand: ls\nenvironment: {image: x}\n")
    assert call("component", "prepare-for-sign", "-f", "none.yml").code == 2


def test_what_show_prints_is_a_spec(call: Call, data: Path) -> None:
    (data / "Dockerfile").write_text("FROM scratch\n")
    Path("flow").mkdir()
    Path("flow/MLmodel").write_text("flavors: {python_function: {loader_module: x}}\nmodel_uuid: u\n")
    Path("c.yml").write_text("type: command\nname: c\ncommand: ls\ncode: d\nenvironment: {image: i}\n")
    for words in (
        ("data", "create", "-n", "d", "--path", "d"),
        ("model", "create", "-n", "m", "--path", "d"),
        ("model", "create", "-n", "flow", "--path", "flow"),
        ("environment", "create", "-n", "e", "--image", "i"),
        ("environment", "create", "-n", "b", "--build-context", "d"),
        ("component", "create", "-f", "c.yml"),
    ):
        made = call(*words).json
        shown = (words[0], "show", "-n", made["name"], "-v", "1", "-o", "yaml")
        Path("shown.yml").write_text(call(*shown).out)
        again = call(words[0], "create", "-f", "shown.yml")
        assert (again.code, again.err) == (0, ""), words
        differing = {key for key in made if made[key] != again.json[key]}
        assert differing <= {"creation_context"}, words
        other = call(words[0], "create", "-f", "shown.yml", "--name", f"{made['name']}2").json
        assert {key for key in made if made[key] != other[key]} == {"id", "name", "creation_context"}, words


def test_what_show_prints_of_files_in_another_datastore_is_a_spec(call: Call, data: Path, share: Path) -> None:
    create = ("data", "create", "-n", "a", "-v", "1", "--path", "d", "--datastore", "nas")
    made = call(*create).json
    Path("shown.yml").write_text(call("data", "show", "-n", "a", "-v", "1", "-o", "yaml").out)
    for again in (call(*create), call("data", "create", "-f", "shown.yml")):
        assert (again.code, again.err) == (0, "")
        assert again.json["path"] == made["path"]


def test_a_component_with_a_token_in_the_address_of_its_code_is_refused(call: Call) -> None:
    spec = "type: command\nname: c\ncommand: ls\nenvironment: {image: i}\ncode: "
    Path("c.yml").write_text(spec + "git+https://me:geheim@example.com/x.git\n")
    answer = call("component", "create", "-f", "c.yml")
    assert (answer.code, "geheim" in answer.err) == (2, False)
    Path("c.yml").write_text(spec + "git+https://example.com/x.git\n")
    assert call("component", "create", "-f", "c.yml").code == 0


def test_a_label_that_is_a_path_is_refused(call: Call, data: Path) -> None:
    call("data", "create", "-n", "a", "--path", "d")
    assert call("data", "label", "-n", "a", "-v", "1", "-l", "../x").code == 2
    assert call("data", "label", "-n", "a", "-v", "1", "-l", "x").code == 0


def test_a_download_onto_a_file_is_refused(call: Call, data: Path) -> None:
    call("data", "create", "-n", "a", "--path", "d")
    Path("out").mkdir()
    Path("out/a").write_text("mine")
    assert [call("data", "download", "-n", "a", "-v", "1", "-p", to).code for to in ("out", "out/a")] == [6, 6]
    assert call("data", "download", "-n", "a", "-v", "1", "-p", "out/a/b").code == 7
    assert [path.name for path in Path("out").iterdir()] == ["a"]


def test_a_version_of_more_digits_than_a_number_has_is_a_name(call: Call, data: Path) -> None:
    for version in ("1", "9" * 18, "9" * 40):
        assert call("data", "create", "-n", "a", "--path", "d", "-v", version).code == 0
    assert call("data", "create", "-n", "a", "--path", "d").json["version"] == "1" + "0" * 18
    assert call("data", "create", "-n", "b", "--path", "d", "-v", "9" * 40).code == 0
    assert call("data", "create", "-n", "b", "--path", "d").json["version"] == "1"


def test_a_file_of_the_web_is_downloaded(call: Call, site: str) -> None:
    call("data", "create", "-n", "far", "-t", "uri_file", "--path", f"{site}/iris.csv?sig=geheim")
    call("data", "create", "-n", "folder", "-t", "uri_folder", "--path", f"{site}/")
    assert call("data", "download", "-n", "far", "-v", "1", "-p", "out").code == 0
    assert Path("out/far/iris.csv").read_text() == "1,2\n"
    refused = call("data", "download", "-n", "folder", "-v", "1", "-p", "out")
    assert (refused.code, "cannot be read over the web" in refused.err) == (9, True)
    assert [path.name for path in Path("out").iterdir()] == ["far"]


@pytest.mark.parametrize("path", ["link/secret", "link", "../outside/secret", "%2e%2e/outside/secret"])
def test_a_path_that_leaves_its_datastore_is_refused(call: Call, share: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (share / "link").symlink_to(tmp_path / "outside")
    address = f"azureml://datastores/nas/paths/{path}"
    answer = call("model", "create", "-n", "a", "--path", address)
    assert (answer.code, "leads out of its root" in answer.err) == (9, True)


def test_sent_files_are_kept_here_too(call: Call, data: Path, share: Path) -> None:
    made = call("data", "create", "-n", "a", "--path", "d", "--datastore", "nas").json
    sent = share / made["path"].partition("/paths/")[2]
    assert (sent / "sub/b.csv").read_text() == "3\n"
    (sent / "sub/b.csv").unlink()
    Path("job.yml").write_text(
        "command: ls\nenvironment: {image: i}\ninputs: {d: {type: uri_file, path: azureml:a:1}}\n"
    )
    answer = call("job", "create", "-f", "job.yml", "--dry-run")
    assert (answer.code, "is a folder, not uri_file" in answer.err) == (5, True)
    assert call("gc").code == 0
    assert call("data", "download", "-n", "a", "-v", "1", "-p", "out").code == 0
    assert Path("out/a/sub/b.csv").read_text() == "3\n"
    assert call("workspace", "verify").code == 0


def test_a_file_of_the_web_is_mounted(call: Call, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlctl.storage.mounts._bind", lambda *_words, **_options: False)
    address = f"{site}/iris.csv?sv=1&sig=hunter2"
    assert call("data", "create", "-n", "iris", "--type", "uri_file", "--path", address).code == 0
    for number, path in enumerate(("azureml:iris:1", address)):
        point = tmp_path / f"point{number}"
        answer = call("data", "mount", "--path", path, "--mount-point", str(point))
        assert answer.code == 0, answer.err
        assert answer.json["mounted_path"] == str(point / "iris.csv")
        assert answer.json["source"] == f"{site}/iris.csv?sv=…&sig=…"
        assert answer.json["snapshot"] is True
        assert (point / "iris.csv").read_text() == "1,2\n"
        assert (point / "iris.csv").stat().st_mode & 0o222 == 0
    refused = call("data", "mount", "--path", f"{site}/missing?sig=hunter2", "--mount-point", str(tmp_path / "p"))
    assert (refused.code, "hunter2" in refused.err) == (3, False)
    assert call("data", "create", "-n", "f", "--type", "uri_folder", "--path", address).code == 0
    refused = call("data", "mount", "--path", "azureml:f:1", "--mount-point", str(tmp_path / "p"))
    assert (refused.code, "cannot be read over the web" in refused.err) == (9, True)
    refused = call("datastore", "mount", "--path", address, "--mode", "rw_mount", "--mount-point", str(tmp_path / "p"))
    assert (refused.code, "hunter2" in refused.err) == (9, False)
