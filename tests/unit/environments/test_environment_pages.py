from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.environments.reference import render_conda_packages, render_curated, write_pages

PAGES = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize(
    ("name", "text"), [("curated-environments.md", render_curated()), ("conda-packages.md", render_conda_packages())]
)
def test_the_pages_are_fresh(name: str, text: str) -> None:
    assert (PAGES / name).read_text(encoding="utf-8") == text, (
        "run python -m mlctl.environments.reference docs/reference"
    )


def test_pages_are_written(tmp_path: Path) -> None:
    write_pages(tmp_path / "reference")
    assert {path.name for path in (tmp_path / "reference").iterdir()} == {
        "curated-environments.md",
        "conda-packages.md",
    }
