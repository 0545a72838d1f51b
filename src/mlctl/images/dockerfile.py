"""The build context of an image for an environment: base image plus Python packages. Pure text, no engine.

Every instruction is one that the classic builder of Docker 20.10 knows, which writes build arguments into the history
of the image. So with a package index or certificates of a company, packages are installed in a stage of their own, and
the image takes over the environment alone. Proxies are build arguments that no builder writes down.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from mlctl.entities.environment import Requirements
from mlctl.images.recipe import ImageRecipe

PREFIX = "/opt/mlctl"
ENVIRONMENT_FOLDER = f"{PREFIX}/environment"
CA_BUNDLE = f"{PREFIX}/ca-bundle.pem"
STAGE_LABEL = "mlctl.stage"
"""Label on what is left of the stage, so that it can be removed: its value is the build argument of STAGE_ARGUMENT."""

STAGE_ARGUMENT = "MLCTL_STAGE"

CA_VARIABLES = (
    "SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CONDA_SSL_VERIFY", "MAMBA_SSL_VERIFY",
    "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
"""Variables through which Python, pip, requests, curl, conda, git and node take a file of certificates."""

_CA_FILE = "ca-bundle.pem"
_CREDENTIALS = re.compile(r"((?:https?|ftp|socks\w*)://)([^/\s]+)@")

_PIP_SHORT = {"-i": "index-url", "-f": "find-links", "-c": "constraint"}
_PIP_FLAGS = frozenset({"pre", "no-index", "prefer-binary", "no-deps", "require-hashes", "no-cache-dir"})

_INSTALL = """\
#!/bin/sh
# Makes the Python environment of a job in the image. Written by mlctl.
set -eu
export PIP_PROGRESS_BAR=off
if [ -f __CA_BUNDLE__ ]; then
    for name in __CA_VARIABLES__; do export "$name=__CA_BUNDLE__"; done
fi
target=__TARGET__
wanted=__PYTHON__
conda=""
if [ -f __PREFIX__/environment.yaml ]; then
    for name in mamba conda micromamba; do
        if [ -z "$conda" ] && command -v "$name" >/dev/null 2>&1; then conda=$name; fi
    done
fi
if [ -n "$conda" ]; then
    echo "mlctl: making the environment with the image's $conda"
    export CONDA_ALWAYS_YES=1 MAMBA_ALWAYS_YES=1
    if [ "$conda" = micromamba ]; then
        micromamba create -y -p "$target" -f __PREFIX__/environment.yaml
    else
        "$conda" env create -p "$target" -f __PREFIX__/environment.yaml
    fi
else
    if [ -f __PREFIX__/conversion-error.txt ]; then
        cat __PREFIX__/conversion-error.txt >&2
        echo "mlctl: the image has no conda or mamba that could install these packages" >&2
        exit 92
    fi
    python=""
    for name in "python$wanted" python3 python; do
        if [ -z "$python" ] && command -v "$name" >/dev/null 2>&1; then python=$name; fi
    done
    if [ -z "$python" ]; then
        echo "mlctl: the image has neither conda nor python3, so no packages can be installed in it" >&2
        exit 91
    fi
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case "$wanted" in
        ""|"$found"|"$found".*) echo "mlctl: making the environment with the image's Python $found" ;;
        *) echo "mlctl: warning: the environment asks for Python $wanted, the image has $found" ;;
    esac
    if ! "$python" -m venv "$target"; then
        rm -rf "$target"
        "$python" -m virtualenv "$target" || {
            echo "mlctl: the image's Python has no working venv module (on Debian: package python3-venv)" >&2
            exit 93
        }
    fi
    "$target/bin/python" -m pip install --no-cache-dir --disable-pip-version-check -r __PREFIX__/requirements.txt
fi
# commands of jobs contain `pip install`, and they run as whoever submitted them
chmod -R a+rwX "$target"
"""


_ADD = """\
#!/bin/sh
# Adds packages to the Python that the image has, in an environment that sees its packages. Written by mlctl.
set -eu
export PIP_PROGRESS_BAR=off
if [ -f __CA_BUNDLE__ ]; then
    for name in __CA_VARIABLES__; do export "$name=__CA_BUNDLE__"; done
fi
target=__TARGET__
PATH="${AZUREML_INFERENCE_PYTHON_PATH:+$AZUREML_INFERENCE_PYTHON_PATH:}$PATH"
# an image that mlctl built has the environment already
if ! [ -x "$target/bin/python" ]; then
    python=""
    for name in python3 python; do
        if [ -z "$python" ] && command -v "$name" >/dev/null 2>&1; then python=$name; fi
    done
    if [ -z "$python" ]; then
        echo "mlctl: the image has no python3, so the inference server cannot be installed in it" >&2
        exit 91
    fi
    # where the image has no ensurepip, its own pip is seen from inside
    "$python" -m venv --system-site-packages "$target" >/dev/null 2>&1 \\
        || "$python" -m venv --clear --without-pip --system-site-packages "$target"
    # of a Python that is a virtual environment itself, a new one does not see the packages
    packages=$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    "$python" -c 'import sys; print("\\n".join(p for p in sys.path if p.endswith("-packages")))' >"$packages/image.pth"
fi
exec "$target/bin/python" -m pip install --no-cache-dir --disable-pip-version-check -r __PREFIX__/requirements.txt
"""


def write_recipe(
    image: str,
    requirements: Requirements,
    *,
    conda: Mapping[str, Any] | None = None,
    conversion_error: str | None = None,
    ca_bundle: bytes | None = None,
    pip_arguments: str | None = None,
    proxies: Mapping[str, str] | None = None,
    platform: str | None = None,
) -> ImageRecipe:
    """The recipe for `image` with packages on top.

    conda: the parsed conda file, used when the image has conda or mamba; else `requirements` go into a virtual
    environment. conversion_error: why the conda file has no pip form; shown only when the image has no conda.
    pip_arguments: options as text (`--index-url …`). proxies: variables by name.
    """
    pip = pip_variables(shlex.split(pip_arguments or ""))
    files = {
        "install.sh": _script(_INSTALL, requirements.python),
        "requirements.txt": "".join(f"{line}\n" for line in requirements.packages).encode(),
    }
    if conda:
        # JSON is YAML, and this module needs no YAML writer
        files["environment.yaml"] = json.dumps(_without_prefix(conda), indent=2, sort_keys=True).encode()
    if conversion_error:
        files["conversion-error.txt"] = f"mlctl: {conversion_error}\n".encode()
    return _recipe(image, files, pip, ca_bundle=ca_bundle, proxies=proxies, platform=platform)


def write_addition(
    image: str,
    packages: Iterable[str],
    *,
    ca_bundle: bytes | None = None,
    pip_arguments: str | None = None,
    proxies: Mapping[str, str] | None = None,
) -> ImageRecipe:
    """The recipe for `image` with packages beside those that its own Python has. Arguments as `write_recipe`."""
    pip = pip_variables(shlex.split(pip_arguments or ""))
    files = {"requirements.txt": "".join(f"{line}\n" for line in packages).encode(), "install.sh": _script(_ADD)}
    return _recipe(image, files, pip, ca_bundle=ca_bundle, proxies=proxies)


def _recipe(
    image: str,
    files: dict[str, bytes],
    pip: Mapping[str, str],
    *,
    ca_bundle: bytes | None,
    proxies: Mapping[str, str] | None,
    platform: str | None = None,
) -> ImageRecipe:
    # certificates and passwords are how packages are fetched: with others, the image is the same
    sources = {name: without_credentials(value) for name, value in pip.items()}
    salt = json.dumps([_dockerfile(image, files, {}, hidden=False), sources, platform], sort_keys=True)
    hidden = bool(pip) or ca_bundle is not None or bool(credentials_in(map(bytes.decode, files.values())))
    if ca_bundle is not None:
        files[_CA_FILE] = ca_bundle
    files["Dockerfile"] = _dockerfile(image, files, pip, hidden=hidden).encode()
    unmarked = frozenset({_CA_FILE, "Dockerfile"})
    return ImageRecipe(files=files, build_args={**pip, **(proxies or {})}, salt=salt, unmarked=unmarked)


def without_credentials(text: str) -> str:
    """The text with user names and passwords left out of the addresses in it."""
    return _CREDENTIALS.sub(r"\1", text)


def credentials_in(texts: Iterable[str]) -> set[str]:
    """The passwords, or tokens in their place, of the addresses in the texts."""
    pairs = (match[2].partition(":") for text in texts for match in _CREDENTIALS.finditer(text))
    return {password or user for user, _, password in pairs}


def pip_variables(words: Iterable[str]) -> dict[str, str]:
    """pip's long options as the variables that pip reads them from: `--index-url X` -> PIP_INDEX_URL=X.

    Options that are given more than once are joined with blanks, as pip wants them.
    """
    variables: dict[str, str] = {}
    pending = ""
    for word in words:
        if pending:
            _add_variable(variables, pending, word)
            pending = ""
            continue
        name, equals, value = word.partition("=")
        name = _PIP_SHORT.get(name, name.lstrip("-"))
        if equals:
            _add_variable(variables, name, value)
        elif name in _PIP_FLAGS:
            _add_variable(variables, name, "1")
        else:
            pending = name
    return variables


def ca_variables() -> dict[str, str]:
    """The variables that make programs in a container trust the bundle at CA_BUNDLE."""
    return dict.fromkeys(CA_VARIABLES, CA_BUNDLE)


def proxy_variables(http: str | None, https: str | None, no_proxy: str | None) -> dict[str, str]:
    """Proxy variables in both spellings, those that are set."""
    given = {"http_proxy": http, "https_proxy": https, "no_proxy": no_proxy}
    small = {name: value for name, value in given.items() if value}
    return {**small, **{name.upper(): value for name, value in small.items()}}


def _add_variable(variables: dict[str, str], option: str, value: str) -> None:
    name = "PIP_" + option.upper().replace("-", "_")
    variables[name] = f"{variables[name]} {value}" if name in variables else value


def _dockerfile(image: str, files: Mapping[str, bytes], pip: Mapping[str, str], *, hidden: bool) -> str:
    stage = [f"ARG {STAGE_ARGUMENT}", f"LABEL {STAGE_LABEL}=${STAGE_ARGUMENT}"]
    takeover = [f"FROM {image}", "USER root", f"COPY --from=packages {ENVIRONMENT_FOLDER} {ENVIRONMENT_FOLDER}"]
    return "\n".join(
        [
            f"FROM {image} AS packages" if hidden else f"FROM {image}",
            *(stage if hidden else ()),
            # an image may end as another user, who may not install
            "USER root",
            f"COPY {' '.join(sorted(files))} {PREFIX}/",
            *(f"ARG {argument}" for argument in sorted(pip)),
            f"RUN /bin/sh {PREFIX}/install.sh",
            *(takeover if hidden else ()),
            f"ENV PATH={ENVIRONMENT_FOLDER}/bin:$PATH",
            "",
        ]
    )


def _script(script: str, python: str | None = None) -> bytes:
    values = {
        "__TARGET__": ENVIRONMENT_FOLDER,
        "__PYTHON__": shlex.quote(python or ""),
        "__CA_BUNDLE__": CA_BUNDLE,
        "__CA_VARIABLES__": " ".join(CA_VARIABLES),
        "__PREFIX__": PREFIX,
    }
    for mark, value in values.items():
        script = script.replace(mark, value)
    return script.encode()


def _without_prefix(conda: Mapping[str, Any]) -> dict[str, Any]:
    """The conda file without `name` and `prefix`: the place is ours, and the name must not change the digest."""
    return {key: value for key, value in conda.items() if key not in ("name", "prefix")}
