"""A worker of a batch job: imports the scoring script, calls init() once and run() for each mini batch it is given.

It talks with the driver through two pipes of its own, in lines of JSON; what the script prints goes to the job's log.
  in:  {"files": [path, …]}
  out: {"ready": true} or {"init": traceback}; then for each mini batch {"count": n, "text": rows} or {"error": …}
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


def main(script: str, tasks: int, results: int, level: str) -> int:
    """Work until the driver closes its pipe."""
    for number in (tasks, results):
        os.set_inheritable(number, False)
    for stream in (sys.stdout, sys.stderr):
        # whole lines: all workers write to one log
        stream.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]
    logging.basicConfig(level=LEVELS.get(level, logging.INFO), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    end_with_the_driver()
    answers = os.fdopen(results, "w", encoding="utf-8")

    def tell(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        run = _start(script)
    except BaseException:  # also SystemExit: the script may say anything
        tell({"init": _short(traceback.format_exc())})
        return 1
    tell({"ready": True})
    with os.fdopen(tasks, encoding="utf-8") as lines:
        for line in lines:
            tell(_answer(run, json.loads(line)["files"]))
    return 0


def _start(script: str) -> Callable[[list[str]], Any]:
    module = load(script)
    if hasattr(module, "init"):
        module.init()
    run: Callable[[list[str]], Any] = module.run
    return run


def load(script: str) -> ModuleType:
    """The scoring script as a module, in its folder, with no words on its command line."""
    folder = os.path.dirname(os.path.abspath(script))
    sys.path.insert(0, folder)
    sys.argv = [script]
    name = os.path.splitext(os.path.basename(script))[0]
    found = importlib.util.spec_from_file_location(name, script)
    assert found is not None, script
    assert found.loader is not None, script
    module = importlib.util.module_from_spec(found)
    # pickled functions of the script are looked up by its name
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def _answer(run: Callable[[list[str]], Any], files: list[str]) -> dict[str, Any]:
    try:
        count, text = rows_of(run(files))
    except BaseException as error:  # also SystemExit: the worker goes on with other files
        sys.stderr.write(traceback.format_exc())
        return {"error": f"{type(error).__name__}: {error}"[:2000]}
    return {"count": count, "text": text}


def rows_of(result: Any) -> tuple[int, str]:
    """How many results there are, and their lines: a DataFrame with blanks between values and no header, as Azure ML
    writes it; of anything else that has items, one line for each. Raises TypeError for what Azure ML refuses."""
    if hasattr(result, "to_csv") and hasattr(result, "columns"):
        return len(result), result.to_csv(sep=" ", header=False, index=False) if len(result) else ""
    if hasattr(result, "tolist"):
        result = result.tolist()
    if not isinstance(result, (list, tuple)):
        raise TypeError(f"run() must return a list, a tuple or a pandas DataFrame, not {type(result).__name__}")
    return len(result), "".join(f"{item}\n" for item in result)


def end_with_the_driver() -> None:
    """Linux ends this process when the driver dies, however it dies; elsewhere the closed pipe does."""
    try:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, OSError, AttributeError):
        return


def _short(text: str) -> str:
    return text if len(text) <= 6000 else "…" + text[-6000:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
