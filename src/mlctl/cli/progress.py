"""How far something is, on a terminal; nothing anywhere else."""

from __future__ import annotations

from collections.abc import Callable

from mlctl.context import Context

_WORTH_A_BAR = 64 * 1024 * 1024


def byte_progress(context: Context) -> Callable[[int, int], None] | None:
    """A function of (bytes done, bytes in all) that draws a line on stderr; None where nobody would see it."""
    if not context.streams.talks_to_terminal():
        return None

    def tell(done: int, total: int) -> None:
        if total < _WORTH_A_BAR:
            return
        end = "\n" if done >= total else ""
        context.streams.write_talk(f"\r{done / total:4.0%} of {total / 1e6:,.0f} MB{end}")

    return tell
