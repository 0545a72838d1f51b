"""Facts about the commit that a code folder is at, as job properties.

Names and rules are azure-ai-ml's (`get_git_properties` in `operations/_job_ops_helper.py`): the AZUREML_GIT_* variables
stand before what git says, and an address that holds a user or a token is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import Any

PATIENCE = 1.0
"""Seconds: a job is not kept waiting for a huge work tree; what is not known by then is left out."""

_PROPERTIES = {
    "mlflow.source.git.repoURL": "AZUREML_GIT_REPOSITORY_URI",
    "mlflow.source.git.branch": "AZUREML_GIT_BRANCH",
    "mlflow.source.git.commit": "AZUREML_GIT_COMMIT",
    "azureml.git.dirty": "AZUREML_GIT_DIRTY",
    "azureml.git.build_id": "AZUREML_GIT_BUILD_ID",
    "azureml.git.build_uri": "AZUREML_GIT_BUILD_URI",
}
_USER_IN_URL = re.compile(r"[a-z+]+://(?:[^/@]+/)?[^/@]+@", re.IGNORECASE)


def git_facts(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Properties of a job whose code is in `folder`; empty outside a work tree. Never raises.

    `environ` is the caller's environment: for the variables, and for git itself.
    """
    facts = _ask_git(folder, environ) if _is_in_work_tree(folder) else {}
    for name, variable in _PROPERTIES.items():
        given = environ.get(variable, "").strip()
        if given:
            facts[name] = str(given.lower() in ("true", "1")) if name == "azureml.git.dirty" else given
    if _USER_IN_URL.match(facts.get("mlflow.source.git.repoURL", "")):
        del facts["mlflow.source.git.repoURL"]
    return {name: facts[name] for name in _PROPERTIES if facts.get(name)}


def _is_in_work_tree(folder: Path) -> bool:
    place = folder.absolute()
    return any((parent / ".git").exists() for parent in (place, *place.parents))


def _ask_git(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    # Both at once: a process costs more than what it does here. Neither speaks with a server.
    questions = {
        "url": ["ls-remote", "--get-url"],
        "head": ["status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--no-renames", "--", "."],
    }
    # GIT_OPTIONAL_LOCKS: do not get into the way of a git command of the user.
    variables = {**environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    running: dict[str, Popen[bytes]] = {}
    try:
        for name, arguments in questions.items():
            command = ["git", "-C", str(folder), *arguments]
            running[name] = Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=variables)
    except OSError:
        pass  # no git here; what was started is collected below
    answers = {name: _collect(process) for name, process in running.items()}
    facts = _head_facts(answers.get("head") or "")
    url = (answers.get("url") or "").strip()
    # Without a remote git answers with the word "origin".
    return {**facts, "mlflow.source.git.repoURL": url} if url and url != "origin" else facts


def _collect(process: Popen[Any]) -> str | None:
    try:
        output, _ = process.communicate(timeout=PATIENCE)
    except TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return output.decode("utf-8", "replace") if process.returncode == 0 else None


def _head_facts(status: str) -> dict[str, str]:
    if not status:
        return {}
    headers = dict(line[2:].split(" ", 1) for line in status.splitlines() if line.startswith("# branch."))
    changes = [line for line in status.splitlines() if not line.startswith("#")]
    facts = {"azureml.git.dirty": str(bool(changes))}
    if headers.get("branch.head", "(detached)") != "(detached)":
        facts["mlflow.source.git.branch"] = headers["branch.head"]
    if headers.get("branch.oid", "(initial)") != "(initial)":
        facts["mlflow.source.git.commit"] = headers["branch.oid"]
    return facts
