"""Files of a Git repository, as an address names them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlctl.errors import NotFoundError, UnavailableError, UsageError
from mlctl.store.git_trees import fetch_git


def git(folder: Path, *words: str) -> str:
    names = {f"GIT_{who}_{what}": "x@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, env={**os.environ, **names}
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    (folder / "jobs/src").mkdir(parents=True)
    (folder / "jobs/src/train.py").write_text("one\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "tag", "v1")
    (folder / "jobs/src/train.py").write_text("two\n")
    git(folder, "commit", "-q", "-a", "-m", "second")
    return folder


def test_a_revision_and_a_subdirectory(repository: Path, tmp_path: Path) -> None:
    address = f"git+file://{repository}"
    tree = fetch_git(f"{address}@v1#subdirectory=jobs/src", tmp_path / "git")
    assert (tree.path / "train.py").read_text() == "one\n"
    assert tree.commit == git(repository, "rev-parse", "v1")
    newest = fetch_git(address, tmp_path / "git")
    assert (newest.path / "jobs/src/train.py").read_text() == "two\n"
    assert sorted(path.name for path in (tmp_path / "git/trees").iterdir()) == sorted([tree.commit, newest.commit])


def test_a_branch_is_asked_for_again_and_a_commit_is_not(repository: Path, tmp_path: Path) -> None:
    address = f"git+file://{repository}"
    first = fetch_git(f"{address}@main", tmp_path / "git")
    (repository / "new").write_text("n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "third")
    assert fetch_git(f"{address}@main", tmp_path / "git").commit == git(repository, "rev-parse", "HEAD")
    repository.rename(tmp_path / "gone")
    assert fetch_git(f"{address}@{first.commit}", tmp_path / "git").path == first.path
    with pytest.raises(UnavailableError, match="git cannot read"):
        fetch_git(f"{address}@main", tmp_path / "git")


def test_what_is_not_there_is_said(repository: Path, tmp_path: Path) -> None:
    address = f"git+file://{repository}"
    with pytest.raises(NotFoundError, match="no revision 'nope'"):
        fetch_git(f"{address}@nope", tmp_path / "git")
    with pytest.raises(NotFoundError, match="has no 'other'"):
        fetch_git(f"{address}#subdirectory=other", tmp_path / "git")
    with pytest.raises(UsageError, match="leads out"):
        fetch_git(f"{address}#subdirectory=../x", tmp_path / "git")
    with pytest.raises(UsageError, match="is no address"):
        fetch_git("git+ext::sh -c true", tmp_path / "git")
    with pytest.raises(UnavailableError, match="git cannot read"):
        fetch_git(f"git+file://{tmp_path}/nothing", tmp_path / "git")
    assert [path.name for path in (tmp_path / "git/mirrors").iterdir() if path.is_dir()] == [
        path.name for path in (tmp_path / "git/mirrors").glob("*.git")
    ]


def test_a_link_that_leads_out_is_not_followed(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (repository / "out").symlink_to(tmp_path / "secret")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "link")
    with pytest.raises(UnavailableError, match="leads out of it"):
        fetch_git(f"git+file://{repository}", tmp_path / "git")
    assert not list((tmp_path / "git").rglob("secret"))


@pytest.mark.parametrize("user", ["abcdefghij", "me:abcdefghij"])
def test_a_token_in_the_address_is_refused_and_not_told(user: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="would be kept") as caught:
        fetch_git(f"git+https://{user}@127.0.0.1:9/r.git@main", tmp_path)
    assert "abcdefghij" not in str(caught.value)
    assert not list(tmp_path.iterdir())
