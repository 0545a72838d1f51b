"""Parallel steps and components: what is split, what each worker runs, where its rows go."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.references import find_expressions
from mlctl.spec.rules.command import check_expressions, check_resources, check_variables
from mlctl.spec.rules.ports import check_inside

_BATCH_SIZE = r"\d+([kKmMgG][bB])?|\$\{\{.*\}\}"


def check_parallel(spec: SpecCheck, path: KeyPath, names: Mapping[str, Collection[str]]) -> None:
    """Check the parallel step or component at `path`. `names`: its declared inputs and outputs."""
    here: KeyPath = (*path, "task")
    if "task" not in spec.mapping(*path):
        hint = "add 'task: {type: run_function, code: …, entry_script: …, environment: …}'"
        spec.error("missing_key", here, f"'{dotted(here)}' is missing", hint=hint)
    check_variables(spec, path, names)
    check_resources(spec, (*path, "resources"))
    check_expressions(spec, (*path, "task", "program_arguments"), names)
    _check_input_data(spec, (*path, "input_data"), names)
    _check_rows(spec, (*path, "task", "append_row_to"), names)
    check_inside(spec, (*path, "task", "entry_script"), spec.mapping(*path, "task").get("code"))
    size = spec.mapping(*path).get("mini_batch_size")
    if isinstance(size, str) and not re.fullmatch(_BATCH_SIZE, size.strip()):
        message = f"'{dotted((*path, 'mini_batch_size'))}' cannot be '{size}'"
        hint = "write a number of files such as '10', or a size such as '10kb' or '1mb'"
        spec.error("invalid_value", (*path, "mini_batch_size"), message, value=size, hint=hint)
    keys = spec.mapping(*path).get("partition_keys")
    if size is not None and isinstance(keys, list) and keys:
        message = f"'{dotted((*path, 'mini_batch_size'))}' has no effect beside partition_keys"
        spec.warn("ignored", (*path, "mini_batch_size"), message, hint="remove one of the two")


def _check_input_data(spec: SpecCheck, path: KeyPath, names: Mapping[str, Collection[str]]) -> None:
    text = spec.mapping(*path[:-1]).get(str(path[-1]))
    if not isinstance(text, str):
        return
    expressions = find_expressions(text)
    if not expressions:
        message = f"'{dotted(path)}' is '{text}', the input to split is expected"
        spec.error("unbound", path, message, value=text, hint="write ${{inputs.<name>}}")
        return
    check_expressions(spec, path, {"inputs": names["inputs"]})


def _check_rows(spec: SpecCheck, path: KeyPath, names: Mapping[str, Collection[str]]) -> None:
    text = spec.mapping(*path[:-1]).get(str(path[-1]))
    if isinstance(text, str) and find_expressions(text):
        check_expressions(spec, path, {"outputs": names["outputs"]})
