"""Fixtures of tests that need the real system."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    if not ROOT or shutil.which("mount") is None:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def sealed() -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only, for root too."""
    done: list[Path] = []

    def seal(folder: Path) -> None:
        if not ROOT or shutil.which("mount") is None:
            pytest.skip("mounting a folder read-only needs root")
        subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
        done.append(folder)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)

    yield seal
    for folder in done:
        subprocess.run(["umount", "-l", str(folder)], check=True)
