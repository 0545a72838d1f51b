from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.environments.pip_settings import read_pip_options, translate_options, uv_environment
from mlctl.settings import Settings


def test_options_become_uvs_variables() -> None:
    pip = {
        "index-url": "https://example.com/simple",
        "extra-index-url": "https://a.example.com/simple\nhttps://b.example.com/simple",
        "find-links": "/wheels /more",
        "trusted-host": "example.com",
        "constraint": "/etc/constraints.txt",
        "cert": "/etc/ca.pem",
        "client-cert": "/etc/me.pem",
        "no-index": "true",
        "pre": "1",
        "timeout": "60",
    }
    assert translate_options(pip, {}) == {
        "UV_DEFAULT_INDEX": "https://example.com/simple",
        "UV_INDEX": "https://a.example.com/simple https://b.example.com/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INSECURE_HOST": "example.com",
        "UV_CONSTRAINT": "/etc/constraints.txt",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "SSL_CLIENT_CERT": "/etc/me.pem",
        "UV_NO_INDEX": "1",
        "UV_PRERELEASE": "allow",
        "UV_HTTP_TIMEOUT": "60",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_indexes_of_uv_itself_are_left_alone() -> None:
    given = translate_options({"index-url": "https://a", "find-links": "/w"}, {"UV_INDEX_URL": "https://mine"})
    assert "UV_DEFAULT_INDEX" not in given
    assert given["UV_FIND_LINKS"] == "/w"


@pytest.mark.parametrize(
    ("pip", "environ", "expected"),
    [
        ({"cert": "/pip.pem"}, {"REQUESTS_CA_BUNDLE": "/other.pem"}, {"SSL_CERT_FILE": "/pip.pem"}),
        ({}, {"REQUESTS_CA_BUNDLE": "/r.pem"}, {"SSL_CERT_FILE": "/r.pem"}),
        ({}, {"CURL_CA_BUNDLE": "/c.pem"}, {"SSL_CERT_FILE": "/c.pem"}),
        ({"cert": "/pip.pem"}, {"SSL_CERT_FILE": "/mine.pem"}, {}),
        ({}, {}, {"UV_NATIVE_TLS": "1", "UV_SYSTEM_CERTS": "1"}),
    ],
)
def test_certificates(pip: dict[str, str], environ: dict[str, str], expected: dict[str, str]) -> None:
    given = translate_options(pip, environ)
    assert {name: value for name, value in given.items() if name != "UV_INDEX_STRATEGY"} == expected


def test_files_and_variables_of_pip(tmp_path: Path) -> None:
    (tmp_path / "xdg" / "pip").mkdir(parents=True)
    (tmp_path / "xdg" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://site\ntimeout = 9\n[install]\npre = yes\n"
    )
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text("[global]\nindex_url = https://user\n")
    broken = tmp_path / "broken.conf"
    broken.write_text("index-url = no section\n")
    environ = {
        "HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "PIP_EXTRA_INDEX_URL": "https://more",
        "PIP_CONFIG_FILE": str(broken),
    }  # fmt: skip
    options = read_pip_options(environ)
    assert options["index-url"] == "https://user"
    assert options["timeout"] == "9"
    assert options["pre"] == "yes"
    assert options["extra-index-url"] == "https://more"


def test_pip_config_file_can_turn_files_off(tmp_path: Path) -> None:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text("[global]\nindex-url = https://user\n")
    assert "index-url" not in read_pip_options({"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull})


def test_the_environment_for_uv(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = make_settings(
        {"proxy.https": "http://proxy:3128"},
        VIRTUAL_ENV="/mine", CONDA_PREFIX="/c", PYTHONPATH="/p", UV_PYTHON="3.9", FORCE_COLOR="1", HTTPS_PROXY="",
        PIP_INDEX_URL="https://company/simple", UV_INDEX_STRATEGY="first-index", UV_DEFAULT_INDEX="",
    )  # fmt: skip
    environ = uv_environment(settings, tmp_path / "cache")
    assert not {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "UV_PYTHON", "FORCE_COLOR"} & set(environ)
    assert environ["UV_DEFAULT_INDEX"] == "https://company/simple"
    assert environ["UV_INDEX_STRATEGY"] == "first-index"
    assert environ["HTTPS_PROXY"] == "http://proxy:3128"


def test_uvs_cache_moves_when_its_own_place_cannot_be_written(
    make_settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlctl.environments.pip_settings._can_write", lambda _: False)
    environ = uv_environment(make_settings(UV_CACHE_DIR=""), tmp_path / "cache")
    assert environ["UV_CACHE_DIR"] == str(tmp_path / "cache" / "uv")
