"""The driver of a batch scoring job: cuts the input, keeps workers busy, journals, and writes the result in order.

`python -m mlctl_batch --script … --input … --output … --journal …`; see `main`. It ends with exit code 1 and one line
that begins with FAILED_MARK when the job fails; the supervisor shows that line as the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from mlctl.serving.batch.items import InputError, Item, MiniBatch, cut, list_items
from mlctl.serving.batch.journal import SUMMARY, Journal, write_whole
from mlctl.serving.batch.pool import Event, Pool

FAILED_MARK = "batch scoring failed: "
_TELL_EVERY = 10.0
_KEPT_FAILURES = 1000


class BatchFailedError(Exception):
    """The job fails; the text is the reason."""


@dataclass
class Summary:
    """What came of the input, in files, rows and mini batches. `failures`: the first files that failed, and why."""

    files: int = 0
    scored: int = 0
    taken_over: int = 0
    failed: int = 0
    rows: int = 0
    retries: int = 0
    replaced_workers: int = 0
    seconds: float = 0.0
    failures: list[dict[str, str]] = field(default_factory=list)


def main(words: Sequence[str] | None = None) -> int:
    """Score the input; 0 when the job completed."""
    options = _options().parse_args(words)
    # as the first process of a container it would not be ended by the signal itself
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    try:
        summary = score(options)
    except (BatchFailedError, InputError) as error:
        say(f"{FAILED_MARK}{error}")
        return 1
    say(
        f"{summary.scored} of {summary.files} files scored, {summary.rows} rows, {summary.failed} failed, "
        f"{summary.retries} retries, {summary.seconds:.1f} s"
    )
    return 0


def score(options: argparse.Namespace) -> Summary:
    """Score what is left to score. Raises BatchFailedError, and InputError for an input that cannot be read."""
    started = time.monotonic()
    items = list_items(options.input, options.input_type)
    os.makedirs(options.output, exist_ok=True)
    journal = Journal(options.journal)
    done = journal.take_over(options.resume_journal, items) if options.resume_journal else [False] * len(items)
    if options.resume_output:
        _take_over_files(options.resume_output, options.output, options.output_file_name)
    summary = Summary(files=len(items), taken_over=sum(done))
    pool = Pool(
        options.script,
        level=options.logging_level,
        variables=_variables(options),
        timeout=options.timeout,
        cwd=os.getcwd(),
    )
    run = _Run(options, journal, summary, pool, deque(cut(items, options.mini_batch_size, done)))
    if summary.taken_over:
        say(f"{summary.taken_over} of {len(items)} files were scored before")
    try:
        run.go()
    finally:
        pool.close()
        journal.sync()
        summary.scored, summary.rows = journal.scored, journal.rows
        summary.seconds = round(time.monotonic() - started, 3)
        _write_summary(journal.folder, summary)
    if options.output_action == "append_row":
        write_whole(os.path.join(options.output, options.output_file_name), journal.texts())
    if summary.scored == summary.files:
        journal.remove()
    return summary


class _Run:
    """Mini batches on their way through the workers."""

    def __init__(
        self,
        options: argparse.Namespace,
        journal: Journal,
        summary: Summary,
        pool: Pool,
        waiting: deque[MiniBatch],
    ) -> None:
        self._options = options
        self._journal = journal
        self._summary = summary
        self._pool = pool
        self._waiting = waiting
        self._attempts: dict[int, int] = {}
        self._unready = 0
        self._was_ready = False
        self._told = time.monotonic()

    def go(self) -> None:
        """Until nothing waits and nobody works. Raises BatchFailedError."""
        for _ in range(min(self._options.workers, len(self._waiting))):
            self._pool.start()
        while self._waiting or any(worker.batch for worker in self._pool.workers):
            for worker in self._pool.idle():
                if self._waiting:
                    self._pool.give(worker, self._waiting.popleft())
            for event in self._pool.events():
                self._take(event)
            self._tell()
        scored = self._journal.scored
        if self._summary.files and not scored:
            raise BatchFailedError(f"no file was scored; the last reason: {self._summary.failures[-1]['error']}")

    def _take(self, event: Event) -> None:
        if event.kind == "ready":
            self._unready, self._was_ready = 0, True
        elif event.kind == "result" and event.batch is not None:
            self._keep(event.batch, event.answer["count"], event.answer["text"])
        elif event.kind == "init":
            self._refuse_start(event.answer["init"])
        elif event.batch is not None:
            self._again_or_never(event, event.batch)
        elif not event.worker.ready:
            self._count_unready(event)
        if event.kind in ("died", "timeout"):
            self._summary.replaced_workers += 1
            free = sum(1 for worker in self._pool.workers if worker.batch is None)
            if len(self._waiting) > free:
                self._pool.start()

    def _keep(self, batch: MiniBatch, count: int, text: str) -> None:
        """Azure ML takes each result as one file that was scored; so too few results are files that failed."""
        kept = text if self._options.output_action == "append_row" else ""
        self._journal.add(batch, count, kept)
        missing = len(batch.items) - count
        if missing > 0:
            reason = f"run() gave {count} results for a mini batch of {len(batch.items)} files"
            self._fail(batch.items[-missing:], reason)

    def _again_or_never(self, event: Event, batch: MiniBatch) -> None:
        attempts = self._attempts.get(batch.position, 0) + 1
        self._attempts[batch.position] = attempts
        names = f"{batch.items[0].name}" + (f" and {len(batch.items) - 1} more" if len(batch.items) > 1 else "")
        # a worker that somebody killed says nothing about the files: there is one more try in any case
        most = max(self._options.max_retries, 1) if event.kind == "died" else self._options.max_retries
        if attempts <= most:
            self._summary.retries += 1
            say(f"mini batch with {names}: {event.reason}; try {attempts + 1}")
            self._waiting.appendleft(batch)
        else:
            say(f"mini batch with {names} failed after {attempts} tries: {event.reason}")
            self._fail(batch.items, event.reason)

    def _fail(self, items: Sequence[Item], reason: str) -> None:
        self._summary.failed += len(items)
        room = max(0, _KEPT_FAILURES - len(self._summary.failures))
        self._summary.failures += [{"file": item.name, "error": reason} for item in items[:room]]
        threshold = self._options.error_threshold
        if 0 <= threshold < self._summary.failed:
            raise BatchFailedError(
                f"{self._summary.failed} files failed, more than error_threshold {threshold}; the last reason: {reason}"
            )

    def _refuse_start(self, trace: str) -> None:
        """What the first init() says, every init() will say; later ones are counted when their worker has ended."""
        say(trace)
        if not self._was_ready:
            raise BatchFailedError(f"the script does not start: {trace.strip().splitlines()[-1]}")

    def _count_unready(self, event: Event) -> None:
        """A worker that dies in init() is started again, but not for ever."""
        self._unready += 1
        if self._unready > max(self._options.max_retries, 1):
            raise BatchFailedError(f"{self._unready} workers died one after the other in init(); {event.reason}")

    def _tell(self) -> None:
        if time.monotonic() - self._told > _TELL_EVERY:
            self._told = time.monotonic()
            say(f"{self._journal.scored} of {self._summary.files} files scored, {self._summary.failed} failed")


def say(text: str) -> None:
    """A line of the job's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlctl_batch", description="Score the files of an input in mini batches.")
    for name in ("script", "input", "output", "journal"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--input-type", default="uri_folder")
    parser.add_argument("--model", default="")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--mini-batch-size", type=int, default=10)
    parser.add_argument("--max-retries", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=30.0)
    parser.add_argument("--error-threshold", type=int, default=-1)
    parser.add_argument("--output-action", choices=("append_row", "summary_only"), default="append_row")
    parser.add_argument("--output-file-name", default="predictions.csv")
    parser.add_argument("--logging-level", default="info")
    parser.add_argument("--resume-journal", default="")
    parser.add_argument("--resume-output", default="")
    return parser


def _variables(options: argparse.Namespace) -> dict[str, str]:
    """What Azure ML tells a batch scoring script."""
    script = os.path.abspath(options.script)
    model = {"AZUREML_MODEL_DIR": os.path.dirname(os.path.abspath(options.model))} if options.model else {}
    return {
        **os.environ,
        **model,
        "AML_APP_ROOT": os.path.dirname(script),
        "AZUREML_ENTRY_SCRIPT": os.path.basename(script),
        "AZUREML_BI_OUTPUT_PATH": os.path.abspath(options.output),
    }


def _take_over_files(earlier: str, output: str, result: str) -> None:
    """Files that the script wrote in the earlier job belong to the result. Both jobs may have written to one place."""
    for place, _, files in os.walk(earlier):
        target = os.path.join(output, os.path.relpath(place, earlier))
        os.makedirs(target, exist_ok=True)
        for name in files:
            there = os.path.join(target, name)
            if name != result and not name.startswith(f"{result}.part-") and not os.path.exists(there):
                shutil.copy2(os.path.join(place, name), there)


def _write_summary(folder: str, summary: Summary) -> None:
    def texts() -> Iterator[str]:
        yield json.dumps(asdict(summary), indent=2) + "\n"

    write_whole(os.path.join(folder, SUMMARY), texts())


if __name__ == "__main__":
    sys.exit(main())
