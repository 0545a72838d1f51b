"""A document is checked as a kind, and what was told is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from mlctl.spec.check import CheckOptions, check_document
from mlctl.spec.kinds import KINDS
from mlctl.spec.problems import Problem
from mlctl.spec.reader import read_file

Told: TypeAlias = Callable[..., list[Problem]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """`told(kind, text, files={…}, paths=…, secrets=…)`: the problems. A file without text is a folder."""

    def check(
        kind: str, text: str, *, files: dict[str, str | None] | None = None, paths: bool = True, secrets: bool = False
    ) -> list[Problem]:
        for name, content in (files or {}).items():
            place = tmp_path / name
            (place if content is None else place.parent).mkdir(parents=True, exist_ok=True)
            if content is not None:
                place.write_text(content, encoding="utf-8")
        path = tmp_path / "spec.yml"
        path.write_text(text, encoding="utf-8")
        return check_document(read_file(path), KINDS[kind], CheckOptions(paths=paths, secrets=secrets)).problems

    return check
