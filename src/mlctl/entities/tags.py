"""Tags and properties: names with texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def texts(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Tags, properties or variables as YAML has them, with every value a text; nothing becomes an empty one."""
    return {str(key): "" if value is None else str(value) for key, value in (given or {}).items()}
