"""Files and folder trees, each stored once by its content."""

from __future__ import annotations

from pathlib import Path


class ContentStore:
    """Content of one workspace, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
