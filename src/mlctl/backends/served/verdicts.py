"""Why a generation of a deployment does not answer, with the last lines of what it said."""

from __future__ import annotations

import re
from typing import Any

from mlctl.backends.served.layout import GenerationFolder
from mlctl.backends.served.logs import last_lines
from mlctl.backends.served.replicas import Replica, Watch

_EXCEPTION = re.compile(r"[\w.]*(?:Error|Exception|Interrupt|Exit)(?::|$)")


def preparation_failed(folder: GenerationFolder, code: int) -> dict[str, Any]:
    """Environment, image or files could not be made ready; the preparation wrote the reason beside its log."""
    from mlctl.backends.served.layout import read_json

    told = read_json(folder.root / "error.json")
    if told:
        return dict(told)
    return {
        "code": "PreparationFailed",
        "message": f"the deployment could not be made ready (exit {code})",
        "log": last_lines(folder.build_log),
    }


def ended_at_start(replica: Replica) -> dict[str, Any]:
    """The scoring server ended before it answered, as when init() raises."""
    lines = last_lines(replica.log)
    code = replica.exit_code
    ended = f"exit {code}" if code is None or code >= 0 else f"signal {-code}"
    reason = _reason(lines)
    endpoint = replica.log.parents[3].name
    return {
        "code": "StartFailed",
        "message": f"the scoring server ended while it started ({ended})" + (f": {reason}" if reason else ""),
        "hint": f"all of its log: mlctl online-deployment get-logs -n {replica.deployment} -e {endpoint}",
        "log": lines,
    }


def not_ready(replica: Replica, watch: Watch) -> dict[str, Any]:
    """The scoring server runs and does not answer its readiness probe."""
    return {
        "code": "NotReady",
        "message": f"the scoring server did not answer {watch.readiness_path} within {watch.budget:g} s",
        "hint": "a slow init() needs a larger readiness_probe.initial_delay or failure_threshold",
        "log": last_lines(replica.log),
    }


def _reason(lines: list[str]) -> str:
    """The line that says what is wrong: the last one that names an exception, the script's own before the server's."""
    named = [line.strip() for line in lines if _EXCEPTION.match(line.strip())]
    own = [line for line in named if not line.startswith("azureml_inference_server_http.")]
    return (own or named or [""])[-1]
