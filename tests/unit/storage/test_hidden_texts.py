"""What is kept of texts that hold a secret, and what their readers get back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlctl.errors import NotFoundError
from mlctl.storage.hidden_texts import check_known, conceal, reveal, shown
from mlctl.store.secrets import SecretStore

SIG = "abcDEF123%2Bxyz%3D"


@pytest.fixture
def secrets(tmp_path: Path) -> SecretStore:
    return SecretStore(tmp_path / "secrets")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"https://h/x.csv?id=7&sv=1&sig={SIG}", "https://h/x.csv?id=7&sv=…&sig=…"),
        (f"https://h/a…b/x?sig={SIG}", "https://h/a…b/x?sig=…"),
        (f"https://h/a b.csv?sig={SIG}", "https://h/a b.csv?sig=…"),
        ("postgres://reader:pw@db/x", "postgres://…@db/x"),
        ("https://me:pw@h/x", "https://…@h/x"),
        ("https://h/x#access_token=abc&state=1", "https://h/x#access_token=…&state=1"),
        ("https://h/f?code=AbCdEfGhIjKlMnOpQrStUv12345==", "https://h/f?code=…"),
        ("https://h/f?code=US&key=data/a.csv", "https://h/f?code=US&key=data/a.csv"),
        (f'curl "https://h/x?sig={SIG}" | tar x; echo ok', 'curl "https://h/x?sig=…" | tar x; echo ok'),
        ("--extra-index-url https://me:pw@h/simple", "--extra-index-url https://…@h/simple"),
        ("Endpoint=x;AccountKey=abcdefghijkl;Suffix=y", "Endpoint=x;AccountKey=…;Suffix=y"),
        ("git clone https://$TOKEN@h/x && ls", "git clone https://$TOKEN@h/x && ls"),
        ("an ellipsis … and a https://h/x?a=1", "an ellipsis … and a https://h/x?a=1"),
        ("…", "…"),
    ],
)
def test_a_text_is_kept_without_its_secret_and_comes_back(secrets: SecretStore, text: str, kept: str) -> None:
    assert conceal(text, secrets) == shown(text) == kept
    assert conceal(text, secrets) == kept
    assert reveal(kept, secrets) == text
    assert conceal(kept, secrets) == kept


def test_texts_that_look_alike_are_told_apart(secrets: SecretStore) -> None:
    texts = [f"postgres://{name}:pw{name}@db/x" for name in ("reader", "writer", "admin")]
    kept = [conceal(text, secrets) for text in texts]
    assert kept[0] == "postgres://…@db/x"
    assert len(set(kept)) == 3
    assert [reveal(text, secrets) for text in kept] == texts
    assert [conceal(text, secrets) for text in [*texts, *kept]] == [*kept, *kept]


def test_variables_whose_name_says_it_are_secrets(secrets: SecretStore) -> None:
    given: Any = {
        "environment_variables": {"WANDB_API_KEY": "abc", "OTHER_TOKEN": "abc2", "PAD_TOKEN": "0", "A": "…", "B": "b"},
        "command": "python train.py",
        "packages": ["a", {"pip": ["b"]}],
    }
    kept = conceal(given, secrets)
    assert not any(text in json.dumps(kept) for text in ("abc",))
    assert (kept["environment_variables"]["B"], kept["packages"]) == ("b", given["packages"])
    assert reveal(kept, secrets) == given
    assert conceal(kept, secrets) == kept


def test_an_address_that_was_hidden_elsewhere_is_refused(secrets: SecretStore) -> None:
    for text in ("https://h/x?sig=…", "https://…@h/x", "curl https://h/x?sig=…0123abcd"):
        with pytest.raises(NotFoundError, match="is not known in this workspace"):
            check_known(text, secrets)
    for text in (conceal("https://me:pw@h/x", secrets), "https://h/…?a=1", "…"):
        check_known(text, secrets)


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:///mlflow.db",
        "sqlite:////abs/mlflow.db",
        "curl 'https://host/search?'\"q=1\"",
        "https://a/x\tlabel",
        "HTTPS://Example.ORG/a?",
        "https://h/x#",
        "hdfs:///a/b",
        "http://host:8080/path@x",
        "git@github.com:a/b.git",
        "--backend-store-uri sqlite:///a.db --default-artifact-root wasbs://c@a.blob.core.windows.net/x",
        "A=1 B='two words' python train.py --lr=0.1 key=value",
    ],
)
def test_a_text_without_a_secret_is_never_touched(secrets: SecretStore, text: str) -> None:
    data = {"environment_variables": {"A": text}, "command": text, "inputs": {"a": text}}
    assert conceal(data, secrets) == shown(data) == reveal(data, secrets) == data


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("PGPASSWORD=hunter22 psql -h db", "PGPASSWORD=… psql -h db"),
        ("export AWS_SECRET_ACCESS_KEY='abc/def+123'; run", "export AWS_SECRET_ACCESS_KEY='…'; run"),
        ("AWS_SECRET_ACCESS_KEY=$KEY run", "AWS_SECRET_ACCESS_KEY=$KEY run"),
        ("curl -H 'Authorization: Bearer abcdef123456789' u", "curl -H 'Authorization: Bearer …' u"),
        ("s3://AKIAX:wJalr/XUtn+FEMI@b/k", "s3://…@b/k"),
        ("https://user:p/w@h/x", "https://…@h/x"),
        (f"see …deadbeef then https://h/x?sig={SIG}", "see …deadbeef then https://h/x?sig=…"),
        (f"https://h/x?sig={SIG}\r\n", "https://h/x?sig=…\r\n"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nQAAAA==\n-----END OPENSSH PRIVATE KEY-----\n",
            "…\n",
        ),
    ],
)
def test_secrets_of_other_forms(secrets: SecretStore, text: str, kept: str) -> None:
    assert conceal(text, secrets) == kept
    assert reveal(kept, secrets) == text


def test_what_is_nothing_but_a_secret_has_a_tag_and_comes_back(secrets: SecretStore) -> None:
    token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789AB"
    for text in (token, "b" * 51 + "2", "line1-secret\r\nline2", "pässwörtö"):
        kept = conceal({"environment_variables": {"X_SECRET": text}, "command": "run"}, secrets)
        assert reveal(kept, secrets)["environment_variables"]["X_SECRET"] == text
        assert kept["environment_variables"]["X_SECRET"] != "…"
    assert reveal(conceal(token, secrets), secrets) == token


def test_a_secret_by_its_name_is_hidden_in_other_texts_too(secrets: SecretStore) -> None:
    data: Any = {
        "inputs": {"api_key": "hunter22hunter", "rate": "0.1"},
        "tags": {"token": "Tr0ub$ABC9xyz"},
        "command": "train --key hunter22hunter",
        "variables": {"AZUREML_PARAMETER_api_key": "hunter22hunter"},
    }
    kept = conceal(data, secrets)
    assert "hunter22" not in json.dumps(kept) + json.dumps(shown(data))
    assert "Tr0ub" not in json.dumps(kept)
    assert kept["inputs"]["rate"] == "0.1"
    assert reveal(kept, secrets) == data
