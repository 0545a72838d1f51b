"""Build contexts: which files of a folder go to the engine, and the names in their Dockerfile.

Contract of `.dockerignore`: patterns of Go's filepath.Match plus `**`, relative to the context, the last match wins,
`!` takes files back in, and what matches a folder matches everything below. The Dockerfile always goes along.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mlctl.errors import NotFoundError
from mlctl.images.recipe import ImageRecipe, Part, pack

IGNORE_FILE = ".dockerignore"


def context_files(folder: Path, dockerfile: str) -> list[str]:
    """Paths in the context, relative with `/`, sorted; folders are among them, links are not followed.

    Raises NotFoundError when the folder or the Dockerfile in it is missing.
    """
    if not folder.is_dir():
        raise NotFoundError(f"environment.build.path: no folder {folder}")
    if not (folder / dockerfile).is_file():
        raise NotFoundError(f"environment.build.dockerfile_path: no file {dockerfile} in {folder}")
    ignored = ignore_rules(_read_text(folder / IGNORE_FILE))
    always = {os.path.normpath(dockerfile).replace(os.sep, "/"), IGNORE_FILE}
    return sorted(path for path in _walk(folder, ignored) if path in always or not ignored(path))


def context_digest(folder: Path, dockerfile: str) -> str:
    """The sha256 of a build context, in hex. Raises as `context_files`."""
    recipe = ImageRecipe(parts=(Part(folder, tuple(context_files(folder, dockerfile))),), dockerfile=dockerfile)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - the name of no file
        return pack(recipe, nowhere)


def ignore_rules(text: str) -> Callable[[str], bool]:
    """A predicate on relative paths: whether `.dockerignore` with this text leaves the path out."""
    rules: list[tuple[bool, re.Pattern[str]]] = []
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        negated = line.startswith("!")
        pattern = os.path.normpath(line.lstrip("!").strip()).lstrip("/")
        if pattern not in ("", "."):
            rules.append((negated, re.compile(_expression(pattern) + r"(?:/.*)?", re.DOTALL)))

    def ignored(path: str) -> bool:
        verdict = False
        for negated, expression in rules:
            if expression.fullmatch(path):
                verdict = not negated
        return verdict

    return ignored


def mirror_dockerfile(text: str, mirror: Callable[[str], str]) -> str:
    """The Dockerfile with each FROM image passed through `mirror`; stages, `scratch` and names with `$` stay."""
    stages: set[str] = {"scratch"}
    lines = []
    for line in text.splitlines(keepends=True):
        found = re.match(r"(\s*FROM\s+(?:--\S+\s+)*)(\S+)((?:\s+AS\s+(\S+))?.*)", line, re.IGNORECASE | re.DOTALL)
        changed = line
        if found:
            head, name, tail, stage = found.groups()
            if name.lower() not in stages and "$" not in name:
                changed = f"{head}{mirror(name)}{tail}"
            stages |= {stage.lower()} if stage else set()
        lines.append(changed)
    return "".join(lines)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except FileNotFoundError:
        return ""


def _walk(folder: Path, ignored: Callable[[str], bool]) -> Iterator[str]:
    # a folder that is left out is still entered when a rule may take some of it back
    keeps_some = any(line.strip().startswith("!") for line in _read_text(folder / IGNORE_FILE).splitlines())
    for root, folders, names in os.walk(folder):
        base = Path(root).relative_to(folder).as_posix()
        prefix = "" if base == "." else f"{base}/"
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]  # noqa: PTH118, PTH114
        yield from (prefix + name for name in [*names, *folders])
        folders[:] = [name for name in folders if name not in links and (keeps_some or not ignored(prefix + name))]


def _expression(pattern: str) -> str:
    """A Go filepath.Match pattern with `**` as a regular expression."""
    out, index = "", 0
    while index < len(pattern):
        char = pattern[index]
        if pattern.startswith("**", index):
            index += 2
            if pattern.startswith("/", index):
                index += 1
                out += "(?:.*/)?"
            else:
                out += ".*"
            continue
        if char == "[" and "]" in pattern[index + 2 :]:
            end = pattern.index("]", index + 2)
            out += "[" + pattern[index + 1 : end].replace("\\", "\\\\") + "]"
            index = end
        elif char == "\\" and index + 1 < len(pattern):
            index += 1
            out += re.escape(pattern[index])
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char))
        index += 1
    return out
