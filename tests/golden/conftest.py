"""`pytest tests/golden --update-golden` writes the plans anew; look at the difference before committing it."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the expected plans anew")


@pytest.fixture
def updating(request: pytest.FixtureRequest) -> bool:
    """Whether expected plans are written rather than compared."""
    return bool(request.config.getoption("--update-golden", default=False))
