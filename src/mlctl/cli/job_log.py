"""Showing a job's log: the user's lines where they belong, everything else on stderr, and a way back after Ctrl-C."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlctl.operations import jobs

if TYPE_CHECKING:
    from mlctl.backends.base import LogChunk, LogCursor
    from mlctl.context import Context
    from mlctl.entities.job import JobRecord
    from mlctl.operations.jobs import JobDesk

_RANK = re.compile(r"std_log_process_(\d+)\.txt$")
_LINE = re.compile(rb"[^\n]*\n|[^\n]+$")
_BUILD_LOG = "azureml-logs/"


def show_log(
    context: Context,
    desk: JobDesk,
    name: str,
    *,
    to_stdout: bool,
    follow: bool = True,
    since: LogCursor | None = None,
    rank: int | None = None,
) -> None:
    """Write the log as it comes, until the job has ended.

    How the environment was built goes to stderr always, the job's own lines to stdout or to stderr. On Ctrl-C the job
    goes on, and the way back is said.
    """
    streams = context.streams
    sink = streams.write_output if to_stdout else streams.write_log
    labels = _Labels()
    _say_why_it_waits(context, desk, name)
    try:
        for chunk in jobs.stream(desk, name, follow=follow, since=since, rank=rank):
            if chunk.source.startswith(_BUILD_LOG):
                streams.write_log(chunk.data)
            else:
                sink(labels.put(chunk) if rank is None else chunk.data)
    except KeyboardInterrupt:
        context.say.error(f"\njob {name!r} goes on; to follow it again: mlctl job stream -n {name}")
        raise


def told_end(context: Context, record: JobRecord) -> int:
    """Say how a finished job ended, its first failing process first; the exit code for it (0 or 10)."""
    from mlctl.errors import JobFailedError

    good, sentence = jobs.outcome(record)
    if good:
        context.say.info(sentence)
        return 0
    error: dict[str, Any] = record.error or {}
    if "rank" in error and error.get("last_lines"):
        context.say.error(f"last lines of rank {error['rank']}:")
        for line in error["last_lines"]:
            context.say.error(f"  {line}")
    context.say.error(f"error[{JobFailedError.code}]: {sentence}")
    if error.get("hint"):
        context.say.hint(error["hint"])
    return JobFailedError.exit_code


def _say_why_it_waits(context: Context, desk: JobDesk, name: str) -> None:
    backend = desk.backend_of(name)
    reason = backend.jobs.waiting_reason(backend.jobs.get(name))
    if reason:
        context.say.warning(f"job {name!r} waits: {reason}")


class _Labels:
    """Leads each line with its rank when the job has several processes. A very long line comes in several chunks."""

    def __init__(self) -> None:
        self._unfinished: set[str] = set()

    def put(self, chunk: LogChunk) -> bytes:
        """The chunk with labels; one of a job with a single process stays as it is."""
        found = _RANK.search(chunk.source)
        if not found:
            return chunk.data
        label = f"[rank {int(found[1])}] ".encode()
        lines = _LINE.findall(chunk.data)
        goes_on = chunk.source in self._unfinished
        self._unfinished.discard(chunk.source)
        if not chunk.data.endswith(b"\n"):
            self._unfinished.add(chunk.source)
        return b"".join(line if goes_on and number == 0 else label + line for number, line in enumerate(lines))
