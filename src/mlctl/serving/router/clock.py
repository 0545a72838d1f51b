"""`asyncio.timeout`, which Python 3.10 has not yet; there aiohttp brings the package it was made from."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

__all__ = ["timeout"]
