"""What stands for a secret in a text that is kept or shown."""

from __future__ import annotations

import re

HIDDEN = "…"
"""Stands for what is not told."""

TAG = re.compile(f"{HIDDEN}[0-9a-f]{{8}}")
"""Stands for one of several secrets in texts that would look alike; see `storage/hidden_texts.py`."""
