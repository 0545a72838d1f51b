"""Keys and tokens: made from a cryptographic source, kept to the owner, compared whole, never shown."""

from __future__ import annotations

import hmac
import json
import stat
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from mlctl.errors import InvalidSpecError, NotFoundError
from mlctl.serving.keys import Keys, issue_token, load_keys, new_keys, refusal, renewed, save_keys

KEYS = Keys("p" * 32, "s" * 32, "t" * 32)


def test_keys_are_kept_for_the_owner_only(tmp_path: Path) -> None:
    keys = new_keys()
    save_keys(tmp_path, keys)
    assert load_keys(tmp_path) == keys
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert len({keys.primary, keys.secondary, keys.token_secret}) == 3
    assert min(len(keys.primary), len(keys.secondary), len(keys.token_secret)) >= 40


def test_keys_show_nowhere() -> None:
    token = issue_token(KEYS, now=0)
    assert not any(
        secret in f"{KEYS} {KEYS!r} {token!r}" for secret in (KEYS.primary, KEYS.token_secret, token.access_token)
    )


@pytest.mark.parametrize("name", ["primary", "secondary", "token_secret"])
def test_one_key_is_renewed_and_the_others_stay(name: str) -> None:
    fresh = renewed(KEYS, name)
    changed = [one for one in Keys.__slots__ if getattr(fresh, one) != getattr(KEYS, one)]
    assert changed == [name]


@pytest.mark.parametrize(
    "text",
    ["{", '{"primary": "a"}', json.dumps({"primary": "", "secondary": "s" * 32, "token_secret": "t" * 32})],
)
def test_a_file_without_good_keys_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(InvalidSpecError) as caught:
        load_keys(tmp_path)
    assert "sss" not in str(caught.value)
    with pytest.raises(NotFoundError):
        load_keys(tmp_path / "elsewhere")


@pytest.mark.parametrize("header", [f"Bearer {KEYS.primary}", f"bearer {KEYS.secondary}", f"Bearer  {KEYS.primary} "])
def test_either_key_is_good(header: str) -> None:
    assert refusal(header, KEYS, "key", now=0) is None


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "no Authorization header"),
        ("", "no Authorization header"),
        (KEYS.primary, "not of the form"),
        ("Bearer ", "not of the form"),
        (f"Basic {KEYS.primary}", "not of the form"),
        (f"Bearer {KEYS.token_secret}", "not one of this endpoint's keys"),
        (f"Bearer {KEYS.primary}x", "not one of this endpoint's keys"),
        (f"Bearer {KEYS.primary[:-1]}", "not one of this endpoint's keys"),
        ("Bearer schlüssel\udcff", "not one of this endpoint's keys"),
    ],
)
def test_anything_else_is_refused_with_a_reason(header: str | None, said: str) -> None:
    assert said in (refusal(header, KEYS, "key", now=0) or "")


def test_a_token_is_good_until_it_expires() -> None:
    token = issue_token(KEYS, now=1000.7, seconds=60)
    header = f"Bearer {token.access_token}"
    assert (token.expires, token.refresh_after) == (1060, 1030)
    assert refusal(header, KEYS, "aml_token", now=1059.9) is None
    assert "expired" in (refusal(header, KEYS, "aml_token", now=1060) or "")
    assert "not issued" in (refusal(header, renewed(KEYS, "token_secret"), "aml_token", now=1001) or "")
    # neither kind of credential is good where the other one is wanted
    assert refusal(header, KEYS, "key", now=1001) is not None
    assert refusal(f"Bearer {KEYS.primary}", KEYS, "aml_token", now=1001) is not None


def test_a_token_that_was_changed_is_not_good() -> None:
    head, _, signature = issue_token(KEYS, now=0).access_token.split(".")
    later = urlsafe_b64encode(b'{"iat":0,"exp":99999999999}').rstrip(b"=").decode()
    none = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    # a header of its own, signed with the right secret: still not one that we made
    own = urlsafe_b64encode(hmac.digest(KEYS.token_secret.encode(), f"{none}.{later}".encode(), "sha256"))
    for forged in (
        f"{head}.{later}.{signature}",
        f"{none}.{later}.",
        f"{none}.{later}.{own.rstrip(b'=').decode()}",
        "..",
        "a.b",
    ):
        assert "not issued" in (refusal(f"Bearer {forged}", KEYS, "aml_token", now=1) or ""), forged
