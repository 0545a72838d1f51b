"""No error shows a secret that a user wrote, whoever tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.calls import Call
from tests.unit.cli.conftest import call

from mlctl.operations.concealing import concealed, concealed_problem
from mlctl.spec.problems import Problem

__all__ = ["call"]

SECRET = "hunter2Zq"  # too short and too plain to be known by its form

TEXTS = {
    f"cannot write to 'https://a.blob.core.windows.net/c/x?sv=2020&sig={SECRET}%2F'": (
        "cannot write to 'https://a.blob.core.windows.net/c/x?sv=…&sig=…'"
    ),
    f"cannot be read (https://u:{SECRET}@h/x)": "cannot be read (https://…@h/x)",
    f"https://{SECRET}@h/x": "https://…@h/x",
    f"git+https://{SECRET}@h/x": "git+https://…@h/x",
    f"ftp://u:{SECRET}@h/x is no name": "ftp://…@h/x is no name",
    f"wasbs://c@a.blob.core.windows.net/x?sig={SECRET}": "wasbs://c@a.blob.core.windows.net/x?sig=…",
    f"https://h/x?a=1&access_token={SECRET}&b=2#password={SECRET}": "https://h/x?a=1&access_token=…&b=2#password=…",
    f"AccountName=a;AccountKey={SECRET}==;EndpointSuffix=b": "AccountName=a;AccountKey=…;EndpointSuffix=b",
    f"SharedAccessSignature=sv=1&sig={SECRET};x": "SharedAccessSignature=…;x",
    f"--set credentials.x={SECRET}: no": "--set credentials.x=…: no",
    f"--set a.api_key={SECRET}": "--set a.api_key=…",
}
PLAIN = [
    "abfss://fs@acc.dfs.core.windows.net/p",
    "ssh://git@host/repository, http://localhost:8080/a@b",
    "https://h/x?version=3&page=2#part",
    "--set inputs.lr=0.1: no such key",
    "there is no job 'x=1', and no unix:///var/run/docker.sock",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_keeps_all_but_its_secret(text: str) -> None:
    assert concealed(text) == TEXTS[text]


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_without_a_secret_stays(text: str) -> None:
    assert concealed(text) == text


def test_a_problem_below_credentials_quotes_nothing() -> None:
    line = f"  acount_kye: {SECRET}"
    found = Problem("unknown_key", "credentials.acount_kye", "not known", SECRET, source="a.yml", line=3, excerpt=line)
    assert SECRET not in str(concealed_problem(found))
    wrong = Problem("wrong_type", "credentials.n", f"must be a map, not '{SECRET}'", SECRET)
    assert concealed_problem(wrong).message == "must be a map, not '…'"


BLOB = "$schema: https://azuremlschemas.azureedge.net/latest/azureBlob.schema.json\ntype: azure_blob\nname: d\n"
JOB = "command: ls\nenvironment: azureml:e:1\n"
FILES = {
    "unknown key": BLOB + f"account_name: a\ncontainer_name: c\ncredentials:\n  acount_kye: {SECRET}\n",
    "wrong type": BLOB + f"account_name: a\ncontainer_name: c\ncredentials: {SECRET}\n",
    "in one line": BLOB + f"account_name: a\ncontainer_name: c\ncredentials: {{acount_kye: {SECRET}}}\n",
    "syntax": BLOB + f'credentials:\n  account_kye: "{SECRET}\n',
    "syntax beside": BLOB + f"credentials:\n  a: b\n  account_kye: {SECRET}: x\n",
    "signature": BLOB + f"container: 'https://h/c?sig={SECRET}\n",
    "key": BLOB + f"path: https://h/c?sig={SECRET}\nacount: 1\nother: https://u:{SECRET}@h\n",
}


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("words", ["datastore create -f", "validate", "validate -o sarif", "validate -o json",
                                   "validate -o junit", "validate -o github", "datastore validate -f"])  # fmt: skip
def test_no_secret_of_a_file_is_shown(call: Call, what: str, words: str) -> None:
    Path("a.yml").write_text(FILES[what])
    verb, *options = words.split(" -o ")
    answer = call(*verb.split(), "a.yml", *(["-o", *options] if options else []))
    assert answer.out + answer.err
    assert SECRET not in answer.out + answer.err


COMMANDS = [
    f"data create --name d --path ftp://u:{SECRET}@h/x",
    f"data create --name https://u:{SECRET}@h --path .",
    f"job create -f job.yml --set outputs.o.path=https://h/x?sig={SECRET}",
    f"job create -f job.yml --set inputs.a.path=https://u:{SECRET}@h/x --set inputs.a.type=uri_folder",
    f"job create -f job.yml --set inputs.a=https://h/x?sig={SECRET} --set inputs.a.path=b",
    f"job create -f job.yml --set outputs.o=wasbs://c@a.blob.core.windows.net/x?sig={SECRET}",
    f"datastore create -f d.yml --set credentials.nothing={SECRET}",
    f"datastore create -f d.yml --set credentials={SECRET}",
    f"datastore create -f d.yml --set credentials.sas_token={SECRET} --set credentials.sas_token.x=1",
    f"job create -f job.yml --name https://u:{SECRET}@h",
    f"job validate -f job.yml --set token={SECRET}",
]


@pytest.mark.parametrize("words", COMMANDS)
def test_no_secret_of_an_option_is_shown(call: Call, words: str) -> None:
    Path("job.yml").write_text(JOB)
    Path("d.yml").write_text(BLOB + "account_name: a\ncontainer_name: c\n")
    answer = call(*words.split(" "))
    assert answer.code != 0 or "validate" in words
    assert answer.out + answer.err
    assert SECRET not in answer.out + answer.err
