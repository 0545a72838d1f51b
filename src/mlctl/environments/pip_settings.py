"""What pip is configured with, handed on to uv.

uv does not read pip's configuration, and many companies configure pip only: index, certificates, proxies. So each pip
option with a counterpart becomes uv's variable, unless the user set that variable. Facts: pip's "Configuration" and
uv's "Environment variables" pages.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlctl.settings import Settings

_PLAIN = {
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
}
_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
_TRUE = frozenset({"1", "true", "yes", "on"})
# these would point uv, or the Python it starts, at somebody else's environment
_DROPPED = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__", "UV_PYTHON",
            "UV_SYSTEM_PYTHON", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_TARGET", "UV_PREFIX")  # fmt: skip


def uv_environment(settings: Settings, cache: Path) -> dict[str, str]:
    """The whole environment for a uv call: the caller's, plus pip's configuration and the proxy settings."""
    environ = {
        name: value
        for name, value in settings.environ.items()
        if name not in _DROPPED and (value or not name.startswith("UV_"))
    }
    pip = read_pip_options(environ)
    given = {**translate_options(pip, environ), **_proxies(settings, pip)}
    for name, value in given.items():
        environ[name] = environ.get(name) or value
    environ["UV_NO_PROGRESS"] = "1"
    environ["NO_COLOR"] = "1"
    environ.pop("FORCE_COLOR", None)
    if "UV_CACHE_DIR" not in environ and not _can_write(_default_uv_cache(environ)):
        environ["UV_CACHE_DIR"] = str(cache / "uv")
    return environ


def translate_options(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """pip options ("index-url": …) as uv variables. Indexes are left alone when `environ` has any of uv's own."""
    variables: dict[str, str] = {}
    for option, (name, joint) in _PLAIN.items():
        if pip.get(option):
            variables[name] = joint.join(pip[option].split())
    if not any(environ.get(name) for name in _INDEX_VARIABLES):
        if pip.get("index-url"):
            variables["UV_DEFAULT_INDEX"] = pip["index-url"].strip()
        if pip.get("extra-index-url"):
            variables["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
    if pip.get("no-index", "").lower() in _TRUE:
        variables["UV_NO_INDEX"] = "1"
    if pip.get("pre", "").lower() in _TRUE:
        variables["UV_PRERELEASE"] = "allow"
    if pip.get("timeout", "").isdigit():
        variables["UV_HTTP_TIMEOUT"] = pip["timeout"]
    if pip.get("client-cert"):
        variables["SSL_CLIENT_CERT"] = pip["client-cert"]
    # pip takes the best version of all its indexes; uv would stop at the first index that knows the name
    variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    variables.update(_certificates(pip, environ))
    return variables


def read_pip_options(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's options from its files and `PIP_*` variables, by long option name. An unreadable file counts as empty."""
    options: dict[str, str] = {}
    for path in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                options.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            options[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return options


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Configuration files of pip, each overriding those before it."""
    home = Path(environ.get("HOME") or Path.home())
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    if sys.platform == "darwin":
        yield Path("/Library/Application Support/pip/pip.conf")
    for folder in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)):
        yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    if sys.platform == "darwin":
        yield home / "Library" / "Application Support" / "pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf")
    if chosen:
        yield Path(chosen)


def _certificates(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The CA bundle for uv: pip's, else that of other tools, else what the operating system trusts (as pip does)."""
    bundle = pip.get("cert") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    if environ.get("SSL_CERT_FILE"):
        return {}
    if bundle:
        return {"SSL_CERT_FILE": bundle}
    # the name before and after uv 0.11
    return {"UV_NATIVE_TLS": "1", "UV_SYSTEM_CERTS": "1"}


def _proxies(settings: Settings, pip: Mapping[str, str]) -> dict[str, str]:
    proxy = pip.get("proxy")
    wanted = {
        "HTTP_PROXY": settings.text("proxy.http") or proxy,
        "HTTPS_PROXY": settings.text("proxy.https") or proxy,
        "NO_PROXY": settings.text("proxy.no_proxy"),
    }
    taken = {name.upper() for name, value in settings.environ.items() if value}
    return {name: value for name, value in wanted.items() if value and name not in taken}


def _default_uv_cache(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME") or Path.home())
    return Path(environ.get("XDG_CACHE_HOME") or home / ".cache", "uv")


def _can_write(folder: Path) -> bool:
    """Whether a folder can be made and written; its nearest existing parent decides."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)
