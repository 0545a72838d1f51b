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
