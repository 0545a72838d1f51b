"""What a job takes along from whoever submitted it: variables and the folder that settings are looked for from.

A queued job is started later and by somebody else (another shell, another job's supervisor). It must run as it was
submitted, and must carry nothing of the process that happens to start it.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlctl.backends.supervised.processes import ENDPOINT_MARK, JOB_MARK
from mlctl.settings import Settings

_FILE = ".submitter.json"

PASSED_ON = (
    "HOME USER LOGNAME LANG LANGUAGE LC_* TZ TMPDIR SHELL TERM "
    "*_proxy *_PROXY SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE "
    # where packages come from; not where they go (PIP_TARGET, PIP_PREFIX …): that is the job's own environment
    "PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX PIP_TRUSTED_HOST PIP_CERT PIP_CLIENT_CERT PIP_PROXY "
    "PIP_CONSTRAINT PIP_CONFIG_FILE PIP_CACHE_DIR PIP_DEFAULT_TIMEOUT PIP_RETRIES PIP_NO_INPUT "
    "PIP_DISABLE_PIP_VERSION_CHECK UV_INDEX* UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_CACHE_DIR "
    "UV_NATIVE_TLS UV_NO_INDEX "
    "CUDA_* NVIDIA_* ROCR_* HIP_* LD_LIBRARY_PATH OMP_NUM_THREADS"
).split()
"""What a job on this machine sees of its submitter's variables, as patterns; local.pass_environment adds to it."""

_FOR_THE_SUPERVISOR = (
    "PATH MLCTL_* AZURE_* AWS_* DOCKER_* XDG_* PYTHON* PIP_* UV_* VIRTUAL_ENV CONDA_PREFIX PYENV_*".split()
)


def keep_submitter(folder: Path, settings: Settings, *, cwd: Path, further: Iterable[str] = ()) -> None:
    """Write down, for the owner's eyes only, what the job in `folder` takes along.

    `further`: variables that only the supervisor is to see, such as those that hold credentials of datastores.
    """
    wanted = [*PASSED_ON, *extra_patterns(settings), *_FOR_THE_SUPERVISOR, *further]
    environ = {**matching(os.environ, wanted), "MLCTL_HOME": str(settings.home.absolute())}
    # a job that submits another one: the mark of the first must not be on what belongs to the second
    for mark in (JOB_MARK, ENDPOINT_MARK):
        environ.pop(mark, None)
    path = folder / _FILE
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump({"cwd": str(cwd), "environ": environ}, stream)


def read_submitter(folder: Path) -> tuple[dict[str, str], str]:
    """The variables for the job's supervisor, and the folder of its settings."""
    kept = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    environ: dict[str, str] = kept["environ"]
    return environ, str(kept["cwd"])


def forget_submitter(folder: Path) -> None:
    """Remove what was kept once nobody needs it any more: it may hold secrets."""
    (folder / _FILE).unlink(missing_ok=True)


def extra_patterns(settings: Settings) -> list[str]:
    """The patterns of the setting local.pass_environment."""
    return (settings.text("local.pass_environment") or "").replace(",", " ").split()


def matching(environ: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    """The variables whose name fits one of the patterns."""
    wanted = list(patterns)
    return {name: text for name, text in environ.items() if any(fnmatch.fnmatchcase(name, one) for one in wanted)}
