"""Who is at work: the name that records keep."""

from __future__ import annotations

import getpass
import os


def current_user() -> str:
    """The user's name; the number of the user where there is no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
