"""`asyncio.timeout`, which Python 3.10 has not yet; the extra `serving` brings the package it was made from there."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

__all__ = ["timeout"]
