"""What tests of environments share: settings over a plain environment, and a Python that costs nothing to find."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlctl.settings import Settings, load


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with a home of their own; keyword arguments of the call become variables."""

    def make(overrides: Mapping[str, str] | None = None, **variables: str) -> Settings:
        environ = {**os.environ, "MLCTL_HOME": str(tmp_path / "home"), **variables}
        return load(overrides=overrides or {}, environ=environ, cwd=tmp_path)

    return make
