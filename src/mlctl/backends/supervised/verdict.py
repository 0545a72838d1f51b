"""How a job ended, from how its processes ended."""

from __future__ import annotations

import errno
import re
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlctl.backends.supervised.runner import Exit, Launch
from mlctl.entities.job import CANCELED, COMPLETED, FAILED
from mlctl.errors import MlctlError
from mlctl.serving.batch.driver import FAILED_MARK

_SHOWN_LINES = 20
_OTHER_EXPERIMENT = "does not match environment run ID"
_OTHER_EXPERIMENT_HINT = (
    "as on Azure ML the job is the MLflow run and its experiment is fixed: remove mlflow.set_experiment from the "
    "script, or name the experiment in the YAML with experiment_name"
)
_NOT_FOUND = re.compile(
    r"(?:line \d+: |sh: (?:\d+: )?)?(?P<program>\S+): (?:(?:command )?not found|No such file or directory)\s*$"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The final status; the exit code of the process that decided; error {"code", "message", …} unless Completed."""

    status: str
    exit_code: int | None = None
    error: dict[str, Any] | None = None


def judge(planned: list[Launch], exits: list[Exit], stopped_for: str | None, timeout: int | None) -> Verdict:
    """The verdict on launches that have all ended. `exits` is in the order in which they ended."""
    first_failure = next((found for found in exits if found.code != 0), None)
    if stopped_for == "cancel":
        return Verdict(CANCELED, _code_of(exits, 0))
    if stopped_for == "timeout":
        message = f"the job did not end within limits.timeout ({timeout} s) and was cancelled"
        return Verdict(CANCELED, _code_of(exits, 0), {"code": "TimeoutExceeded", "message": message})
    if stopped_for == "done" or first_failure is None:
        # what ended after the last essential launch was told to, whatever its code
        essential = {launch.rank for launch in planned if launch.essential}
        failed = [found for found in exits if found.rank in essential and found.code != 0]
        if not failed:
            return Verdict(COMPLETED, 0)
        first_failure = failed[0]
    return Verdict(FAILED, first_failure.code, _failure(planned, first_failure))


def refusal(error: Exception) -> Verdict:
    """The verdict on a job that could not be prepared or started."""
    if isinstance(error, MlctlError):
        found: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.hint:
            found["hint"] = error.hint
        return Verdict(FAILED, None, found)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        message = f"no space left on the disk that holds the job's folder ({error.filename or 'while writing'})"
        return Verdict(FAILED, None, {"code": "unavailable", "message": message})
    return Verdict(FAILED, None, {"code": "internal", "message": f"{type(error).__name__}: {error}"})


def on_a_full_disk(verdict: Verdict, folder: str) -> Verdict:
    """The verdict with the fact that explains it: the job could not even write its last words."""
    if verdict.error is None:
        return verdict
    message = f"{verdict.error['message']}; no space left on the disk that holds {folder}"
    hint = "free some space; the log and the outputs of the job may be incomplete"
    return replace(verdict, error={**verdict.error, "message": message, "hint": hint})


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a file, at most 64 KiB of it, as text with what cannot be decoded made visible."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 65536))
            data = stream.read()
    except OSError:
        return []
    return data.decode("utf-8", "backslashreplace").splitlines()[-count:]


def _failure(planned: list[Launch], found: Exit) -> dict[str, Any]:
    launch = next(launch for launch in planned if launch.rank == found.rank)
    lines = last_lines(launch.log, _SHOWN_LINES)
    who = f"rank {found.rank} of {len(planned)}" if len(planned) > 1 else "the command"
    error: dict[str, Any] = {"code": found.reason or "CommandFailed", "last_lines": lines}
    if len(planned) > 1:
        error["rank"] = found.rank
    if any(_OTHER_EXPERIMENT in line for line in lines):
        error["hint"] = _OTHER_EXPERIMENT_HINT
    told = _reason_of_batch(lines)
    if told:
        error["code"] = "BatchScoringFailed"
    error["message"] = found.message or told or f"{who} {_ending(found.code, lines)}"
    if found.message and len(planned) > 1:
        error["message"] = f"rank {found.rank}: {found.message}"
    return error


def _reason_of_batch(lines: list[str]) -> str | None:
    """What the last line of a batch scoring job says that failed; a script may have left half a line before it."""
    _, mark, reason = lines[-1].rpartition(FAILED_MARK) if lines else ("", "", "")
    return f"{mark}{reason}" if mark else None


def _ending(code: int | None, lines: list[str]) -> str:
    if code is None:
        return "ended in an unknown way"
    if code == 127:
        told = next((match for line in reversed(lines) if (match := _NOT_FOUND.search(line))), None)
        return f"ended with exit code 127: {told['program'] if told else 'a command'}: command not found"
    if code == 126:
        return "ended with exit code 126: a file of the command cannot be executed"
    if code > 128:
        try:
            name = signal.Signals(code - 128).name
        except ValueError:
            return f"ended with exit code {code}"
        return f"was ended by signal {name}"
    return f"ended with exit code {code}"


def _code_of(exits: list[Exit], rank: int) -> int | None:
    return next((found.code for found in exits if found.rank == rank), None)
