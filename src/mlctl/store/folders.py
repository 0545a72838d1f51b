"""Folders of a workspace: made for the owner alone, removed whatever a job left in them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlctl.store.database import translate_os_error


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner may look into: jobs' variables and logs may hold secrets."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            folder.mkdir(mode=0o700)
    except FileExistsError:
        return  # another process was quicker
    except OSError as error:
        raise translate_os_error(error, folder) from error


def remove_tree(folder: Path) -> None:
    """Remove a folder with all in it."""

    def make_writable(action: Callable[..., Any], path: str, _error: object) -> None:
        # A job may have left folders without write permission.
        Path(path).parent.chmod(0o700)
        if Path(path).is_dir():
            Path(path).chmod(0o700)
        action(path)

    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=make_writable)
    else:
        shutil.rmtree(folder, onerror=make_writable)
