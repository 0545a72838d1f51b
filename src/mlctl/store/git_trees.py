"""Files of a Git repository that an address names, as they are at one commit.

    git+https://host/owner/repository.git@v1.2#subdirectory=jobs/src     as pip writes it
    git+ssh://git@host/owner/repository.git                              the default branch, all of it

    mirrors/<hash>.git    a copy of the repository, fetched anew when a name (and not a commit) is asked for
    trees/<commit>/       the files of a commit; complete or not there

Git's own credentials and proxies count. No program of the repository runs: hooks and filters are off.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qs

from mlctl.errors import NotFoundError, UnavailableError, UsageError
from mlctl.store.downloads import printable_url

_ADDRESS = re.compile(r"git\+((?:https?|ssh|file)://[^#]*?)(?:@([^@/#]+))?(?:#(.*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PATIENCE = 600.0


class GitTree(NamedTuple):
    """Fetched files. `url` is printable, `commit` the full hash."""

    path: Path
    url: str
    commit: str


def refuse_credentials(url: str) -> None:
    """Raise UsageError for the address of a repository, with or without git+, that has a user or a token in it."""
    url = url.removeprefix("git+")
    if url.startswith("http") and "@" in url.partition("://")[2].partition("/")[0]:
        raise UsageError(
            f"'{printable_url(url)}' was given with a user or a token, which would be kept",
            hint="leave it out and let git ask its credential helper: git config credential.helper …",
        )


def fetch_git(text: str, folder: Path) -> GitTree:
    """The files that an address names, below `folder`, which is made. They must not be written to.

    Raises UsageError for an address that is none, NotFoundError for an unknown revision or subdirectory,
    UnavailableError when the repository cannot be reached or there is no git.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise UsageError(f"'{text}' is no address of a Git repository", hint="git+https://<host>/<path>@<revision>")
    url, revision = found[1], found[2] or "HEAD"
    refuse_credentials(url)
    below = parse_qs(found[3] or "").get("subdirectory", [""])[0]
    if ".." in PurePosixPath(below).parts or below.startswith("/"):
        raise UsageError(f"'{text}' leads out of the repository", hint="write the subdirectory without '..'")
    mirror = folder / "mirrors" / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.git"
    mirror.parent.mkdir(parents=True, exist_ok=True)
    with mirror.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        commit = _commit(mirror, url, revision)
        tree = folder / "trees" / commit
        if not tree.is_dir():
            _unpack(mirror, commit, tree)
    place = tree / below
    if not place.exists():
        raise NotFoundError(f"{printable_url(url)} has no '{below}' at {commit[:12]}")
    return GitTree(place, printable_url(url), commit)


def _commit(mirror: Path, url: str, revision: str) -> str:
    """The commit that a revision means now; one that is named by its hash and known is not asked for again."""
    if not mirror.is_dir():
        incoming = mirror.with_suffix(f".{os.urandom(6).hex()}")
        try:
            _git(url, "clone", "--quiet", "--mirror", "--", url, str(incoming))
            incoming.rename(mirror)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    elif not (_COMMIT.fullmatch(revision) and _known(mirror, revision)):
        _git(url, "-C", str(mirror), "fetch", "--quiet", "--prune", "origin")
    commit = _known(mirror, revision)
    if commit is None:
        raise NotFoundError(f"{printable_url(url)} has no revision '{revision}'", hint="a branch, a tag or a commit")
    return commit


def _known(mirror: Path, revision: str) -> str | None:
    words = ["git", "-C", str(mirror), "rev-parse", "--quiet", "--verify", "--end-of-options", f"{revision}^{{commit}}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=_variables())
    return done.stdout.strip() or None if done.returncode == 0 else None


def _unpack(mirror: Path, commit: str, tree: Path) -> None:
    tree.parent.mkdir(parents=True, exist_ok=True)
    incoming = tree.with_name(f".{commit}.{os.urandom(6).hex()}")
    archive = incoming.with_suffix(".tar")
    try:
        _git(str(mirror), "-C", str(mirror), "archive", "--format=tar", "--output", str(archive), commit)
        try:
            with tarfile.open(archive) as tar:
                # nothing outside of the folder, no devices, no links that lead out
                tar.extractall(incoming, filter="data")
        except tarfile.FilterError as error:
            raise UnavailableError(
                f"commit {commit[:12]} has '{error.tarinfo.name}', which leads out of it or is no file",
                hint="clone the repository and name the folder",
            ) from error
        incoming.rename(tree)
    finally:
        archive.unlink(missing_ok=True)
        shutil.rmtree(incoming, ignore_errors=True)


def _git(url: str, *words: str) -> None:
    try:
        done = subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_PATIENCE, env=_variables(),
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UnavailableError("there is no git on this machine", hint="install git") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"git did not end within {_PATIENCE:g} s on {printable_url(url)}") from error
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.strip()]
        said = (told[-1] if told else f"exit {done.returncode}").replace(url, printable_url(url))
        raise UnavailableError(
            f"git cannot read {printable_url(url)}: {said}", hint="check the address, and that git clone works here"
        )


def _variables() -> dict[str, str]:
    # no question on the terminal, and no program that the repository names
    return {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "LC_ALL": "C"}
