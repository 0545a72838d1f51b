"""`why`, `used-by`, `job lineage`, `job diff` and `job export` as a user calls them."""

from __future__ import annotations

import json
import os
import pty
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.cli.calls import Call

from mlctl.cli import main
from mlctl.context import Context
from mlctl.entities.clock import Clock
from mlctl.entities.job import JobRecord
from mlctl.entities.lineage import Link, Node
from mlctl.output.streams import Streams
from mlctl.settings import load
from mlctl.store.workspaces import Workspaces


@pytest.fixture
def chain(call: Call, tmp_path: Path) -> None:
    """data raw:1 -> job train -> model m:1, and a job `again` that differs in one parameter."""
    Path("a.csv").write_text("1")
    assert call("data", "create", "-n", "raw", "-t", "uri_file", "--path", "a.csv").code == 0
    assert call("model", "create", "-n", "m", "--path", "a.csv").code == 0
    store = Workspaces(tmp_path / "home", Clock()).open("default")
    for name, rate in (("train", "0.1"), ("again", "0.2")):
        record = JobRecord(name, "Completed", "local", "local", 1.0, document={"inputs": {"lr": rate}})
        spec = {"type": "command", "command": "x", "inputs": {"lr": rate}, "environment": {"image": "i"}}
        payload = {"folder": str(store.job_folder(name)), "outputs": []}
        plan = {"payload": payload, "compute": "local", "spec": spec, "code_digest": None}
        store.jobs.insert(record, plan=plan, folder=store.jobs.new_folder())
    data, job, model = Node("data", "raw", "1"), Node("job", "train"), Node("model", "m", "1")
    store.links.add([Link(data, job, "input raw"), Link(job, model, "output model")])
    store.database.close()


@pytest.fixture
def on_terminal(tmp_path: Path) -> Callable[..., str]:
    """What a call shows on a terminal of 100 columns without colours."""

    def run(*words: str) -> str:
        reader, writer = pty.openpty()
        shown: list[bytes] = []

        def read() -> None:
            while True:
                try:
                    data = os.read(reader, 4096)
                except OSError:
                    return
                if not data:
                    return
                shown.append(data)

        thread = threading.Thread(target=read)
        thread.start()
        variables = {"HOME": str(tmp_path), "MLCTL_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
        with os.fdopen(writer, "w", encoding="utf-8") as terminal, Path(os.devnull).open("w") as nowhere:
            context = Context(settings=load(environ=variables, cwd=Path.cwd()), streams=Streams(terminal, nowhere))
            assert main([*words], context=context) == 0
        thread.join()
        os.close(reader)
        return b"".join(shown).decode().replace("\r\n", "\n")

    return run


@pytest.mark.usefixtures("chain")
def test_why_and_used_by_are_data_when_nobody_looks(call: Call) -> None:
    found = call("model", "why", "m:1").json
    assert found["node"] == "model/m/1"
    assert {one["node"]: one["role"] for one in found["made_from"]}["job/train"] == "output model"
    assert call("model", "why", "-n", "m", "-v", "1").json == found
    assert call("model", "why", "m", "--query", "made_from[?role=='output model'].made_from[].node").json == [
        "data/raw/1"
    ]
    assert call("data", "used-by", "raw:1").json["used_by"][0]["used_by"][0]["node"] == "model/m/1"
    assert call("data", "used-by", "raw:1", "--depth", "1").json["used_by"][0]["more"] == 1
    assert call("job", "lineage", "train").json["made_from"][0]["node"] == "data/raw/1"
    assert call("job", "lineage", "-n", "train").json == call("job", "lineage", "train").json
    assert call("job", "used-by", "train").json["used_by"][0]["node"] == "model/m/1"


@pytest.mark.usefixtures("chain")
def test_why_is_a_tree_on_a_terminal(on_terminal: Callable[..., str]) -> None:
    told = on_terminal("model", "why", "m:1")
    assert told.startswith("model m:1  custom_model, ")
    assert "── output model: job train  Completed, 1970-01-01 00:00\n" in told
    assert "── input raw: data raw:1  uri_file, " in told
    assert "└── path" in told
    assert json.loads(on_terminal("model", "why", "m:1", "-o", "json"))["node"] == "model/m/1"
    assert on_terminal("model", "why", "m:1", "--query", "node") == '"model/m/1"\n'


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("model", "why", "m:9"), 3),
        (("model", "why", "nothing"), 3),
        (("model", "why"), 2),
        (("model", "why", "m:1", "-v", "1"), 2),
        (("model", "why", "m:1", "--depth", "0"), 2),
        (("component", "why", "m:1"), 3),
        (("job", "lineage", "nobody"), 3),
        (("job", "lineage"), 2),
        (("job", "lineage", "train", "-n", "train"), 2),
        (("job", "diff", "train"), 2),
        (("job", "diff", "train", "nobody"), 3),
        (("job", "export", "nobody"), 3),
    ],
)
def test_what_does_not_exist_or_makes_no_sense(call: Call, words: tuple[str, ...], code: int) -> None:
    answer = call(*words)
    assert (answer.code, answer.out) == (code, "")


def test_no_signature_gets_into_the_lineage(call: Call) -> None:
    address = "https://a.blob.core.windows.net/c/x.csv"
    call("data", "create", "-n", "far", "-t", "uri_file", "--path", f"{address}?sv=1&sig=abcdefghijklmnopqrstu")
    (origin,) = call("data", "why", "far:1").json["made_from"]
    assert origin["node"].startswith(f"path/{address}")
    assert "abcdefghij" not in origin["node"]


def test_a_signature_is_kept_with_the_secrets_only(call: Call, tmp_path: Path) -> None:
    address, secret = "https://h/x.csv?id=7", "abcdefghijklmnopqrstuvwxyz"
    path = f"{address}&sv=1&sig={secret}"
    made = call("data", "create", "-n", "far", "-v", "1", "-t", "uri_file", "--path", path)
    assert made.json["path"] == f"{address}&sv=…&sig=…"
    again = call("data", "create", "-n", "far", "-v", "1", "-t", "uri_file", "--path", made.json["path"])
    assert again.json == made.json
    spec = (
        "command: cat '${{inputs.c}}' '${{inputs.d}}'\nenvironment: {image: i}\n"
        f"inputs:\n  a: {{type: uri_file, path: azureml:far:1}}\n  b: {{type: uri_file, path: '{path}'}}\n"
        f"  c: {{type: uri_file, mode: direct, path: '{path}'}}\n  d: '{path}'\n"
        f"environment_variables: {{SOURCE: '{path}'}}\n"
    )
    Path("signed.yml").write_text(spec)
    create = ("job", "create", "-f", "signed.yml", "--name", "signed")
    told = [made, again, call(*create, "--dry-run"), call(*create)]
    assert [answer.code for answer in told] == [0, 0, 0, 0]
    told += [call("job", "export", "signed"), call("job", "show", "-n", "signed"), call("data", "list", "-n", "far")]
    assert not [answer.out for answer in told if secret[:8] in answer.out + answer.err]
    home = tmp_path / "home"
    holding = [file for file in home.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
    assert {kept.parent.name for kept in holding} == {"secrets"}
    assert path in [kept.read_text() for kept in holding]


_SECRETIVE = """
command: curl '${{inputs.a}}'
environment: {image: i}
inputs:
  a: {type: uri_file, mode: direct, path: 'https://h/x.csv?sig=NAMEgeheimgeheim'}
environment_variables: {DB: 'postgres://NAME:geheim@db/x', API_KEY: NAMEgeheim}
"""


def test_nobody_gets_the_credentials_of_another(call: Call) -> None:
    for name in ("reader", "admin"):
        Path(f"{name}.yml").write_text(_SECRETIVE.replace("NAME", name))
        assert call("job", "create", "-f", f"{name}.yml", "--name", name).code == 0
    exported = {name: call("job", "export", name).out for name in ("reader", "admin")}
    assert exported["reader"] != exported["admin"]
    assert call("job", "diff", "reader", "admin").json["equal"] is False
    for name, text in exported.items():
        Path("again.yml").write_text(text)
        assert call("job", "create", "-f", "again.yml", "--name", f"{name}-again").code == 0
        again = call("job", "export", f"{name}-again")
        assert again.out == text
        assert "this workspace knows them" in again.err
        assert "geheim" not in text
    call("workspace", "create", "-n", "other")
    refused = call("job", "create", "-f", "again.yml", "--name", "there", "-w", "other")
    assert (refused.code, "again.yml:" in refused.err, "is not known in this workspace" in refused.err) == (
        3,
        True,
        True,
    )


def test_no_secret_gets_into_a_registry(call: Call, tmp_path: Path) -> None:
    call("registry", "create", "-n", "team", "--path", str(tmp_path / "team"), "--tags", "db=pg://u:geheim1@h/x")
    Path("conda.yml").write_text(
        "dependencies: [python=3.11, {pip: [--extra-index-url https://u:geheim2@h/simple, a]}]\n"
    )
    create = ("environment", "create", "-n", "e", "-v", "1", "--image", "i", "--conda-file", "conda.yml")
    for made in (call(*create, "--registry-name", "team"), call(*create)):
        assert made.code == 0
    shared = call("environment", "share", "-n", "e", "-v", "1", "--registry-name", "team",
                  "--share-with-name", "f", "--share-with-version", "1")  # fmt: skip
    assert (shared.code, "stay in this workspace" in shared.err) == (0, True)
    holding = [file for file in (tmp_path / "team").rglob("*") if file.is_file() and b"geheim" in file.read_bytes()]
    assert holding == []


def test_a_new_signature_is_no_new_version_and_touches_no_other_asset(call: Call) -> None:
    def create(name: str, sig: str) -> str:
        address = f"https://h/x.csv?sig={sig}"
        made = call("data", "create", "-n", name, "-v", "1", "-t", "uri_file", "--path", address)
        assert made.code == 0
        return str(made.json["path"])

    first, second = create("a", "one1one1one1"), create("b", "two2two2two2")
    assert first != second
    assert call("data", "show", "-n", "a", "-v", "1").json["path"] == first
    assert create("a", "two2two2two2") == second
    assert call("data", "show", "-n", "a", "-v", "1").json["path"] == second


@pytest.mark.usefixtures("chain")
def test_diff(call: Call, on_terminal: Callable[..., str]) -> None:
    found = call("job", "diff", "train", "again").json
    assert (found["equal"], len(found["differences"])) == (False, 1)
    row = {"section": "parameters", "key": "lr", "left": "0.1", "right": "0.2", "difference": None}
    assert found["differences"] == [row]
    table = call("job", "diff", "train", "again", "-o", "table").out.splitlines()
    assert table[0].split() == ["Section", "Key", "Left", "Right", "Difference"]
    assert table[2].split() == ["parameters", "lr", "0.1", "0.2"]
    same = call("job", "diff", "train", "train")
    assert (same.code, same.json["equal"]) == (0, True)
    assert on_terminal("job", "diff", "train", "train") == "train and train do not differ\n"
    assert "lr" in on_terminal("job", "diff", "train", "again")


@pytest.mark.usefixtures("chain")
def test_export(call: Call) -> None:
    text = call("job", "export", "train").out
    assert text == 'type: command\ncommand: x\ninputs:\n  lr: "0.1"\nenvironment:\n  image: i\n'
    assert call("job", "export", "train", "-o", "json").json["command"] == "x"
    done = call("job", "export", "train", "--to", "out").json
    assert Path(done["file"]).read_text() == text
    again = call("job", "export", "train", "--to", "out")
    assert (again.code, again.out) == (6, "")
