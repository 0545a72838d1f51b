"""The scoring code of a deployment or a package: both keys together, and a script that is there and is Python."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.paths import absolute
from mlctl.spec.problems import closest
from mlctl.spec.references import FILE, LOCAL, parse
from mlctl.spec.rules.parts import has, part, require, text

LARGEST_SCRIPT = 2_000_000
"""Bytes. A larger script is not read: it is hardly one."""

_SKIP = "--skip-script-validation of the command leaves this check out"


def check_scoring_code(spec: SpecCheck, path: KeyPath = ("code_configuration",)) -> None:
    """`code` and `scoring_script` go together; the script is in the folder and compiles."""
    if not has(spec, *path):
        return
    together = [
        require(spec, (*path, "code"), hint="add 'code: …', the folder with the scoring script"),
        require(spec, (*path, "scoring_script"), hint="add 'scoring_script: …', the Python file with init and run"),
    ]
    code, script = text(spec, *path, "code"), text(spec, *path, "scoring_script")
    if all(together) and code and script:
        _check_script(spec, (*path, "scoring_script"), code, script)


def check_package(spec: SpecCheck) -> None:
    """The scoring code of a model package, and the ports of its routes, which are texts."""
    check_scoring_code(spec, ("inferencing_server", "code_configuration"))
    for route in ("liveness_route", "readiness_route", "scoring_route"):
        path = ("inferencing_server", "inference_configuration", route, "port")
        port = part(spec, *path)
        if port is not None and not (str(port).isascii() and str(port).isdigit() and 0 < int(port) < 65536):
            message = f"'{dotted(path)}': '{port}' is no port"
            spec.error("invalid_value", path, message, value=port, hint="write a number from 1 to 65535")


def _check_script(spec: SpecCheck, path: KeyPath, code: str, script: str) -> None:
    reference = parse(code)
    if reference.kind not in (LOCAL, FILE) or not spec.options.paths:
        return
    folder = Path(absolute(spec.document, reference.path or ""))
    if spec.library.kind_of(folder) != "folder":
        return
    place = Path(absolute(spec.document, str(folder / script)))
    if spec.library.kind_of(place) != "file":
        message = f"'{path[-1]}': there is no file '{script}' in '{code}'"
        match = closest(Path(script).name, _scripts(folder))
        hint = f"did you mean '{match}'?" if match and match != script else f"looked for {place}"
        spec.error("missing_path", path, message, value=script, hint=hint)
        return
    tree = parsed(place)
    if isinstance(tree, str):
        language = "" if script.lower().endswith(".py") else " as Python, which Azure ML expects"
        message = f"'{path[-1]}': {script} does not compile{language}: {tree}"
        hint = "correct it" if spec.kind.name == "modelPackage" else f"correct it; {_SKIP}"
        spec.error("invalid_script", path, message, value=script, hint=hint)
    elif tree is not None and not _has_own_server(spec):
        lacking = [name for name in ("init", "run") if name not in (names_of(tree) or ("init", "run"))]
        if lacking:
            message = f"'{path[-1]}': {script} has no function {' and no '.join(lacking)}"
            spec.warn(
                "invalid_script", path, message, value=script, hint="define init() and run(data) at the top of it"
            )


def parsed(place: Path) -> ast.Module | str | None:
    """A Python file as a tree; why it is none, with the line; or None when it cannot be read."""
    try:
        if place.stat().st_size > LARGEST_SCRIPT:
            return None
        source = place.read_bytes()
    except OSError:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
    except (ValueError, RecursionError, MemoryError):
        return "it holds bytes that are no text" if b"\0" in source else "it is nested too deeply"


def names_of(tree: ast.Module) -> set[str] | None:
    """Names that a script has at its top; None when it may have any: it is empty, or imports `*`."""
    names: set[str] = set()
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in statement.names}
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        else:
            # the branches of if, try and with
            for part in ("body", "orelse", "finalbody"):
                waiting += getattr(statement, part, [])
    return None if not tree.body or "*" in names else names


def _has_own_server(spec: SpecCheck) -> bool:
    """Whether there are routes of its own: then its server decides what the script must have."""
    return has(spec, "environment", "inference_config") or text(spec, "inferencing_server", "type") == "custom"


def _scripts(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()][:1000]
    except OSError:
        return []
